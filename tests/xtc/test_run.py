"""Runs: file names, streams merged by clock, what holds at an event, and events by number."""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xtc_makers as made
from hypothesis import given
from hypothesis import strategies as st

from braggio.errors import FormatError, MetadataError, OutputError
from braggio.formats.xtc import EBeam, matches
from braggio.model.beam import EV_ANGSTROM
from braggio.xtc import Event, Index, IndexedRun, Run, distance, find_files, open_run, parse_name, run_info, wavelength
from braggio.xtc.run import MAX_NOTES

SHOTS = {"quads": made.SMALL_QUADS, "roi": made.SMALL_ROI}


def camera(i: int) -> bytes:
    return made.frame(np.full((2, 3), i, np.uint16), 12)


def stream(numbers: list[int], *, configure: bool = True, end: bool = True) -> bytes:
    """Events of these numbers with a camera that shows the number."""
    head = made.configure(config=made.cspad_config(**SHOTS)) + made.begin() if configure else b""
    return head + b"".join(made.shot(i, camera(i)) for i in numbers) + (made.end() if end else b"")


def numbers(run: Run) -> list[int]:
    return [int(event.image("DG2")[0, 0]) for event in run.events()]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("e157-r0054-s01-c02.xtc", ("e157", 54, 1, 2, False, False)),
            ("xpptut15-r0054-s01-c00.smd.xtc", ("xpptut15", 54, 1, 0, True, False)),
            ("a-b-r1-s80-c0.xtc.inprogress", ("a-b", 1, 80, 0, False, True)),
            ("r0054-s01-c00.xtc", ("", 54, 1, 0, False, False)),
            ("whatever.xtc", ("", None, None, None, False, False)),
        ],
    )
    def test_what_a_name_says(self, name: str, expected: tuple) -> None:
        found = parse_name(f"/some/where/{name}")
        assert (found.experiment, found.run, found.stream, found.chunk, found.small, found.in_progress) == expected

    def test_files_of_a_run_in_a_folder(self, tmp_path: Path) -> None:
        for name in (
            "e1-r0007-s00-c00.xtc",
            "e1-r0007-s01-c00.xtc",
            "e1-r0008-s00-c00.xtc",
            "e1-r0007-s00-c00.smd.xtc",
        ):
            (tmp_path / name).write_bytes(b"")
        assert [Path(path).name for path in find_files(tmp_path, 7)] == ["e1-r0007-s00-c00.xtc", "e1-r0007-s01-c00.xtc"]
        assert find_files(tmp_path, 7, "cxi12345") == find_files(tmp_path, 7)
        with pytest.raises(MetadataError, match="files of run 9"):
            find_files(tmp_path, 9)
        (tmp_path / "e2-r0007-s00-c00.xtc").write_bytes(b"")
        with pytest.raises(MetadataError, match="e1, e2"):
            find_files(tmp_path, 7)
        assert len(find_files(tmp_path, 7, "e2")) == 1

    @pytest.mark.parametrize(
        ("address", "fits"),
        [
            ("CxiDs1-0|Cspad-0", True),
            ("CxiDs1.0:Cspad.0", True),
            ("cxids1.0:cspad.0", True),
            ("CxiDs1-*|Cspad-*", True),
            ("Cspad", True),
            ("Cspad-0", True),
            ("CxiDs1", True),
            ("CxiDs1-1|Cspad-0", False),
            ("Cspad2x2", False),
            ("", False),
            ("|||", False),
        ],
    )
    def test_addresses(self, address: str, fits: bool) -> None:
        assert matches(address, "CxiDs1-0|Cspad-0") is fits

    def test_beamline_addresses(self) -> None:
        assert matches("EBeam", "BldInfo(EBeam)")
        assert matches("BldInfo(FEE-SPEC0)", "BldInfo(FEE-SPEC0)")


