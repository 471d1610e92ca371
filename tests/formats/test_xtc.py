"""XTC files: the walker, types by version, compressed payloads, and the reference made with SLAC's own classes."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xtc_makers as made
from hypothesis import given
from hypothesis import strategies as st

from braggio._core import Source, unpack_xtc
from braggio.errors import BraggioError, FormatError, LimitError, TruncatedError, UnsupportedError
from braggio.formats.xtc import CspadConfig, XtcFile, decode, source_name, type_name
from braggio.formats.xtc.names import BEAMLINE, DETECTORS, DEVICES, TYPES
from braggio.formats.xtc.types import COVERED, EBEAM_VALUES


def grams(folder: Path, data: bytes) -> list:
    file = XtcFile(made.write(folder, data))
    return list(file.datagrams())


def first(folder: Path, *contributions: bytes):
    """The first contribution of an event with these."""
    gram = grams(folder, made.datagram("L1Accept", (1, 2), *contributions))[0]
    return gram.contributions[0]


class TestReference:
    @pytest.fixture
    def path(self, real_data: Path, tmp_path: Path) -> Path:
        path = tmp_path / "cspad_1sec.xtc"
        path.write_bytes(gzip.decompress((real_data / "xfel" / "cspad_1sec.xtc.gz").read_bytes()))
        return path

    @pytest.fixture
    def expected(self, real_data: Path) -> list:
        return json.loads((real_data / "xfel" / "cspad_1sec.json").read_text())["dgrams"]

    def test_headers_and_trees(self, path: Path, expected: list) -> None:
        found = list(XtcFile(path).datagrams())
        assert len(found) == len(expected)
        for gram, wanted in zip(found, expected, strict=True):
            assert gram.service == wanted["service"]
            assert gram.clock == (wanted["sec"], wanted["nsec"])
            for name in ("ticks", "fiducials", "vector", "control", "env", "damage", "log", "phy", "extent"):
                assert getattr(gram, name) == wanted[name], name
            assert gram.faults == []
            assert len(gram.contributions) == len(wanted["children"])
            for each, child in zip(gram.contributions, wanted["children"], strict=True):
                assert (each.type, each.version, each.compressed) == (
                    child["type"],
                    child["version"],
                    child["compressed"],
                )
                for name in ("depth", "damage", "log", "phy", "extent"):
                    assert getattr(each, name) == child[name]
                assert each.source == child.get("src", each.source)

    def test_payloads(self, path: Path, expected: list) -> None:
        config, checked = None, 0
        for gram, wanted in zip(XtcFile(path).datagrams(), expected, strict=True):
            for each, child in zip(gram.contributions, wanted["children"], strict=True):
                if "cspad_config" in child:
                    config = each.decode()
                    facts = child["cspad_config"]
                    assert (config.quad_mask, config.roi_mask) == (facts["quadMask"], facts["roiMasks"])
                    assert (config.asic_mask, config.event_code) == (facts["asicMask"], facts["eventCode"])
                    assert (config.run_delay, config.payload_per_quad) == (facts["runDelay"], facts["payloadSize"])
                    assert sum(mask.bit_count() for mask in config.masks) == facts["numSect"]
                    assert config.readout_versions[2] == facts["q2_version"]
                elif "quads" in child:
                    assert isinstance(config, CspadConfig)
                    data, quads = each.read_cspad(config), each.cspad_quads(config)
                    for quad, facts in zip(quads, child["quads"], strict=True):
                        same = ("quad", "virtual_channel", "lane", "tid", "acq_count", "op_code", "seq_count", "ticks")
                        assert all(quad[name] == facts[name] for name in (*same, "fiducials", "frame_type", "sb_temp"))
                        pixels = data[facts["quad"]][[s for s in range(8) if facts["sectionMask"] >> s & 1]]
                        assert list(pixels.shape) == facts["shape"]
                        assert pixels.sum(dtype=np.int64) == facts["sum"]
                        assert (pixels.astype(np.int64) ** 2).sum() == facts["sumsq"]
                        assert pixels.ravel()[:5].tolist() == facts["first5"]
                        assert fnv1a(pixels.tobytes()) == int(facts["fnv1a64"], 16)
                    checked += 1
                elif "frame" in child:
                    image, facts = each.decode(), child["frame"]
                    assert image.data.shape == (facts["height"], facts["width"])
                    assert (image.data.sum(), image.data[-1, -1]) == (facts["sum"], facts["last"])
                elif "ebeam" in child:
                    names = {"L3Energy": "l3_energy", "photonEnergy": "photon_energy", "LTU450": "ltu450"}
                    names |= {"energyBC1": "energy_bc1", "charge": "charge"}
                    beam = each.decode()
                    assert all(beam.values[names[name]] == value for name, value in child["ebeam"].items())
                elif "epics" in child:
                    facts, record = child["epics"], each.decode()
                    assert (record.pv_id, record.dbr_type) == (facts["pvId"], facts["dbrType"])
                    assert record.values == (facts["value"],)
                    if record.name:
                        assert record.name == facts["name"]
                        assert (record.facts["units"], record.facts["precision"]) == (
                            facts["units"],
                            facts["precision"],
                        )
                    else:
                        assert record.stamp == (facts["sec"] + 631152000, facts["nsec"])
                elif "rayonix" in child:
                    facts, record = child["rayonix"], each.decode()
                    assert (record.binning_f, record.exposure) == (facts["binning_f"], facts["exposure"])
                    assert (record.device_id, record.readout_mode) == (facts["deviceID"], facts["readoutMode"])
        assert checked == 2


def fnv1a(data: bytes) -> int:
    """The checksum of the reference: 64-bit FNV-1a, from a basis that lacks the last decimal digit."""
    value = 1469598103934665603
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class TestNames:
    def test_tables_have_their_sizes(self) -> None:
        assert (TYPES[28], TYPES[73], TYPES[108], TYPES[111]) == (
            "CspadElement",
            "RayonixConfig",
            "JungfrauElement",
            "ZylaFrame",
        )
        assert (DETECTORS[0x20], DEVICES[0x0A], BEAMLINE[0]) == ("CxiDs1", "Cspad", "EBeam")
        for table in (TYPES, DETECTORS, DEVICES, BEAMLINE):
            assert len(set(table)) == len(table)

    def test_unknown_numbers_have_names_too(self) -> None:
        assert source_name(0x01000000, 0xFE01FD02) == "Detector254-1|Device253-2"
        assert source_name(0x06000000, 9999) == "BldInfo(type 9999)"
        assert source_name(0x09000001, 0) == "level 9(process 1)"
        assert type_name(9999 | 3 << 16) == "type 9999 V3"


class TestWalk:
    def test_containers_in_containers(self, tmp_path: Path) -> None:
        leaf = made.evr([1])
        gram = grams(tmp_path, made.datagram("L1Accept", (1, 2), made.container(made.container(leaf), leaf), leaf))[0]
        assert [(each.type, each.depth) for each in gram.contributions] == [
            ("Xtc", 0),
            ("Xtc", 1),
            ("EvrData", 2),
            ("EvrData", 1),
            ("EvrData", 0),
        ]
        assert gram.faults == []

    def test_an_incomplete_container_is_not_looked_into(self, tmp_path: Path) -> None:
        gram = grams(tmp_path, made.datagram("L1Accept", (1, 2), made.container(b"garbage!", damage=1 << 15)))[0]
        assert [each.type for each in gram.contributions] == ["Xtc"]
        assert gram.faults == []

    @pytest.mark.parametrize(
        ("extent", "message"), [(0, "extent of 0"), (19, "below 20"), (21, "beyond its parent"), (2**32 - 1, "beyond")]
    )
    def test_a_bad_extent_loses_its_container_alone(self, tmp_path: Path, extent: int, message: str) -> None:
        bad = made.container(made.xtc(made.EVR, source=made.DS1, extent=extent))
        gram, after = grams(
            tmp_path,
            made.datagram("L1Accept", (1, 2), bad, made.evr([7])) + made.datagram("Disable", (2, 0)),
        )
        assert len(gram.faults) == 1
        assert message in gram.faults[0]
        assert [each.type for each in gram.contributions] == ["Xtc", "EvrData"]
        assert after.service == "Disable"

    def test_leftover_bytes_are_told(self, tmp_path: Path) -> None:
        gram = grams(tmp_path, made.datagram("L1Accept", (1, 2), made.evr([7]), b"\0" * 7))[0]
        assert "left over" in gram.faults[0]
        assert len(gram.contributions) == 1

    def test_nesting_is_bounded(self, tmp_path: Path) -> None:
        deep = made.evr([1])
        for _ in range(100):
            deep = made.container(deep)
        gram = grams(tmp_path, made.datagram("L1Accept", (1, 2), deep, made.evr([7])))[0]
        assert "too deep" in gram.faults[0]
        assert gram.contributions[-1].type == "EvrData"

    def test_what_stands_before_a_cut_datagram_is_given(self, tmp_path: Path) -> None:
        data = made.begin() + made.shot(0)
        file = XtcFile(made.write(tmp_path, data[:-1]))
        assert [gram.service for gram in file.datagrams()] == ["BeginRun", "BeginCalibCycle", "Enable"]
        assert isinstance(file.tail, TruncatedError)

    def test_what_stands_before_something_else_is_given(self, tmp_path: Path) -> None:
        file = XtcFile(made.write(tmp_path, made.begin() + b"\xff" * 100))
        assert len(list(file.datagrams())) == 3
        assert isinstance(file.tail, FormatError)

    @pytest.mark.parametrize("data", [b"", b"\0" * 39, b"\x89HDF\r\n\x1a\n" + b"\xff" * 100, bytes(100)])
    def test_what_is_no_xtc_is_refused(self, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(FormatError, match="e157"):
            XtcFile(made.write(tmp_path, data))

    def test_gzip_is_told_by_name(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match="unpack it first"):
            XtcFile(made.write(tmp_path, gzip.compress(made.tiny_run())))
        whole = made.datagram("L1Accept", (1, 0x8B1F))  # a clock may begin with the same bytes
        assert XtcFile(made.write(tmp_path, whole)).size == 40

    def test_many_datagrams(self, tmp_path: Path) -> None:
        data = b"".join(made.datagram("L1Accept", (1, i), made.evr([i])) for i in range(200))
        found = grams(tmp_path, data)
        assert [gram.clock[1] for gram in found] == list(range(200))
        assert [gram.contributions[0].decode().codes for gram in found] == [(i,) for i in range(200)]


class TestCspad:
    @pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
    def test_every_configuration(self, tmp_path: Path, version: int) -> None:
        gain = np.random.default_rng(version).integers(0, 1 << 16, (4, 185, 194)).astype(np.uint16)
        config = first(tmp_path, made.cspad_config(version, gain=gain)).decode()
        assert (config.version, config.run_delay, config.event_code) == (version, 560, 140)
        assert (config.asic_mask, config.quad_mask, config.payload_per_quad) == (0xFFFF, 15, 1148516)
        assert config.masks == (255,) * 4
        assert config.roi_mask == (None if version == 1 else 0xFFFFFFFF)
        assert config.readout_versions == (4096, 4097, 4098, 4099)
        np.testing.assert_array_equal(config.gain, gain)
        low = config.low_gain
        for quad, section, row, column in [(0, 0, 0, 0), (1, 3, 184, 387), (3, 7, 100, 194), (2, 5, 17, 193)]:
            bit = gain[quad, row, column % 194] >> (2 * section + column // 194) & 1
            assert low[quad, section, row, column] == (bit == 0)

    def test_v1_without_all_asics_sends_two_sections(self, tmp_path: Path) -> None:
        assert first(tmp_path, made.cspad_config(1, asics=1, quads=5)).decode().masks == (3, 0, 3, 0)

    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize(
        ("quads", "roi", "order"),
        [(15, 0xFFFFFFFF, (0, 1, 2, 3)), (15, 0xFFFFFFFF, (3, 1, 0, 2)), (0b1010, 0xA5FF0100, (1, 3)), (1, 4, (0,))],
    )
    def test_sections_come_to_their_places(
        self, tmp_path: Path, version: int, quads: int, roi: int, order: tuple[int, ...]
    ) -> None:
        data = made.image(1)
        present = sum(1 << q for q in range(4) if quads >> q & 1 and roi >> 8 * q & 0xFF)
        element = made.cspad_payload(data, quads=present, roi=roi, order=order)
        gram = grams(
            tmp_path,
            made.datagram(
                "L1Accept",
                (1, 2),
                made.cspad_config(quads=quads, roi=roi),
                made.xtc(made.CSPAD, element, made.DS1, version=version),
            ),
        )[0]
        config = gram.contributions[0].decode()
        out = np.full((4, 8, 185, 388), 77, np.int16)
        assert gram.contributions[1].read_cspad(config, out) is out
        np.testing.assert_array_equal(out, made.masked(data, quads, roi))
        assert sorted(quad["quad"] for quad in gram.contributions[1].cspad_quads(config)) == sorted(order)

    @pytest.mark.parametrize("change", ["short", "long", "twice", "not configured"])
    def test_what_the_configuration_does_not_say_is_refused(self, tmp_path: Path, change: str) -> None:
        payload = made.cspad_payload(made.image(), quads=3, roi=0x0101)
        config = made.cspad_config(quads=3, roi=0x0101)
        if change == "short":
            payload = payload[:-2]
        elif change == "long":
            payload += bytes(4)
        else:
            half = len(payload) // 2
            quad = 0 if change == "twice" else 3
            payload = payload[: half + 7] + bytes([quad]) + payload[half + 8 :]
        gram = grams(
            tmp_path, made.datagram("L1Accept", (1, 2), config, made.xtc(made.CSPAD, payload, made.DS1, version=2))
        )[0]
        with pytest.raises(FormatError, match=r"CxiDs1-0\|Cspad-0: CspadElement"):
            gram.contributions[1].read_cspad(gram.contributions[0].decode())

    def test_cspad2x2(self, tmp_path: Path) -> None:
        data = np.random.default_rng(0).integers(-1000, 1000, (185, 388, 2)).astype(np.int16)
        image = first(tmp_path, made.cspad2x2(data)).decode()
        np.testing.assert_array_equal(image.data, data)
        assert image.facts["sb_temp"] == (4, 5, 6, 7)

    @pytest.mark.parametrize(("version", "size", "at"), [(1, 71996, 28), (2, 72008, 32)])
    def test_cspad2x2_config(self, version: int, size: int, at: int) -> None:
        raw = bytearray(size)
        raw[at : at + 16] = np.array([11, 12, 13, 14], "<u4").tobytes()
        raw[size - 2 :] = b"\x05\x00"
        config = decode(made.CSPAD2X2_CONFIG | version << 16, bytes(raw))
        assert (config.payload_per_quad, config.asic_mask, config.roi_mask) == (11, 13, 14)
        assert config.gain[184, 193] == 5


class TestTypes:
    @pytest.mark.parametrize(("depth", "dtype"), [(8, np.uint8), (1, np.uint8), (10, np.uint16), (16, np.uint16)])
    def test_frames(self, tmp_path: Path, depth: int, dtype: type) -> None:
        data = np.random.default_rng(0).integers(0, 1 << depth, (5, 7)).astype(dtype)
        image = first(tmp_path, made.frame(data, depth)).decode()
        assert image.data.dtype == dtype
        np.testing.assert_array_equal(image.data, data)

    @pytest.mark.parametrize("header", [(0, 4, 10, 0), (4, 4, 0, 0), (4, 4, 17, 0), (4, 2**31, 8, 0), (5, 4, 8, 0)])
    def test_impossible_frames(self, header: tuple[int, ...]) -> None:
        with pytest.raises(BraggioError, match="Frame V1"):
            decode(made.FRAME | 1 << 16, np.array(header, "<u4").tobytes() + bytes(16))

    @pytest.mark.parametrize("version", range(8))
    def test_ebeam(self, tmp_path: Path, version: int) -> None:
        values = made.beam_values(version)
        beam = first(tmp_path, made.ebeam(version, values, mask=2)).decode()
        assert list(beam.values.items()) == list(zip(EBEAM_VALUES, values, strict=False))
        assert beam.good("charge") == 0.15
        assert beam.good("l3_energy") is None
        assert beam.good("photon_energy") == (values[17] if version >= 6 else None)

    @pytest.mark.parametrize("wide", [False, True])
    @pytest.mark.parametrize(
        ("kind", "values"),
        [(0, [b"on"]), (1, [-3]), (2, [1.5]), (3, [1]), (4, [200]), (5, [-70000]), (6, [-449.5]), (6, [1.0, 2.0, 3.0])],
    )
    def test_epics_values(self, tmp_path: Path, kind: int, values: list, wide: bool) -> None:
        record = first(tmp_path, made.epics_time(7, kind, values, wide=wide)).decode()
        assert (record.pv_id, record.dbr_type, record.name) == (7, 14 + kind, None)
        assert record.values == tuple(v.decode() if isinstance(v, bytes) else v for v in values)
        assert record.stamp == (790000000 + 631152000, 123456789)
        assert (record.status, record.severity) == (1, 2)

    @pytest.mark.parametrize(
        ("kind", "value"), [(0, b"text"), (1, -3), (2, 1.5), (3, 1), (4, 200), (5, -70000), (6, -449.5)]
    )
    def test_epics_names(self, tmp_path: Path, kind: int, value: object) -> None:
        record = first(tmp_path, made.epics_control(9, kind, "CXI:A", [value])).decode()
        assert (record.pv_id, record.dbr_type, record.name, record.stamp) == (9, 28 + kind, "CXI:A", None)
        assert record.values == (value.decode() if isinstance(value, bytes) else value,)
        if kind == 3:
            assert record.facts["states"] == ("off", "on")
        elif kind:
            assert (record.facts["units"], record.facts["upper_disp_limit"]) == ("mm", 1)
            assert record.facts["lower_ctrl_limit"] == 8

    @pytest.mark.parametrize("dbr", [0, 13, 21, 35, -1])
    def test_other_epics_types_are_refused(self, dbr: int) -> None:
        with pytest.raises(UnsupportedError, match="DBR"):
            decode(made.EPICS | 1 << 16, np.array([1, dbr, 1, 0], "<i2").tobytes() + bytes(200))

    def test_aliases_and_event_codes(self, tmp_path: Path) -> None:
        named = first(tmp_path, made.aliases([("A", made.DS1), ("B" * 30, made.CAMERA)])).decode()
        assert named == {"A": "CxiDs1-0|Cspad-0", "B" * 30: "CxiDg2-0|Tm6740-0"}
        for version in (3, 4):
            data = first(tmp_path, made.evr([140, 41], version)).decode()
            assert (data.codes, data.events[1]) == ((140, 41), (41, 18, 4001))

    def test_rayonix(self, tmp_path: Path) -> None:
        assert first(tmp_path, made.rayonix_config(1)).decode().test_pattern is None
        config = first(tmp_path, made.rayonix_config(2)).decode()
        assert (config.binning_f, config.binning_s, config.test_pattern, config.device_id) == (2, 3, 4, "MX170-HS:125")

    def test_epics_descriptions(self) -> None:
        payload = np.array([1], "<i4").tobytes() + np.array([3], "<i2").tobytes() + b"detz".ljust(66, b"\0") + bytes(4)
        assert decode(made.EPICS_CONFIG | 1 << 16, payload) == {3: "detz"}

    @pytest.mark.parametrize("name", sorted(COVERED))
    def test_a_version_that_is_not_covered_is_refused_by_name(self, tmp_path: Path, name: str) -> None:
        version = max(COVERED[name]) + 1
        with pytest.raises(UnsupportedError, match=f"{name} V{version}"):
            first(tmp_path, made.xtc(TYPES.index(name), bytes(400), made.DS1, version=version)).decode()

    def test_a_type_that_is_not_covered_is_refused_by_name(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match="pnCCDframe V1"):
            first(tmp_path, made.xtc(11, bytes(400), made.DS1)).decode()

    @pytest.mark.parametrize("version", [1, 2, 3])
    @pytest.mark.parametrize("element", [1, 2])
    def test_jungfrau(self, tmp_path: Path, version: int, element: int) -> None:
        data = np.random.default_rng(0).integers(0, 65536, (2, 5, 7)).astype(np.uint16)
        gram = grams(
            tmp_path,
            made.datagram("L1Accept", (1, 2), made.jungfrau_config(version, (2, 5, 7)), made.jungfrau(data, element)),
        )[0]
        config = gram.contributions[0].decode()
        assert (config.modules, config.rows, config.columns, config.speed_mode) == (2, 5, 7, 1)
        assert (config.trigger_delay, config.exposure_time) == (0.25, 1e-5)
        np.testing.assert_array_equal(gram.contributions[1].read_jungfrau(config), data)
        with pytest.raises(FormatError, match="by the configuration"):
            gram.contributions[1].read_jungfrau(replace(config, rows=4))
        with pytest.raises(UnsupportedError, match="configuration"):
            gram.contributions[1].decode()

    @pytest.mark.parametrize("shape", [(0, 5, 7), (2**16, 2**16, 2**16), (2**31, 1, 1)])
    def test_impossible_jungfraus(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        with pytest.raises(LimitError, match="JungfrauConfig"):
            first(tmp_path, made.jungfrau_config(1, shape)).decode()

    @given(
        st.sampled_from([(TYPES.index(name), version) for name in COVERED for version in COVERED[name]]),
        st.binary(max_size=300),
    )
    def test_any_bytes_are_a_record_or_a_typed_refusal(self, kind: tuple[int, int], payload: bytes) -> None:
        with suppress(BraggioError):
            decode(kind[0] | kind[1] << 16, payload)


class TestCompression:
    @given(st.data())
    def test_round_trips(self, data: st.DataObject) -> None:
        values = np.array(data.draw(st.lists(st.integers(0, 65535), max_size=70)), np.uint16)
        runs = data.draw(st.booleans())
        if data.draw(st.booleans()):
            base = data.draw(st.none() | st.integers(0, 65535 - 255))
            packed, engine = made.hist16(values, base, runs), 1
        else:
            if data.draw(st.booleans()):
                values = (values & 255).astype(np.uint8)
            base = data.draw(st.none() | st.integers(0, 200))
            packed, engine = (
                made.histn(values if len(values) else values[:0], base, data.draw(st.integers(0, 8)), runs)
                if (len(values))
                else made.histn(np.array([1], np.uint16), None),
                2,
            )
            values = values if len(values) else np.array([1], np.uint16)
        payload = made.packed([(b"head", engine, packed, values.nbytes), (b"", 0, b"abcd", 4)])
        assert unpack_xtc(Source.over(payload), 0, len(payload)) == b"head" + values.tobytes() + b"abcd"

    @pytest.mark.parametrize("engine", ["hist16", "histn"])
    def test_a_compressed_cspad(self, tmp_path: Path, engine: str) -> None:
        data = made.image(2)
        quads, roi = 5, 0x00020001
        parts = []
        for q in (0, 2):
            head, pixels = made.cspad_quad(q, data[q, [s for s in range(8) if roi >> (8 * q + s) & 1]])
            values = np.frombuffer(pixels, "<u2")
            body = made.hist16(values, 1100) if engine == "hist16" else made.histn(values, 1136, 7)
            parts.append((head, 1 if engine == "hist16" else 2, body, len(pixels)))
        element = made.xtc(made.CSPAD, made.packed(parts), made.DS1, version=2, compressed=True)
        gram = grams(tmp_path, made.datagram("L1Accept", (1, 2), made.cspad_config(quads=quads, roi=roi), element))[0]
        found = gram.contributions[1]
        assert (found.type, found.version, found.compressed) == ("CspadElement", 2, True)
        assert len(found.payload()) < 2**20
        np.testing.assert_array_equal(found.read_cspad(gram.contributions[0].decode()), made.masked(data, quads, roi))

    def test_a_wrong_checksum_is_refused(self) -> None:
        body = bytearray(made.hist16(np.arange(100), 0))
        body[4] ^= 1
        with pytest.raises(FormatError, match="checksum"):
            unpacked(made.packed([(b"", 1, bytes(body), 200)]))

    @pytest.mark.parametrize("size", [198, 240, 0, 2**32 - 2])
    def test_a_wrong_size_is_refused(self, size: int) -> None:
        for engine, body in ((1, made.hist16(np.arange(100), 0)), (2, made.histn(np.arange(100, dtype=np.uint16), 0))):
            with pytest.raises((FormatError, LimitError)):
                unpacked(made.packed([(b"", engine, body, size)]))

    def test_bombs_are_refused(self) -> None:
        """Elements of no bits and a bitmap of run lengths: 20 bytes that would be 512 MiB."""
        runs = np.array([0xFFFF, 0xFFFF] * 600, "<u2").tobytes()
        body = (
            np.array([0, 0], "<u2").tobytes() + np.array([0, 0], "<u4").tobytes() + (1200).to_bytes(4, "little") + runs
        )
        bomb = np.array([3, 2], "<u2").tobytes() + np.array([0, len(body)], "<u4").tobytes() + body
        with pytest.raises(LimitError, match="uncompressed size"):
            unpacked(made.packed([(b"", 2, bomb, 1 << 29)]))
        few = np.array([3, 2], "<u2").tobytes() + np.array([0, 20], "<u4").tobytes() + body[:12]
        few += (2).to_bytes(4, "little") + runs[:4]
        with pytest.raises(FormatError, match="bitmap"):
            unpacked(made.packed([(b"", 2, few, 1 << 27)]))

    def test_an_unknown_engine_is_refused(self) -> None:
        with pytest.raises(UnsupportedError, match="engine"):
            unpacked(made.packed([(b"", 3, b"", 0)]))

    @given(st.binary(max_size=120))
    def test_any_bytes_are_a_payload_or_a_typed_refusal(self, payload: bytes) -> None:
        with suppress(BraggioError):
            unpacked(payload)


def unpacked(payload: bytes) -> bytes:
    return unpack_xtc(Source.over(payload), 0, len(payload))
