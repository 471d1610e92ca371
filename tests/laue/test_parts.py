"""A stack in parts gives the file of `find_spots`: the same bytes for any layout, options and parts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from laue import made
from makers import entries

from braggio.batch.parts import Part
from braggio.errors import BraggioError, FormatError, LimitError, MetadataError, OutputError
from braggio.laue import SpotOptions, find_spots
from braggio.laue.parts import PartOptions, join_parts, masks_part, part_counts, stats_part

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def told(output: Path, **params: Any) -> PartOptions:
    own = {name: params.pop(name) for name in ("dataset", "mask", "memory", "threads", "overwrite") if name in params}
    return PartOptions(output, SpotOptions(**params), **own)


def in_parts(source: Path, output: Path, bands: int, blocks: int, **params: Any) -> tuple[str, ...]:
    """All steps, the later parts first."""
    order = told(output, **params)
    for part in reversed(list(Part(1, bands).all())):
        assert all(path.is_file() for path in stats_part(source, part, order))
    for part in reversed(list(Part(1, blocks).all())):
        assert all(path.is_file() for path in masks_part(source, part, order, bands=bands))
    return join_parts(source, order, bands=bands, blocks=blocks)


LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "frames": {"chunks": (1, 96, 101), "compression": "gzip"},
    "rows": {"chunks": (1, 16, 101), "compression": "gzip"},
    "deep": {"chunks": (7, 32, 40), "compression": "gzip"},
    "not ours": {"chunks": (3, 32, 101), "compression": "lzf"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout(layout: str, tmp_path: Path) -> None:
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack()[0], **LAYOUTS[layout])
    report = find_spots(source, tmp_path / "whole.h5", sync="pairs")
    bands, blocks = part_counts(source, 9)
    assert blocks == 5
    assert bands == (1 if layout == "frames" else 3 if layout in ("deep", "not ours") else 5)
    (tmp_path / "out").mkdir()
    assert in_parts(source, tmp_path / "out" / "x.h5", bands, blocks, sync="pairs") == report.warnings
    assert (tmp_path / "out" / "x.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert entries(tmp_path / "out") == ["x.h5"]


@pytest.mark.parametrize(
    "params",
    [
        {"sync": "none", "compression": "none"},
        {"sync": "blocks", "compression": "lzf"},
        {"sync": "pairs", "method": "kruskal", "alpha": 0.01},
        {"centres": True, "saturation": 2000, "unbiased": True},
        {"split": True, "min_pixels": 3, "threads": 3},
        {"masks": False, "n": 0, "cutoff": 50.0},
        {"mask": "detector", "dilations": 0},
        {"memory": 4 << 20, "n": 1.0},
    ],
    ids=str,
)
def test_any_options(params: dict[str, Any], tmp_path: Path) -> None:
    """Blocks of pairs that a part boundary would cut stay whole, empty spot tables too."""
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack()[0], chunks=(1, 16, 101), compression="gzip")
    if "mask" in params:
        params = params | {"mask": made.stack(2)[0][0] % 7 == 0}
    report = find_spots(source, tmp_path / "whole.h5", **params)
    (tmp_path / "out").mkdir()
    assert in_parts(source, tmp_path / "out" / "x.h5", 2, 7, **params) == report.warnings
    assert (tmp_path / "out" / "x.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_more_parts_than_masks(tmp_path: Path) -> None:
    """Some parts are then empty."""
    pixels = made.stack(4)[0]
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", pixels)
    find_spots(source, tmp_path / "whole.h5", angles=0, sync="blocks")
    in_parts(source, tmp_path / "x.h5", 1, 4, angles=0, sync="blocks")
    assert (tmp_path / "x.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_search_is_told_from_another(tmp_path: Path) -> None:
    """What is there of the very same search is left alone; with another mask, option or dataset it is another's."""
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack()[0])
    with h5py.File(source, "a") as file:
        file["dark"] = made.stack(seed=1)[0]
    output = tmp_path / "x.h5"
    report = find_spots(source, output)
    before = output.read_bytes()
    assert stats_part(source, Part(1, 2), told(output)) == masks_part(source, Part(1, 2), told(output), bands=2) == []
    assert join_parts(source, told(output), bands=2, blocks=2) == report.warnings
    mask = np.zeros((96, 101), bool)
    mask[3, 4] = True
    for other in ({"cutoff": 4.0}, {"mask": mask}, {"dataset": "dark"}):
        with pytest.raises(OutputError, match="exists"):
            stats_part(source, Part(1, 2), told(output, **other))
    assert output.read_bytes() == before
    assert entries(tmp_path) == ["x.h5", "x__mccd.h5"]
    in_parts(source, output, 2, 2, cutoff=4.0, overwrite=True)
    find_spots(source, tmp_path / "whole.h5", cutoff=4.0)
    assert output.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_steps_that_come_too_soon(tmp_path: Path) -> None:
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack()[0])
    order = told(tmp_path / "out" / "x.h5")
    stats_part(source, Part(1, 2), order)
    with pytest.raises(MetadataError, match="stats-2-of-2"):
        masks_part(source, Part(1, 2), order, bands=2)
    stats_part(source, Part(2, 2), order)
    masks_part(source, Part(2, 2), order, bands=2)
    with pytest.raises(MetadataError, match="masks-1-of-2"):
        join_parts(source, order, bands=2, blocks=2)
    assert not (tmp_path / "out" / "x.h5").exists()
    masks_part(source, Part(1, 2), order, bands=2)
    join_parts(source, order, bands=2, blocks=2)
    assert entries(tmp_path / "out") == ["x.h5"]