class TestMerge:
    @given(st.lists(st.integers(0, 2), max_size=8), st.randoms(use_true_random=False))
    def test_streams_and_chunks_come_in_the_order_of_their_clocks(
        self, tmp_path_factory: pytest.TempPathFactory, owners: list[int], random: object
    ) -> None:
        folder = tmp_path_factory.mktemp("merge")
        paths = []
        for s in range(3):
            mine = [i for i, owner in enumerate(owners) if owner == s]
            cut = len(mine) // 2
            paths.append(made.write(folder, stream(mine[:cut], end=False), f"e1-r0054-s{s:02d}-c00.xtc"))
            paths.append(made.write(folder, stream(mine[cut:], configure=False), f"e1-r0054-s{s:02d}-c01.xtc"))
        random.shuffle(paths)  # type: ignore[attr-defined]
        run = Run(paths)
        assert numbers(run) == list(range(len(owners)))
        assert run.problems.notes == []
        # Transitions that all streams have count once.
        info = run_info(run)
        assert info.transitions["Configure"] == info.transitions["BeginRun"] == 1
        assert info.transitions["L1Accept"] == len(owners)

    def test_contributions_of_one_clock_make_one_event(self, tmp_path: Path) -> None:
        one = made.write(tmp_path, stream([0, 1]), "e1-r0054-s00-c00.xtc")
        other = made.configure(config=made.cspad_config(**SHOTS)) + made.shot(1, made.cspad(made.image(1), **SHOTS))
        events = list(Run([one, made.write(tmp_path, other, "e1-r0054-s01-c00.xtc")]).events())
        assert [len(event.datagrams) for event in events] == [1, 2]
        assert events[1].image("DG2")[0, 0] == 1
        np.testing.assert_array_equal(events[1].image("DscCsPad"), made.masked(made.image(1), **SHOTS))

    def test_a_clock_that_goes_back_is_told(self, tmp_path: Path) -> None:
        run = open_run(made.write(tmp_path, stream([0, 2, 1])))
        assert numbers(run) == [0, 2, 1]
        assert "clock goes back" in run.problems.notes[0]

    def test_missing_chunks_and_open_files_are_told(self, tmp_path: Path) -> None:
        first = made.write(tmp_path, stream([0]), "e1-r0054-s00-c00.xtc")
        third = made.write(tmp_path, stream([1], configure=False), "e1-r0054-s00-c02.xtc.inprogress")
        notes = Run([third, first]).problems.notes
        assert "inprogress" in notes[0] and "no chunk 1" in notes[1]

    def test_what_cannot_be_one_run_is_refused(self, tmp_path: Path) -> None:
        one = made.write(tmp_path, stream([0]), "e1-r0054-s00-c00.xtc")
        other = made.write(tmp_path, stream([0]), "e1-r0055-s00-c00.xtc")
        twice = made.write(tmp_path, stream([0]), "e2-r0054-s00-c00.xtc")
        with pytest.raises(MetadataError, match="54, 55"):
            Run([one, other])
        with pytest.raises(MetadataError, match="each chunk once"):
            Run([one, twice])
        with pytest.raises(MetadataError, match="at least one XTC file"):
            Run([])

    def test_a_bad_file_is_left_out_when_asked(self, tmp_path: Path) -> None:
        good = made.write(tmp_path, stream([0]), "e1-r0054-s00-c00.xtc")
        bad = made.write(tmp_path, b"nothing", "e1-r0054-s01-c00.xtc")
        with pytest.raises(FormatError):
            Run([good, bad])
        run = Run([good, bad], skip_bad=True)
        assert numbers(run) == [0]
        assert "s01" in run.problems.notes[0]

    def test_a_cut_file_gives_what_stands_before(self, tmp_path: Path) -> None:
        data = stream([0, 1, 2], end=False)
        run = open_run(made.write(tmp_path, data[:-100]))
        assert numbers(run) == [0, 1]
        assert "what stands before is used" in run.problems.notes[0]

    def test_notes_do_not_grow_without_bound(self, tmp_path: Path) -> None:
        shots = (made.shot(i, made.xtc(made.EPICS, b"\0" * i, made.ARCHIVER)) for i in range(300))
        run = open_run(made.write(tmp_path, b"".join(shots)))
        assert len(list(run.events())) == 300
        assert len(run.problems.notes) == MAX_NOTES
        assert run.problems.more > 100


