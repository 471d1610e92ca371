#include "braggio/xtc.hpp"

#include <doctest/doctest.h>

#include "braggio/xtc_cspad.hpp"
#include "braggio/xtc_unpack.hpp"
#include "folder.hpp"
#include "refusal.hpp"
#include "samples.hpp"
#include "xtc_use.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

std::vector<std::byte> with_word(std::vector<std::byte> file, std::size_t at, std::uint32_t value) {
  std::memcpy(file.data() + at, &value, 4);
  return file;
}

XtcWalk walk(const std::vector<std::byte>& file, std::uint64_t count = 100) {
  return walk_xtc(Source::over(file), 0, count, true);
}

// One quadrant of one section, in a payload.
std::vector<std::byte> one_section(unsigned quad) {
  File file;
  file.u32({1 | 2 << 6 | 7 << 8, 5 | 140 << 16 | quad << 24, 10, 11, 12}).u16({20, 21, 22, 23}).u32({3840});
  for (std::size_t i = 0; i < cspad_section_pixels; ++i) file.i16({static_cast<std::int16_t>(i % 1000 - 7)});
  file.u32({0});
  return file;
}

}  // namespace

TEST_CASE("datagrams and their trees") {
  const auto file = xtc_sample();
  const XtcWalk found = walk(file);
  REQUIRE(found.datagrams.size() == 3);
  CHECK(found.faults.empty());
  CHECK(found.end == file.size());
  CHECK(found.datagrams[0].control == 4);
  CHECK(found.datagrams[1].seconds == 1417419361);
  CHECK(found.datagrams[1].nanoseconds == 5);
  CHECK(found.datagrams[1].ticks == 77);
  CHECK(found.datagrams[1].fiducials == 1234);
  CHECK(found.datagrams[1].vector == 1);
  CHECK(found.datagrams[1].env == 54);
  REQUIRE(found.nodes.size() == 9);
  CHECK(found.nodes[0].type == (69 | 1 << 16));
  CHECK(found.nodes[3].depth == 2);
  CHECK(found.nodes[3].datagram == 1);
  CHECK(found.nodes[4].depth == 0);
  CHECK((found.nodes[4].type & xtc_compressed) != 0);
}

TEST_CASE("a walk goes on where another ended") {
  const auto file = xtc_sample();
  std::uint64_t at = 0;
  std::size_t count = 0;
  while (at < file.size()) {
    const XtcWalk found = walk_xtc(Source::over(file), at, 1, true);
    CHECK(found.datagrams.size() == 1);
    ++count;
    at = found.end;
  }
  CHECK(count == 3);
  CHECK(walk_xtc(Source::over(file), at, 1, true).datagrams.empty());
  CHECK(walk_xtc(Source::over(file), 0, 100, false).nodes.empty());
}

TEST_CASE("a file is walked as memory is") {
  const Folder folder;
  const auto sample = xtc_sample();
  std::vector<std::byte> file;
  for (int i = 0; i < 200; ++i) file.insert(file.end(), sample.begin(), sample.end());  // beyond one window
  folder.put("a.xtc", {reinterpret_cast<const char*>(file.data()), file.size()});
  const XtcWalk memory = walk(file, 1000), disk = walk_xtc(Source::open(folder.file("a.xtc")), 0, 1000, true);
  REQUIRE(disk.nodes.size() == memory.nodes.size());
  REQUIRE(disk.datagrams.size() == 600);
  for (std::size_t i = 0; i < disk.nodes.size(); ++i) {
    CHECK(disk.nodes[i].offset == memory.nodes[i].offset);
    CHECK(disk.nodes[i].extent == memory.nodes[i].extent);
  }
}