def test_damaged_parts(tmp_path: Path) -> None:
    """Every cut and some changed bytes: an error, or the same file; never another file, and never a half one."""
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack(20)[0])
    find_spots(source, tmp_path / "whole.h5")
    output = tmp_path / "out" / "x.h5"
    order = told(output)
    (stats,) = stats_part(source, Part(1, 1), order)
    (masks,) = masks_part(source, Part(1, 1), order, bands=1)
    good = {path: path.read_bytes() for path in (stats, masks)}
    rng = np.random.default_rng(0)
    for path, content in good.items():
        for _ in range(25):
            bad = bytearray(content[: rng.integers(len(content))] if rng.random() < 0.5 else content)
            if len(bad) == len(content):
                bad[rng.integers(len(bad))] ^= 1 << int(rng.integers(8))
            path.write_bytes(bad)
            try:
                join_parts(source, order, bands=1, blocks=1)
            except (FormatError, MetadataError):
                assert not output.exists()
            else:
                assert output.read_bytes() == (tmp_path / "whole.h5").read_bytes()
                output.unlink()
            for each, whole in good.items():
                each.parent.mkdir(exist_ok=True)
                each.write_bytes(whole)


def test_bad_frames_are_named_as_in_one(tmp_path: Path) -> None:
    """A NaN in the second band has its row in the frame, not in the band."""
    pixels = made.stack()[0].astype(np.float32)
    pixels[5, 70, 9] = np.nan
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", pixels)
    with pytest.raises(FormatError) as whole:
        find_spots(source, tmp_path / "whole.h5")
    with pytest.raises(FormatError) as part:
        stats_part(source, Part(2, 2), told(tmp_path / "x.h5"))
    assert str(part.value) == str(whole.value)
    assert "(70, 9)" in str(part.value)
    assert entries(tmp_path) == ["x__mccd.h5"]


def test_too_little_memory(tmp_path: Path) -> None:
    source = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack()[0])
    with pytest.raises(LimitError, match="memory"):
        stats_part(source, Part(1, 1), told(tmp_path / "x.h5", memory=1 << 20))


def test_an_input_that_is_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = 5
    with pytest.raises(BraggioError):
        part_counts(tmp_path / "x.h5", 5)
    with pytest.raises(FileNotFoundError):
        stats_part(tmp_path / "no.h5", Part(1, 1), told(tmp_path / "y.h5"))
    assert os.listdir(tmp_path) == ["x.h5"]