class TestEvents:
    def test_everything_of_an_event(self, tmp_path: Path) -> None:
        run = open_run(made.write(tmp_path, made.small_run(3)))
        for i, event in enumerate(run.events()):
            assert (event.index, event.clock, event.fiducials) == (i, made.event_clock(i), 100 + 3 * i)
            assert event.state.run == run.number == 54
            assert event.epics[made.MOTOR] == -449.5 - i
            assert event.evr.codes == (140, 40 + i)
            assert event.wavelength == pytest.approx(1.75124427107, abs=3e-7)  # the seed's, by its own constant
            assert event.wavelength == EV_ANGSTROM / 7079.77687909
            expected = made.masked(made.image(i), **SHOTS)
            for address in ("CxiDs1-0|Cspad-0", "CxiDs1.0:Cspad.0", "cspad", "DscCsPad"):
                np.testing.assert_array_equal(event.image(address), expected)
            assert event.damaged == {} and event.faults == []
        assert i == 2

    def test_timestamps(self, tmp_path: Path) -> None:
        event = next(open_run(made.write(tmp_path, made.small_run(1))).events())
        assert (event.timestamp, event.digits) == ("2014-12-01T07:36Z01.249", "20141201073601249")

    def test_a_later_configuration_holds_from_there_on(self, tmp_path: Path) -> None:
        other = {"quads": 2, "roi": 0x0300}
        data = made.small_run(1) + made.configure(config=made.cspad_config(**other), clock=(made.START + 1002, 0))
        later = made.datagram("L1Accept", (made.START + 1003, 0), made.cspad(made.image(9), **other))
        first, second = open_run(made.write(tmp_path, data + later)).events()
        np.testing.assert_array_equal(first.image("cspad"), made.masked(made.image(0), **SHOTS))
        np.testing.assert_array_equal(second.image("cspad"), made.masked(made.image(9), **other))

    @pytest.mark.parametrize("damage", [1 << 1, 1 << 12, 1 << 14])
    def test_a_damaged_image_is_not_given(self, tmp_path: Path, damage: int) -> None:
        data = made.configure() + made.shot(0, made.frame(np.ones((2, 2)), 8, damage=damage))
        event = next(open_run(made.write(tmp_path, data)).events())
        with pytest.raises(MetadataError, match="Dropped|OutOfOrder|UserDefined"):
            event.image("DG2")
        assert list(event.damaged) == ["CxiDg2-0|Tm6740-0 Frame"]

    @pytest.mark.parametrize(("damage", "there"), [(0, True), (1 << 14 | 5 << 24, True), (1 << 12, False)])
    def test_marks_of_the_user_alone_leave_the_beam_valid(self, tmp_path: Path, damage: int, there: bool) -> None:
        data = made.datagram("L1Accept", (1, 0), made.ebeam(7, made.beam_values(7), damage=damage))
        event = next(open_run(made.write(tmp_path, data)).events())
        assert (event.ebeam is not None) is there

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        both = made.shot(0, camera(1), made.frame(np.ones((2, 2)), 8, source=made.RAYONIX))
        event = next(open_run(made.write(tmp_path, made.configure() + both)).events())
        with pytest.raises(MetadataError, match=r"found CxiDg2-0\|Tm6740-0, MfxEndstation-0\|Rayonix-0"):
            event.image("cspad")
        with pytest.raises(MetadataError, match="one source"):
            _twins(event).find("Tm6740")

    def test_a_cspad_without_configuration(self, tmp_path: Path) -> None:
        event = next(open_run(made.write(tmp_path, made.shot(0, made.cspad(made.image(), **SHOTS)))).events())
        with pytest.raises(MetadataError, match="CspadConfig"):
            event.image("cspad")

    def test_a_configuration_of_an_unknown_version_is_named(self, tmp_path: Path) -> None:
        config = made.xtc(made.CSPAD_CONFIG, bytes(300000), made.DS1, version=6)
        data = made.configure(config=config) + made.shot(0, made.cspad(made.image(), **SHOTS))
        run = open_run(made.write(tmp_path, data))
        with pytest.raises(MetadataError, match="CspadConfig V6"):
            next(run.events()).image("cspad")
        assert "CspadConfig V6" in run.problems.notes[0]

    def test_a_jungfrau(self, tmp_path: Path) -> None:
        pixels = np.arange(70, dtype=np.uint16).reshape(2, 5, 7)
        data = made.configure(made.jungfrau_config(3, (2, 5, 7))) + made.shot(0, made.jungfrau(pixels, 2))
        event = next(open_run(made.write(tmp_path, data)).events())
        np.testing.assert_array_equal(event.image("Jungfrau"), pixels)
        bare = next(open_run(made.write(tmp_path, made.shot(0, made.jungfrau(pixels, 2)))).events())
        with pytest.raises(MetadataError, match="JungfrauConfig"):
            bare.image("Jungfrau")

    def test_variables_without_a_name_are_numbered(self, tmp_path: Path) -> None:
        data = made.datagram("L1Accept", (1, 0), made.epics_time(12, 6, [1.0, 2.0]))
        assert next(open_run(made.write(tmp_path, data)).events()).epics == {"pv12": (1.0, 2.0)}

    def test_events_share_no_state_that_changes(self, tmp_path: Path) -> None:
        events = list(open_run(made.write(tmp_path, made.small_run(4))).events())
        assert [event.epics[made.MOTOR] for event in events] == [-449.5, -450.5, -451.5, -452.5]