TEST_CASE("faults inside a datagram keep the rest") {
  const std::size_t event = 104, inner = event + 40 + 20 + 20;  // extent of the frame's Xtc in two containers
  const auto sample = xtc_sample();
  const struct {
    std::uint32_t extent;
    XtcProblem problem;
  } cases[] = {{0, XtcProblem::zero_extent}, {19, XtcProblem::short_extent}, {45, XtcProblem::beyond_parent}};
  for (const auto& [extent, problem] : cases) {
    const XtcWalk found = walk(with_word(sample, inner + 16, extent));
    REQUIRE(found.faults.size() == 1);
    CHECK(found.faults[0].problem == problem);
    CHECK(found.faults[0].datagram == 1);
    CHECK(found.datagrams.size() == 3);
    CHECK(found.nodes.size() == 8);  // all but that one
  }
  const XtcWalk leftover = walk(with_word(sample, inner + 16, 40));
  REQUIRE(leftover.faults.size() == 1);
  CHECK(leftover.faults[0].problem == XtcProblem::leftover);
}

TEST_CASE("what is incomplete is not looked into") {
  const XtcWalk found = walk(with_word(xtc_sample(), 104 + 40, 1 << 15));
  CHECK(found.faults.empty());
  CHECK(found.nodes.size() == 7);
}

TEST_CASE("datagrams that cannot be") {
  const auto sample = xtc_sample();
  CHECK(refuses(Fault::format, [&] { walk(with_word(sample, 0, 1000000000)); }));
  CHECK(refuses(Fault::format, [&] { walk(with_word(sample, 8, 13u << 24)); }));
  CHECK(refuses(Fault::format, [&] { walk(with_word(sample, 24, 7u << 24)); }));
  CHECK(refuses(Fault::format, [&] { walk(with_word(sample, 36, 19)); }));
  CHECK(refuses(Fault::truncated, [&] { walk(with_word(sample, 36, 0xffffffff)); }));
  CHECK(walk(with_word(sample, 104, 1000000000)).datagrams.size() == 1);  // what stands before is given
  CHECK(walk({}).datagrams.empty());
}

TEST_CASE("contributions are bounded") {
  File file;
  const std::uint32_t count = static_cast<std::uint32_t>(xtc_max_nodes) + 10;
  file.u32({0, 1, 12u << 24, 0, 0}).u32({0, 0x03000000, 0, 1, 20 + 20 * count});
  std::vector<std::byte> bytes = file, node = File().u32({0, 0x01000000, 0, 19, 20});
  bytes.reserve(40 + 20 * count);
  for (std::uint32_t i = 0; i < count; ++i) bytes.insert(bytes.end(), node.begin(), node.end());
  const XtcWalk found = walk(bytes);
  CHECK(found.nodes.size() == xtc_max_nodes);
  REQUIRE(found.faults.size() == 1);
  CHECK(found.faults[0].problem == XtcProblem::too_many);
}

TEST_CASE("a walk of very many contributions hands over in parts") {
  const std::uint32_t count = static_cast<std::uint32_t>(xtc_many_nodes) / 2 + 1;
  const std::vector<std::byte> node = File().u32({0, 0x01000000, 0, 19, 20});
  std::vector<std::byte> bytes;
  for (std::uint32_t i = 0; i < 5; ++i) {
    const std::vector<std::byte> head =
        File().u32({0, 1 + i, 12u << 24, 0, 0}).u32({0, 0x03000000, 0, 1, 20 + 20 * count});
    bytes.insert(bytes.end(), head.begin(), head.end());
    for (std::uint32_t k = 0; k < count; ++k) bytes.insert(bytes.end(), node.begin(), node.end());
  }
  std::vector<std::size_t> parts;
  for (std::uint64_t at = 0; at < bytes.size();) {
    const XtcWalk found = walk_xtc(Source::over(bytes), at, 100, true);
    parts.push_back(found.datagrams.size());
    CHECK(found.nodes.size() == count * found.datagrams.size());
    at = found.end;
  }
  CHECK(parts == std::vector<std::size_t>{2, 2, 1});
}

