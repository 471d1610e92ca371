// Protects: a TIA series is read as documented, with 32-bit and 64-bit offsets, and no damage to it gives anything but
// a typed refusal or a layout within the file.
#include "braggio/ser.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "damage.hpp"
#include "refusal.hpp"
#include "samples.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

// The sample with the bytes from `offset` on replaced.
std::vector<std::byte> with_bytes(bool wide, std::size_t offset, const std::vector<std::byte>& bytes) {
  auto file = ser_sample(wide);
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
  return file;
}

ParsedSer parse(const std::vector<std::byte>& file, bool strict = true) {
  return parse_ser(Source::over(file), strict);
}

constexpr std::size_t tag_bytes = 8;  // at the end of the sample

}  // namespace

TEST_CASE("the sample, with both sizes of offset") {
  for (const bool wide : {false, true}) {
    const auto file = ser_sample(wide);
    const ParsedSer parsed = parse(file);
    CHECK(parsed.layout.type == PixelType::i16);
    CHECK(parsed.layout.width == 2);
    CHECK(parsed.layout.height == 2);
    CHECK(parsed.layout.nframes == 2);
    CHECK(parsed.layout.extent() == file.size() - tag_bytes);
    CHECK(parsed.times == std::vector<std::int64_t>{1700000000, 1700000001});
    CHECK(integer(parsed.header, "series_version") == (wide ? 0x0220 : 0x0210));
    CHECK(integer(parsed.header, "number_dimensions") == 1);
    std::vector<std::int16_t> frame(4);
    const Source source = Source::over(file);
    for (std::int16_t i = 0; i < 2; ++i) {
      read_block(source, parsed.layout, static_cast<std::uint64_t>(i), 0, std::as_writable_bytes(std::span(frame)));
      CHECK(frame == std::vector<std::int16_t>{i, -1, 32767, -32768});
    }
  }
}

TEST_CASE("what is not a series of images is refused by name") {
  const auto field_of = [](const std::vector<std::byte>& file) {
    const auto error = refusal([&] { parse(file); });
    return error ? error->field : "";
  };
  CHECK(field_of(with_bytes(true, 0, File().u16({0x4d4d}))) == "byte_order");
  CHECK(field_of(with_bytes(true, 2, File().u16({0x0198}))) == "series_id");
  CHECK(field_of(with_bytes(true, 4, File().u16({0x0310}))) == "series_version");
  CHECK(field_of(with_bytes(true, 6, File().i32({0x4120}))) == "data_type_id");
  CHECK(field_of(with_bytes(true, 14, File().i32({0}))) == "total_number_elements");
  CHECK(field_of(with_bytes(true, 18, File().i32({-1}))) == "valid_number_elements");
  CHECK(field_of(with_bytes(true, 18, File().i32({3}))) == "valid_number_elements");
  CHECK(field_of(with_bytes(true, 22, File().u64({~std::uint64_t{0}}))) == "offset table");
}

TEST_CASE("images of different shapes are refused") {
  for (const bool wide : {false, true}) {
    const std::size_t second = (wide ? 34 + 32 : 30 + 16) + 66;
    for (const std::size_t field : {std::size_t{42}, std::size_t{46}}) {  // nx, ny of the second image
      const auto error = refusal([&] { parse(with_bytes(wide, second + field, File().i32({1}))); });
      REQUIRE(error);
      CHECK(error->fault == Fault::unsupported);
      CHECK(error->field == "element 1");
    }
  }
}

TEST_CASE("times are read from good tags or not at all") {
  auto file = ser_sample(true);
  file.resize(file.size() - 1);
  CHECK(parse(file).times.empty());
  // Some files have tag offsets that point elsewhere: the tag type gives them away.
  file = ser_sample(true);
  file[file.size() - 8] = std::byte{0};
  CHECK(parse(file).times.empty());
}

TEST_CASE("a frame that does not reach its tag is refused, unless anything goes") {
  constexpr std::size_t ny = 34 + 32 + 46;
  auto file = with_bytes(true, ny, File().i32({1}));
  file[ny + 66] = std::byte{1};
  const auto error = refusal([&] { parse(file); });
  REQUIRE(error);
  CHECK(error->fault == Fault::format);
  CHECK(error->field == "element 0");
  CHECK(parse(file, false).layout.height == 1);
}

TEST_CASE("every truncation is called one, or costs only the times") {
  for (const bool wide : {false, true})
    for (const bool strict : {false, true}) {
      const auto file = ser_sample(wide);
      const Survival survival = try_truncations(file, [=](const Source& source) { return parse_ser(source, strict); });
      CHECK(survival.truncated == file.size() - tag_bytes);
      CHECK(survival.accepted == tag_bytes);
    }
}

TEST_CASE("no damage gives a layout outside the file") {
  for (const bool wide : {false, true})
    for (const bool strict : {false, true}) {
      const auto parser = [=](const Source& source) { return parse_ser(source, strict); };
      const Survival flips = try_bit_flips(ser_sample(wide), parser), extremes = try_extremes(ser_sample(wide), parser);
      CHECK(flips.broken + extremes.broken == 0);
      CHECK(flips.refused > 300);
      CHECK(flips.accepted > 500);
    }
}

TEST_CASE("tables are not allocated on the word of a header") {
  const std::vector<std::byte> head =
      File().u16({0x4949, 0x0197, 0x0220}).i32({0x4122, 0x4152, 1 << 30, 1 << 30}).u64({34}).i32({1});
  CHECK(refuses(Fault::truncated, [&] { parse_ser(Source::over(head, std::uint64_t{1} << 40)); }));
}

TEST_CASE("a small file that promises many copies of one image is refused") {
  File file;
  constexpr std::int32_t count = 1000;
  file.u16({0x4949, 0x0197, 0x0210}).i32({0x4122, 0x4152, count, count}).i32({30, 1});
  for (std::int32_t i = 0; i < count; ++i) file.i32({30 + 4 * count});
  file.pad(30 + 4 * count + 40).i16({1}).i32({100, 100}).pad(30 + 4 * count + 50 + 10000);
  CHECK(refuses(Fault::truncated, [&] { parse(file); }));
}