def _twins(event: Event) -> Event:
    """The event with two cameras that one address fits."""
    twins = [replace(each, phy=each.phy + 1) for each in event.contributions if each.type == "Frame"]
    event.datagrams[0].contributions.extend(twins)
    return event


class TestIndex:
    def test_events_by_number_are_those_of_the_walk(self, tmp_path: Path) -> None:
        paths = [
            made.write(tmp_path, stream([0, 2, 4]), "e1-r0054-s00-c00.xtc"),
            made.write(tmp_path, stream([1, 3]), "e1-r0054-s01-c00.xtc"),
        ]
        run = Run(paths)
        walked = list(run.events())
        indexed = IndexedRun(run)
        assert len(indexed) == 5
        for i in (4, 0, 3, 3, -1, 1):
            event, other = indexed[i], walked[i % 5]
            assert (event.index, event.clock, event.epics, event.state.configs.keys()) == (
                other.index,
                other.clock,
                other.epics,
                other.state.configs.keys(),
            )
            np.testing.assert_array_equal(event.image("DG2"), other.image("DG2"))
            assert indexed.find(event.timestamp) == i % 5
        assert [event.index for event in indexed] == [0, 1, 2, 3, 4]
        with pytest.raises(IndexError):
            indexed[5]
        with pytest.raises(MetadataError, match="timestamp"):
            indexed.find("2001-01-01T00:00Z00.000")

    def test_saved_and_loaded(self, tmp_path: Path) -> None:
        run = open_run(made.write(tmp_path, made.small_run(3)))
        path = tmp_path / "run.idx.npz"
        Index.build(run).save(path)
        loaded = IndexedRun(run, Index.load(path))
        np.testing.assert_array_equal(loaded[2].image("cspad"), made.masked(made.image(2), **SHOTS))
        with pytest.raises(OutputError):
            Index.build(run).save(path)
        Index.build(run).save(path, overwrite=True)

    def test_an_index_of_other_files_is_refused(self, tmp_path: Path) -> None:
        index = Index.build(open_run(made.write(tmp_path, made.small_run(2))))
        with pytest.raises(MetadataError, match="index"):
            IndexedRun(open_run(made.write(tmp_path, made.small_run(3))), index)

    def test_a_damaged_index_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "run.idx.npz"
        Index.build(open_run(made.write(tmp_path, made.tiny_run()))).save(path)
        whole = path.read_bytes()
        for size in itertools.chain(range(0, len(whole), 97), [len(whole) - 1]):
            path.write_bytes(whole[:size])
            with pytest.raises(FormatError):
                Index.load(path)
        np.savez(path, version=1, sizes=np.array([1]))
        with pytest.raises(FormatError):
            Index.load(path)
        text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({2**70},), }}"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("version.npy", b"\x93NUMPY\x01\x00v\x00" + text.ljust(117).encode() + b"\n")
        with pytest.raises(FormatError):
            Index.load(path)

    def test_no_byte_of_an_index_breaks_its_reader(self, tmp_path: Path) -> None:
        path = tmp_path / "run.idx.npz"
        Index.build(open_run(made.write(tmp_path, made.tiny_run()))).save(path)
        whole = path.read_bytes()
        for place in range(len(whole) - 800, len(whole)):  # the archive's own table
            path.write_bytes(whole[:place] + bytes([255]) + whole[place + 1 :])
            with contextlib.suppress(FormatError):
                Index.load(path)

    @pytest.mark.parametrize("column", ["event_offset", "state_offset"])
    @pytest.mark.parametrize("place", [-1, 1460, 2**62])
    def test_places_outside_the_files_are_refused(self, tmp_path: Path, column: str, place: int) -> None:
        run = open_run(made.write(tmp_path, made.tiny_run()))
        index = Index.build(run)
        with pytest.raises(MetadataError, match=f"places in its files, found {place}"):
            IndexedRun(run, replace(index, **{column: np.full_like(getattr(index, column), place)}))

    def test_a_run_without_events(self, tmp_path: Path) -> None:
        indexed = IndexedRun(open_run(made.write(tmp_path, made.begin())))
        assert len(indexed) == 0 and list(indexed) == []