TEST_CASE("every truncation, bit flip and extreme of a run") {
  const auto sample = xtc_sample();
  for (std::size_t size = 0; size <= sample.size(); ++size) CHECK(use_xtc(std::span(sample).first(size)));
  auto file = sample;
  for (std::byte& byte : file) {
    const std::byte whole = byte;
    for (unsigned value = 0; value < 256; ++value) {
      byte = static_cast<std::byte>(value);
      if (!use_xtc(file)) FAIL_CHECK("a walk left its file");
    }
    byte = whole;
  }
  for (std::size_t i = 0; i + 4 <= file.size(); i += 4)
    for (const std::uint32_t word : {0u, 0xffffffffu, 0x7fffffffu, 0x80000000u, 20u, 40u})
      if (!use_xtc(with_word(sample, i, word))) FAIL_CHECK("a walk left its file");
}

TEST_CASE("Hist16 and HistN") {
  const auto out = unpack_xtc(xtc_packed_sample());
  const std::vector<std::byte> expected = File().text("head").u16({100, 101, 2000, 1000, 1001, 1002, 1003, 1});
  CHECK(out == expected);
}

TEST_CASE("a checksum that is wrong is refused") {
  auto packed = xtc_packed_sample();
  packed[4 + 4 + 16 + 4] ^= std::byte{1};
  const auto error = refusal([&] { unpack_xtc(packed); });
  REQUIRE(error);
  CHECK(error->field == "compressed checksum");
}

TEST_CASE("every truncation and bit flip of a compressed payload") {
  const auto sample = xtc_packed_sample();
  for (std::size_t size = 0; size <= sample.size(); ++size) CHECK(use_packed(std::span(sample).first(size)));
  auto file = sample;
  for (std::byte& byte : file) {
    const std::byte whole = byte;
    for (unsigned value = 0; value < 256; ++value) {
      byte = static_cast<std::byte>(value);
      CHECK(use_packed(file));
    }
    byte = whole;
  }
}

TEST_CASE("sections of a CSPAD come to their places") {
  const auto payload = one_section(2);
  std::vector<std::int16_t> pixels(cspad_pixels, 99);
  const std::span<std::int16_t, cspad_pixels> out(pixels.data(), cspad_pixels);
  const std::array<std::uint8_t, 4> masks{0, 0, 0b100000, 0};
  const auto quads = read_cspad(Source::over(payload), 0, payload.size(), masks, out);
  REQUIRE(quads.size() == 1);
  CHECK(quads[0].quad == 2);
  CHECK(quads[0].lane == 2);
  CHECK(quads[0].sb_temp[3] == 23);
  CHECK(quads[0].sections == 0b100000);
  const std::size_t first = (2 * 8 + 5) * cspad_section_pixels;
  for (std::size_t i = 0; i < cspad_pixels; ++i) {
    const bool inside = i >= first && i < first + cspad_section_pixels;
    const auto expected = inside ? static_cast<std::int16_t>((i - first) % 1000 - 7) : std::int16_t{0};
    if (pixels[i] != expected) FAIL("pixel " << i);
  }
}

TEST_CASE("CSPAD payloads that are not what the masks say") {
  const auto payload = one_section(2);
  std::vector<std::int16_t> pixels(cspad_pixels);
  const std::span<std::int16_t, cspad_pixels> out(pixels.data(), cspad_pixels);
  const auto read = [&](std::array<std::uint8_t, 4> masks, std::size_t size) {
    read_cspad(Source::over(payload), 0, size, masks, out);
  };
  CHECK(refuses(Fault::format, [&] { read({0, 0, 3, 0}, payload.size()); }));
  CHECK(refuses(Fault::format, [&] { read({0, 1, 0, 0}, payload.size()); }));
  CHECK(refuses(Fault::format, [&] { read({0, 0, 1, 0}, payload.size() - 1); }));
  CHECK(refuses(Fault::format, [&] { read({0, 0, 0, 0}, payload.size()); }));
  auto twice = payload;
  twice.insert(twice.end(), payload.begin(), payload.end());
  CHECK(refuses(Fault::format, [&] {
    read_cspad(Source::over(twice), 0, twice.size(), std::array<std::uint8_t, 4>{1, 0, 1, 0}, out);
  }));
}
