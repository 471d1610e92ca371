"""Results of a search, made for tests: eight maps, a micrograph, a template and the configuration that names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from makers import mrc

NAMES = (
    "mip scaled_mip orientation_psi orientation_theta orientation_phi relative_defocus correlation_average"
    " correlation_variance"
).split()
OPTICS = {
    "label": "g", "pixel_size": 1.5, "voltage": 300.0, "defocus_u": 5000.0, "defocus_v": 4800.0,
    "astigmatism_angle": 30.0, "spherical_aberration": 2.7, "amplitude_contrast_ratio": 0.07, "phase_shift": 0.0,
    "ctf_B_factor": 60.0, "even_zernikes": None, "odd_zernikes": None, "mag_matrix": None,
}  # fmt: skip


def maps(shape=(40, 50), peaks=((10, 12, 30.0), (25, 33, 20.0)), seed=0):
    """Eight maps of noise with peaks (y, x, scaled MIP)."""
    rng = np.random.default_rng(seed)
    found = {
        "mip": rng.normal(2, 0.3, shape),
        "correlation_average": rng.normal(0, 0.05, shape),
        "correlation_variance": rng.uniform(0.8, 1.3, shape),
        "orientation_psi": rng.uniform(0, 360, shape),
        "orientation_theta": rng.uniform(0, 180, shape),
        "orientation_phi": rng.uniform(0, 360, shape),
        "relative_defocus": rng.choice([-200.0, 0.0, 200.0], shape),
    }
    for y, x, height in peaks:
        found["mip"][y, x] = height
    found = {name: values.astype(np.float32) for name, values in found.items()}
    found["scaled_mip"] = (found["mip"] - found["correlation_average"]) / found["correlation_variance"]
    return found


def write_result(folder: Path, values=None, *, box=8, optics=None, name="search", micrograph=None, **result):
    """Files of a result in a folder; the configuration's path. The maps are of valid mode."""
    folder.mkdir(parents=True, exist_ok=True)
    values = maps() if values is None else values
    for key, array in values.items():
        (folder / f"{name}_{key}.mrc").write_bytes(mrc(array))
    height, width = values["mip"].shape
    if micrograph is None:
        rng = np.random.default_rng(9)
        micrograph = rng.normal(size=(height + box - 1, width + box - 1)).astype(np.float32)
    (folder / f"{name}_micrograph.mrc").write_bytes(mrc(micrograph))
    (folder / f"{name}_template.mrc").write_bytes(mrc(np.zeros((box, box, box), np.float32), volume=True))
    config = {
        "match_template_result": {
            **{f"{key}_path": f"{name}_{key}.mrc" for key in NAMES},
            "total_projections": 1000,
            **result,
        },
        "micrograph_path": f"{name}_micrograph.mrc",
        "template_volume_path": f"{name}_template.mrc",
        "optics_group": OPTICS | (optics or {}),
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.dump(config))
    return path