class TestBeam:
    def test_no_wavelength_of_what_is_damaged_or_zero(self) -> None:
        assert wavelength(None) is None
        assert wavelength(EBeam(7, 0, {"photon_energy": 0.0, "l3_energy": 0.0})) is None
        assert wavelength(EBeam(7, 1 << 17, {"photon_energy": 7000.0, "l3_energy": 13600.5})) == pytest.approx(
            1.50872, abs=1e-5
        )
        assert wavelength(EBeam(7, 0, {"photon_energy": float("nan"), "l3_energy": -1.0})) is None

    @pytest.mark.parametrize(
        ("address", "epics", "expected"),
        [
            ("CxiDs1-0|Cspad-0", {"CXI:DS1:MMS:06.RBV": -449.5, "CXI:DS1:MMS:06": 1.0}, 131.5),
            ("CxiDs1-0|Cspad-0", {"CXI:DS1:MMS:06": -400.0}, 181.0),
            ("CxiDsd-0|Cspad-0", {"CXI:DS2:MMS:06.RBV": -1.0}, 580.0),
            ("XppGon-0|Cspad-0", {}, 581.0),
            ("MfxEndstation-0|Rayonix-0", {}, 581.0),
        ],
    )
    def test_distance(self, address: str, epics: dict, expected: float) -> None:
        assert distance(address, epics, 581) == expected

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "off", (1.0, 2.0)])
    def test_a_motor_without_a_number(self, value: object) -> None:
        with pytest.raises(MetadataError, match="a number"):
            distance("CxiDs1-0|Cspad-0", {"CXI:DS1:MMS:06.RBV": value}, 581)

    @pytest.mark.parametrize("energy", [0.0, 1e-320, -7000.0, float("inf")])
    def test_energies_of_no_beam(self, energy: float) -> None:
        assert wavelength(EBeam(7, 0, {"photon_energy": energy, "l3_energy": energy})) is None

    def test_a_distance_that_cannot_be_known(self) -> None:
        with pytest.raises(MetadataError, match=r"CXI:DS1:MMS:06\.RBV"):
            distance("CxiDs1-0|Cspad-0", {}, 581)
        with pytest.raises(MetadataError, match="AmoVMI"):
            distance("AmoVMI-0|Opal1000-0", {}, 581)
