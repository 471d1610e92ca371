"""``braggio spots``, ``lu_hdf2spots`` and ``braggio mccd2h5`` from the command line."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from laue import made

from braggio.cli import spots as command


@pytest.fixture
def scan(tmp_path):
    return made.write_mccd_h5(tmp_path / "run__mccd.h5", made.stack(frames=40, spots=3)[0])


def test_the_old_command_line_runs_unchanged(scan, tmp_path, capsys):
    """Every letter and every long name of lu_hdf2spots at once."""
    letters = f"-o {tmp_path}/s.h5 -m n_removed -n 20 -A 0.01 -c 3.5 -e 1 -d 2 -s 2,1 -a 5 -S pairs -C gzip {scan}"
    assert command.main(letters.split()) == 0
    names = f"--output={tmp_path}/t.h5 --n=20 --alpha=0.01 --cutoff=3.5 --erosions=1 --dilations=2"
    names += f" --structure=2,1 --angles=5 -S pairs --compression=gzip {scan}"
    assert command.main(names.split()) == 0
    assert (tmp_path / "s.h5").read_bytes() == (tmp_path / "t.h5").read_bytes()
    assert "-A is of no use" in capsys.readouterr().err
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["info"].attrs["n_removed"] == 8 and file["info"].attrs["cutoff"] == 3.5


def test_defaults_and_output_name(run, scan, tmp_path):
    code, out, err = run("spots", scan)
    assert code == 0 and "run__spots.h5" in out and "never vary" in err
    with h5py.File(tmp_path / "run__spots.h5") as file:
        info = dict(file["info"].attrs)
    assert (info["N"], info["cutoff"], info["n_erosions"], info["n_dilations"], info["structure"]) == (
        25,
        3.0,
        1,
        2,
        "2,2",
    )
    assert (info["alpha"], info["sync"], info["method"], info["label_structure"]) == (0.05, "none", "n_removed", "2,2")


def test_json(run, scan):
    code, out, _ = run("spots", scan, "--json")
    events = [json.loads(line) for line in out.splitlines()]
    done = next(event for event in events if event["event"] == "done")
    assert code == 0 and done["frames"] == 40 and sum(done["counts"]) == done["spots"]


@pytest.mark.parametrize(
    "words",
    [
        *(["-n", "100"], ["-s", "3,1"], ["-m", "best"], ["-c", "nan"], ["-e", "-1"], ["-n", "many"]),
        *(["--memory", "x"], ["--memory", "5X"], ["--memory", "1e999"], ["--memory", "64KK"]),
    ],
)
def test_wrong_usage_is_2(run, scan, tmp_path, words, capsys):
    with pytest.raises(SystemExit) as caught:
        run("spots", scan, *words)
    assert caught.value.code == 2 and [path.name for path in tmp_path.iterdir()] == [scan.name]
    assert "Traceback" not in capsys.readouterr().err


def test_bad_data_is_1_and_one_line(run, scan, tmp_path):
    nothing = tmp_path / "nothing.npy"
    nothing.touch()
    forged = tmp_path / "forged.npy"
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**70},), }}"
    forged.write_bytes(b"\x93NUMPY\x01\x00v\x00" + text.ljust(117).encode() + b"\n")
    for words in (
        ["-a", "30"],
        ["--dataset", "nope"],
        ["--mask", tmp_path / "no.npy"],
        ["--mask", nothing],
        ["--mask", forged],
        ["-o", scan, "-f"],
    ):
        code, out, err = run("spots", scan, *words)
        assert code == 1 and out == "" and len([line for line in err.splitlines() if "error" in line]) == 1, words
    assert sorted(tmp_path.iterdir()) == [forged, nothing, scan]


@pytest.mark.parametrize("words", [[], ["--durable"], ["-C", "lzf"], ["-C", "none"]])
def test_a_full_disk(tmp_path, words):
    """Code 5 wherever the disk is full, as a limit of the process makes it; what was there stays."""
    scan = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack(frames=20, spots=1)[0])
    output = tmp_path / "x__spots.h5"
    output.write_bytes(b"old")
    for limit in (2048, 20_000, 60_000):
        done = limited(limit, "spots", scan, "-f", *words)
        assert done.returncode == 5 and done.stderr.endswith("x__spots.h5: File too large\n"), done.stderr
        assert output.read_bytes() == b"old" and sorted(tmp_path.iterdir()) == [scan, output]


def test_a_full_disk_of_mccd2h5(tmp_path):
    made.mccd(tmp_path / "f.mccd", np.random.default_rng(0).integers(0, 999, (96, 101)).astype(np.uint16))
    (tmp_path / "scan.log").write_text("#file\tangle[deg]\nf.mccd\t1.5\n")
    before = sorted(tmp_path.iterdir())
    for limit in (2048, 12_000, 30_000):
        done = limited(limit, "mccd2h5", tmp_path / "scan.log")
        assert done.returncode == 5 and done.stderr.endswith("scan__mccd.h5: File too large\n"), done.stderr
        assert sorted(tmp_path.iterdir()) == before


def limited(size, *words):
    code = "import resource, sys; size = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
    code += "from braggio.cli import main; raise SystemExit(main(sys.argv[2:]))"
    return subprocess.run([sys.executable, "-c", code, str(size), *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("durable", [[], ["--durable"]])
def test_outputs_that_are_no_files(run, scan, tmp_path, durable):
    os.mkfifo(tmp_path / "pipe")
    for words in (["-o", tmp_path / "pipe"], ["-o", scan]):
        code, _, err = run("spots", scan, "-f", *words, *durable)
        assert code == 1 and "output: expected a" in err and (tmp_path / "pipe").is_fifo() and h5py.is_hdf5(scan)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "pipe", scan]


def test_existing_output(run, scan, tmp_path):
    (tmp_path / "run__spots.h5").write_bytes(b"old")
    assert run("spots", scan)[0] == 1 and (tmp_path / "run__spots.h5").read_bytes() == b"old"
    assert run("spots", scan, "-f")[0] == 0 and h5py.is_hdf5(tmp_path / "run__spots.h5")


@pytest.mark.parametrize("suffix", [".npy", ".h5", ".png"])
def test_detector_masks(run, scan, tmp_path, suffix):
    mask = np.zeros((96, 101), np.uint8)
    mask[40:56, 42:58] = 255
    path = tmp_path / f"mask{suffix}"
    if suffix == ".npy":
        np.save(path, mask)
    elif suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["mask"] = mask
    else:
        from PIL import Image

        Image.fromarray(mask).save(path)
    code, _, err = run("spots", scan, "--mask", path)
    assert code == 0 and "never vary" not in err  # the beam stop is under the mask
    with h5py.File(tmp_path / "run__spots.h5") as file:
        assert not file["masks_raw"][()][:, mask > 0].any()


@pytest.mark.parametrize("shape", [(96, 101), (20000, 20000)])
def test_pictures_that_are_no_masks(run, scan, tmp_path, shape):
    """Pillow has errors of its own for a broken PNG and for more pixels than any detector has."""
    from PIL import Image

    path = tmp_path / "mask.png"
    Image.new("1", shape).save(path)
    if shape[0] < 1000:
        path.write_bytes(path.read_bytes().replace(b"IDAT", bytes(4)))
    code, _, err = run("spots", scan, "--mask", path)
    assert code == 1 and err.startswith(f"braggio: error: {path}: ") and err.count("\n") == 1


def test_mccd2h5_then_spots(run, tmp_path):
    frames = made.stack(frames=24, spots=2)[0]
    lines = ["#file\tangle[deg]\tdelay"]
    for i, pixels in enumerate(frames):
        made.mccd(tmp_path / f"{i}.mccd", pixels)
        lines.append(f"{i}.mccd\t{i // 2}\t{'1us' if i % 2 else '-'}")
    (tmp_path / "scan.log").write_text("\n".join(lines) + "\n")
    code, out, _ = run("mccd2h5", "-o", tmp_path / "scan__mccd.h5", "-p", tmp_path, tmp_path / "scan.log")
    assert code == 0 and "24 frames 101 x 96, 12 angles, laser on and off, 2 frames per block" in out
    assert run("spots", tmp_path / "scan__mccd.h5", "-S", "blocks", "-j", "2")[0] == 0
