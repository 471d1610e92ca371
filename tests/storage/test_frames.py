"""Files like a first one are opened without being parsed again, and are what parsing would have made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from makers import mrc, noisy, ser, smv, tia

from braggio import formats
from braggio.storage.frames import StoredFrames

SINGLE = {
    "a.bin": lambda frame: tia(frame),
    "a.mrc": lambda frame: mrc(frame.astype(np.int16)),
    "a.img": lambda frame: smv(frame.astype(np.uint16)),
}


def opened(folder: Path, name: str, content: bytes) -> StoredFrames:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    stack = formats.open(folder / name)
    assert isinstance(stack, StoredFrames)
    return stack


@pytest.mark.parametrize("name", SINGLE)
def test_the_same_but_for_its_pixels(name: str, tmp_path: Path) -> None:
    frames = [noisy(-100, (30, 40), seed=seed) + 200 for seed in range(2)]
    first = opened(tmp_path, name, SINGLE[name](frames[0]))
    second = opened(tmp_path / "second", name, SINGLE[name](frames[1]))
    alike = first.alike(second.path)
    assert alike is not None
    assert type(alike) is type(second)
    assert alike.path == second.path
    assert (alike.header, alike.dtype, alike.frame_shape) == (second.header, second.dtype, second.frame_shape)
    np.testing.assert_array_equal(alike.read(0), frames[1])
    np.testing.assert_array_equal(first.read(0), frames[0])


@pytest.mark.parametrize("place", [0, 2, 3, 6, 9])
def test_another_header_is_another_file(place: int, tmp_path: Path) -> None:
    content = bytearray(tia(noisy(-100, (16, 16))))
    first = opened(tmp_path, "a.bin", bytes(content))
    content[place] ^= 1
    (tmp_path / "b.bin").write_bytes(content)
    assert first.alike(str(tmp_path / "b.bin")) is None


def test_another_shape_of_the_same_size(tmp_path: Path) -> None:
    first = opened(tmp_path, "a.bin", tia(noisy(-100, (16, 16))))
    (tmp_path / "b.bin").write_bytes(tia(noisy(-100, (8, 32))))
    assert first.alike(str(tmp_path / "b.bin")) is None


@pytest.mark.parametrize("change", [-1, 1])
def test_another_size(change: int, tmp_path: Path) -> None:
    content = tia(noisy(-100, (16, 16)))
    first = opened(tmp_path, "a.bin", content)
    (tmp_path / "b.bin").write_bytes(content[:-1] if change < 0 else content + b"\0")
    assert first.alike(str(tmp_path / "b.bin")) is None


def test_what_is_not_one_frame_at_the_end_of_a_file_on_disk_is_parsed(tmp_path: Path) -> None:
    """Series, whose tables follow the pixels; compressed files; trailing bytes."""
    import gzip

    frame = noisy(-100, (16, 16))
    for name, content in {
        "a.ser": ser([frame, frame]),
        "b.ser": ser([frame]),
        "c.bin.gz": gzip.compress(tia(frame)),
    }.items():
        assert opened(tmp_path, name, content).alike(str(tmp_path / name)) is None
    (tmp_path / "d.bin").write_bytes(tia(frame) + b"\0")
    with pytest.warns(match="trailing"):
        stack = formats.open(tmp_path / "d.bin", permissive=True, format="tia_raw")
    assert stack.alike(str(tmp_path / "d.bin")) is None


def test_a_closed_first_file_knows_nothing(tmp_path: Path) -> None:
    first = opened(tmp_path, "a.bin", tia(noisy(-100, (16, 16))))
    path = first.path
    first.close()
    assert first.alike(path) is None
