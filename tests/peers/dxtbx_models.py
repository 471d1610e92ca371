"""Run by the Python that has dxtbx: the models and pixels of experiment lists, as one JSON object by path.

usage: dxtbx_models.py FILE.expt...
"""

import json
import sys

from dxtbx.model.experiment_list import ExperimentList


def experiment(found):
    detector, beam, scan, goniometer = found.detector, found.beam, found.scan, found.goniometer
    panel = detector[0]
    first = found.imageset.get_raw_data(0)[0]
    corrected = found.imageset.get_corrected_data(0)[0]
    return {
        "format": found.imageset.get_format_class().__name__,
        "panels": len(detector),
        "wavelength": beam.get_wavelength(),
        "distance": panel.get_directed_distance(),
        "beam_center": panel.get_ray_intersection_px(beam.get_s0()) if abs(panel.get_normal()[2]) > 0.999 else None,
        "pixel_size": panel.get_pixel_size(),
        "image_size": panel.get_image_size(),
        "fast_axis": panel.get_fast_axis(),
        "slow_axis": panel.get_slow_axis(),
        "origin": panel.get_origin(),
        "trusted_range": panel.get_trusted_range(),
        "gain": panel.get_gain(),
        "pedestal": panel.get_pedestal(),
        "axis": goniometer.get_rotation_axis(),
        "image_range": scan.get_image_range(),
        "oscillation": scan.get_oscillation(),
        "exposure_times": list(scan.get_exposure_times()),
        "epochs": list(scan.get_epochs()),
        "pixels": [list(found.imageset.get_raw_data(i)[0].as_1d()) for i in range(len(found.imageset))]
        if first.size() < 10000
        else None,
        "good": [found.imageset.get_mask(i)[0].count(True) for i in range(len(found.imageset))],
        "corrected_minimum": min(corrected.as_1d()),
        "crystal": None if found.crystal is None else crystal(found.crystal),
    }


def crystal(found):
    return {"cell": found.get_unit_cell().parameters(), "A": found.get_A()}


def main():
    lists = {path: ExperimentList.from_file(path, check_format=True) for path in sys.argv[1:]}
    json.dump({path: [experiment(each) for each in found] for path, found in lists.items()}, sys.stdout)


if __name__ == "__main__":
    main()
