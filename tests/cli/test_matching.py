"""Protects: every action of the command, its outputs, its JSON lines and its exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from makers import entries, mrc, tree
from matching_makers import maps, write_result

from braggio.matching import Accumulator, Partial, read_table, write_partial


def events(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def search(tmp_path):
    return write_result(tmp_path / "in")


def test_the_reference(run, tmp_path, real_data):
    folder = real_data / "matching" / "leopard_em_result"
    code, out, _ = run("matching", "table", folder / "config_dump.yaml", "-o", tmp_path / "m.csv")
    assert code == 0 and "13 peaks above 6.69" in out
    assert (tmp_path / "m.csv").read_bytes() == (folder / "expected_default.csv").read_bytes()
    code, out, _ = run("matching", "pick", folder / "config_dump.yaml", "-o", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_bytes() == (folder / "expected_minimal_11col.csv").read_bytes()
    code, out, _ = run("matching", "check", folder / "config_dump.yaml")
    assert code == 0 and "valid mode" in out and "holds the standard deviation" in out


def test_check_goes_on_past_a_bad_one(run, tmp_path, search):
    bad = write_result(tmp_path / "bad")
    (tmp_path / "bad" / "search_mip.mrc").unlink()
    code, out, err = run("matching", "check", tmp_path / "none.yaml", bad, search, "--json")
    assert code == 1
    lines = events(out)
    assert [line["event"] for line in lines] == ["failed", "failed", "done", "summary"]
    assert lines[2]["spread"] == "standard deviation" and lines[3]["exit_code"] == 1
    assert "none.yaml" in err and "search_mip.mrc" in err


def test_tables_of_several_results(run, tmp_path):
    paths = [write_result(tmp_path / "in", name=name) for name in ("a", "b", "c")]
    (tmp_path / "in" / "b_scaled_mip.mrc").write_bytes(b"")
    code, out, err = run("matching", "table", *paths, "-o", tmp_path / "out", "--json")
    assert code == 1 and "b_scaled_mip.mrc" in err
    assert entries(tmp_path / "out") == ["a.csv", "a.provenance.json", "c.csv", "c.provenance.json"]
    facts = events(out)[0]
    assert facts["metric"] == "zscore" and facts["peaks"] == 2 and facts["n_correlations"] == 1000
    before = tree(tmp_path / "out")
    code, out, _ = run("matching", "table", *paths, "-o", tmp_path / "out", "-n", "--json")
    assert [line["event"] for line in events(out)] == ["skipped", "failed", "skipped", "summary"]
    code, _, err = run("matching", "table", paths[0], "-o", tmp_path / "out")
    assert code == 1 and "exists" in err
    assert tree(tmp_path / "out") == before
    code, _, err = run("matching", "table", *paths, "-o", tmp_path / "x.csv")
    assert code == 2 and "folder" in err


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ([], 2),
        (["--columns", "36"], 2),
        (["--columns", "34", "--corner"], 2),
        (["--max-peaks", "1"], 1),
        (["--cutoff", "1000"], 0),
        (["--metric", "mip", "--cutoff", "25"], 1),
        (["--metric", "gev"], 2),
        (["--border", "11"], 1),
        (["--correlations", "5"], 2),
        (["--exclude", "mip", "mag_matrix"], 2),
    ],
)
def test_options_of_picking(run, tmp_path, search, words, rows):
    code, _, err = run("matching", "table", search, "-o", tmp_path / "m.csv", *words)
    assert code == 0, err
    assert read_table(tmp_path / "m.csv").n == rows


def test_a_mask_and_valid_cropping(run, tmp_path):
    path = write_result(tmp_path, maps(peaks=[(10, 12, 30.0), (38, 33, 20.0)]))
    mask = np.zeros((40, 50), np.int8)
    mask[10, 12] = 1
    (tmp_path / "mask.mrc").write_bytes(mrc(mask))
    run("matching", "table", path, "-o", tmp_path / "m.csv", "--mask", tmp_path / "mask.mrc")
    assert read_table(tmp_path / "m.csv")["pos_y"].tolist() == [10]
    run("matching", "table", path, "-o", tmp_path / "v.csv", "--valid")
    assert read_table(tmp_path / "v.csv")["pos_y"].tolist() == [10]


def test_bad_pixels(run, tmp_path):
    values = maps()
    values["scaled_mip"][0, 0] = np.nan
    path = write_result(tmp_path, values)
    code, _, err = run("matching", "table", path, "-o", tmp_path / "m.csv")
    assert code == 1 and "1 of 2000 pixels" in err and not (tmp_path / "m.csv").exists()
    code, _, err = run("matching", "table", path, "-o", tmp_path / "m.csv", "--nan", "mean")
    assert code == 0, err


def test_what_was_replaced_is_said(run, tmp_path):
    values = maps()
    values["scaled_mip"][0, :3] = np.nan
    path = write_result(tmp_path, values)
    assert "3 pixels that are no numbers were replaced" in run(
        "matching", "pick", path, "-o", tmp_path / "m.csv", "--nan", "mean"
    )[1]  # fmt: skip


def test_a_mask_of_another_shape_is_named(run, tmp_path, search):
    (tmp_path / "mask.mrc").write_bytes(mrc(np.ones((3, 4), np.float32)))
    words = ("matching", "pick", search, "-o", tmp_path / "m.csv", "--mask", tmp_path / "mask.mrc")
    code, _, err = run(*words)
    assert code == 1 and "mask.mrc: mask: expected the maps' 40 x 50, found 3 x 4" in err


def test_counts_beyond_all_measure(run, tmp_path, search):
    code, _, err = run("matching", "table", search, "-o", tmp_path / "m.csv", "--correlations", "9" * 30)
    assert code == 1 and "n_correlations: expected from 1" in err


def test_a_table_without_particles_has_nothing_to_extract(run, tmp_path, search):
    run("matching", "table", search, "-o", tmp_path / "m.csv", "--cutoff", "1e9")
    code, _, err = run("matching", "extract", tmp_path / "m.csv", "-o", tmp_path / "p.mrcs", "--box", "10")
    assert code == 1 and "expected particles to extract, found none" in err


def test_extract_and_convert(run, tmp_path, search):
    run("matching", "table", search, "-o", tmp_path / "in" / "m.csv")
    code, out, err = run(
        "matching", "extract", tmp_path / "in" / "m.csv", "-o", tmp_path / "p.mrcs", "--box", "10", "--json"
    )
    assert code == 0, err
    assert events(out)[0]["particles"] == 2
    assert entries(tmp_path)[-3:] == ["p.mrcs", "p.mrcs.provenance.json", "p.star"]
    code, _, err = run("matching", "extract", tmp_path / "in" / "m.csv", "-o", tmp_path / "q.mrcs", "--box", "7")
    assert code == 1 and "at least the template's 8 x 8" in err
    for name in ("m.star", "n.csv"):
        assert run("matching", "convert", tmp_path / "in" / "m.csv", "-o", tmp_path / name)[0] == 0
        assert run("matching", "convert", tmp_path / "in" / "m.csv", "-o", tmp_path / name)[0] == 1
        assert run("matching", "convert", tmp_path / "in" / "m.csv", "-o", tmp_path / name, "-n")[0] == 0
    code, _, err = run("matching", "convert", tmp_path / "in" / "m.csv", "-o", tmp_path / "m.txt")
    assert code == 2 and ".star or .csv" in err
    assert run("matching", "convert", tmp_path / "in" / "m.csv", "-o", tmp_path / "o.csv", "--columns", "34")[0] == 0
    code, out, _ = run("matching", "convert", tmp_path / "o.csv", "-o", tmp_path / "w.csv", "--json")
    assert events(out)[0]["event"] == "note" and read_table(tmp_path / "w.csv")["mag_matrix"].tolist() == ["", ""]


def test_merge_tables(run, tmp_path, search):
    run("matching", "table", search, "-o", tmp_path / "m.csv")
    code, _, err = run("matching", "merge", tmp_path / "m.csv", tmp_path / "m.csv", "-o", tmp_path / "all.csv")
    assert code == 0, err
    assert read_table(tmp_path / "all.csv")["particle_index"].tolist() == [0, 1, 2, 3]


def test_merge_partials(run, tmp_path):
    values = np.random.default_rng(0).normal(size=(8, 5, 6)).astype(np.float32)
    for start in (0, 4):
        accumulator = Accumulator((5, 6), bins=16)
        accumulator.update(values[start : start + 4], start=start)
        shard = Partial(accumulator, np.zeros((8, 3), np.float32), np.zeros(1, np.float32), 1.0)
        write_partial(tmp_path / f"{start}.part", shard)
    shards = [tmp_path / "0.part", tmp_path / "4.part"]
    code, out, err = run("matching", "merge", *shards, "-o", tmp_path / "whole.part", "--json")
    assert code == 0, err
    assert events(out)[0]["correlations"] == 8
    plot = ["--plot", tmp_path / "s.png"]
    code, _, err = run("matching", "merge", tmp_path / "whole.part", "-o", tmp_path / "maps", "--maps", *plot)
    assert code == 0, err
    assert len(entries(tmp_path / "maps")) == 9 and (tmp_path / "s.png").read_bytes()[1:4] == b"PNG"
    (tmp_path / "again.part").hardlink_to(shards[0])
    code, _, err = run("matching", "merge", shards[0], tmp_path / "again.part", "-o", tmp_path / "y")
    assert code == 1 and "again.part: partials: expected each file once" in err
    (tmp_path / "copy.part").write_bytes(shards[0].read_bytes())
    code, _, err = run("matching", "merge", shards[0], tmp_path / "copy.part", "-o", tmp_path / "y")
    assert code == 1 and f"found a copy of {shards[0]}" in err and not (tmp_path / "y").exists()
    both = [shards[0], tmp_path / "copy.part", "--allow-identical", "--json"]
    code, out, err = run("matching", "merge", *both, "-o", tmp_path / "y")
    assert code == 0 and events(out)[0]["correlations"] == 8, err
    code, _, err = run("matching", "merge", *shards, "-o", shards[0], "-f")
    assert code == 2 and "must not be one of the files" in err
    other = Partial(Accumulator((5, 7)), np.zeros((8, 3), np.float32), np.zeros(1, np.float32), 1.0)
    write_partial(tmp_path / "other.part", other)
    code, _, err = run("matching", "merge", shards[0], tmp_path / "other.part", "-o", tmp_path / "z")
    assert code == 1 and "other.part: shape: expected 5 x 6, found 5 x 7" in err
    code, _, err = run("matching", "merge", shards[0], tmp_path / "x.csv", "-o", tmp_path / "z")
    assert code == 2 and "one another" in err


def test_a_picture(run, tmp_path, search):
    assert run("matching", "table", search, "-o", tmp_path / "m.csv", "--plot", tmp_path / "m.png")[0] == 0
    assert (tmp_path / "m.png").read_bytes()[1:4] == b"PNG"


def test_a_picture_is_refused_before_anything_is_written(run, tmp_path, search):
    (tmp_path / "s.png").write_bytes(b"mine")
    plain, binned = (Accumulator((4, 4), bins=bins) for bins in (0, 8))
    for name, accumulator in (("plain", plain), ("binned", binned)):
        accumulator.update(np.ones((2, 4, 4), np.float32))
        empty = np.zeros((0, 3), np.float32)
        write_partial(tmp_path / f"{name}.part", Partial(accumulator, empty, empty[:, 0]))
    before = tree(tmp_path)
    plot = ["--plot", tmp_path / "s.png"]
    for words in (
        ["table", search, "-o", tmp_path / "m.csv"],
        ["merge", tmp_path / "binned.part", "-o", tmp_path / "w"],
    ):
        code, _, err = run("matching", *words, *plot)
        assert code == 1 and "s.png: File exists" in err
    other = write_result(tmp_path / "in", name="other")
    code, _, err = run("matching", "pick", search, other, "-o", tmp_path / "out", *plot, "-f")
    assert code == 2 and "plot takes one result, not 2" in err
    code, _, err = run("matching", "merge", tmp_path / "plain.part", "-o", tmp_path / "w", "--plot", tmp_path / "t.png")
    assert code == 1 and "without a histogram" in err
    assert {name: data for name, data in tree(tmp_path).items() if name in before} == before
    assert not any((tmp_path / name).exists() for name in ("m.csv", "w", "out", "t.png"))


def test_tables_of_several_folders_need_a_base(run, tmp_path):
    """Each has its own search_micrograph.mrc; those of the first would stand for all."""
    for name in ("a", "b"):
        result = write_result(tmp_path / name)
        assert run("matching", "table", result, "-o", tmp_path / name / "m.csv")[0] == 0
    tables = [tmp_path / name / "m.csv" for name in ("a", "b")]
    code, _, err = run("matching", "extract", *tables, "-o", tmp_path / "p.mrcs", "--box", "8")
    assert code == 2 and "need --base" in err and not (tmp_path / "p.mrcs").exists()
    code, _, err = run(
        "matching", "extract", *tables, "-o", tmp_path / "p.mrcs", "--box", "8", "--base", tmp_path / "a"
    )
    assert (code, err) == (0, "")
