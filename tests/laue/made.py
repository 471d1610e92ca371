"""Small Laue data with known spots, made on the spot."""

import struct

import h5py
import numpy as np


def stack(frames=40, height=96, width=101, *, repeat=2, spots=6, seed=0, dtype=np.uint16, beam_stop=True):
    """(frames, rows of (frame, row, column)): Poisson background, a beam stop of zeros, Gaussian spots per angle.

    Frames 2k are "on": their spots are 10 % brighter.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    background = 150 + 100 * np.exp(-((distance / (0.6 * width)) ** 2))
    if beam_stop:
        background[distance < 3] = 0
    pixels = rng.poisson(background, (frames, height, width))
    truth = []
    for angle in range(frames // repeat):
        for place in rng.permutation((height // 24) * (width // 24))[:spots]:  # one per cell, so none touch
            row = 24 * (place // (width // 24)) + int(rng.integers(9, 15))
            column = 24 * (place % (width // 24)) + int(rng.integers(9, 15))
            peak = 2500 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 1.6**2))
            for i in range(repeat):
                frame = angle * repeat + i
                pixels[frame] += rng.poisson(peak * (1.1 if frame % 2 == 0 else 1.0))
                truth.append((frame, row, column))
    return pixels.astype(dtype), truth


def angles(frames, repeat=2):
    return np.repeat(np.arange(frames // repeat) * 1.5, repeat)


def write_mccd_h5(path, pixels, *, repeat=2, laser=True, name="frames", angle=None, **options):
    """A ``__mccd.h5`` file; `options` go to h5py's create_dataset."""
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=pixels, **options)
        group = file.create_group("lauecollect")
        group["angle"] = angles(len(pixels), repeat) if angle is None else angle
        if laser:
            group["laser_on"] = (np.arange(len(pixels)) % 2 == 0).astype(np.int8)
            group.attrs["block_size"] = repeat
    return path


def mccd(path, pixels, *, order="<", **fields):
    """An .mccd file, byte by byte: TIFF header and directory, mar header fields by their offsets, pixels at 4096."""
    height, width = pixels.shape
    data = bytearray(4096)
    data[:8] = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    tags = [(256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 4096), (277, 3, 1)]
    tags += [(278, 4, height), (279, 4, width * height * 2)]
    data[8:10] = struct.pack(order + "H", len(tags))
    for i, (tag, kind, value) in enumerate(tags):
        packed = struct.pack(order + "HHI", tag, kind, 1)
        packed += struct.pack(order + ("I" if kind == 4 else "HH"), *((value,) if kind == 4 else (value, 0)))
        data[10 + 12 * i : 22 + 12 * i] = packed
    offsets = {
        "nfast": 1104,
        "nslow": 1108,
        "depth": 1112,
        "saturated_value": 1128,
        "nimages": 1136,
        "xtal_to_detector": 1664,
        "beam_x": 1668,
        "beam_y": 1672,
        "exposure_time": 1680,
        "start_phi": 1708,
        "start_xtal_to_detector": 1720,
        "end_phi": 1740,
        "rotation_range": 1760,
        "pixelsize_x": 1796,
        "pixelsize_y": 1800,
        "mean_bias": 1804,
        "source_wavelength": 1932,
    }
    values = {"nfast": width, "nslow": height, "depth": 2, "saturated_value": 65535, "nimages": 1} | fields
    stamp = values.pop("stamp", b"010215302018.45\x00123456")
    for name, value in values.items():
        struct.pack_into(order + "i", data, offsets[name], value)
    data[2368 : 2368 + len(stamp)] = stamp
    path.write_bytes(bytes(data) + pixels.astype(order + "u2").tobytes())
    return path
