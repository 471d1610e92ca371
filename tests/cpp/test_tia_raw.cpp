// Protects: a TIA raw header is read as documented, and no damage to it gives anything but a typed refusal or a layout
// within the file.
#include "braggio/tia_raw.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "damage.hpp"
#include "refusal.hpp"
#include "samples.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

std::vector<std::byte> with_header(int code, std::int32_t nx, std::int32_t ny, std::size_t size) {
  File file;
  file.i16({static_cast<std::int16_t>(code)}).i32({nx, ny}).pad(size);
  return file;
}

Parsed parse(const std::vector<std::byte>& file) { return parse_tia_raw(Source::over(file)); }

}  // namespace

TEST_CASE("the sample") {
  const auto file = tia_raw_sample();
  const Parsed parsed = parse(file);
  CHECK(integer(parsed.header, "data_type") == 6);
  CHECK(integer(parsed.header, "nx") == 3);
  CHECK(integer(parsed.header, "ny") == 2);
  CHECK(parsed.layout.type == PixelType::i32);
  CHECK(parsed.layout.width == 3);
  CHECK(parsed.layout.height == 2);
  CHECK(parsed.layout.extent() == file.size());
}

TEST_CASE("every data type code") {
  const PixelType types[] = {PixelType::u8,  PixelType::u16, PixelType::u32, PixelType::i8,
                             PixelType::i16, PixelType::i32, PixelType::f32, PixelType::f64};
  for (int code = 1; code <= 8; ++code) CHECK(parse(with_header(code, 2, 2, 100)).layout.type == types[code - 1]);
  for (const int code : {9, 10}) CHECK(refuses(Fault::unsupported, [&] { parse(with_header(code, 2, 2, 100)); }));
  for (const int code : {0, -1, 11, 255, 256, 32767, -32768})
    CHECK(refuses(Fault::format, [&] { parse(with_header(code, 2, 2, 100)); }));
  const auto swapped = refusal([] { parse(with_header(0x0600, 2, 2, 100)); });
  REQUIRE(swapped);
  CHECK(swapped->found == "1536 (a big-endian file?)");
}

TEST_CASE("sizes that cannot be") {
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
  for (const std::int32_t size : {0, -1, std::numeric_limits<std::int32_t>::min()}) {
    CHECK(refuses(Fault::format, [&] { parse(with_header(6, size, 2, 100)); }));
    CHECK(refuses(Fault::format, [&] { parse(with_header(6, 2, size, 100)); }));
  }
  CHECK(refuses(Fault::limit, [] { parse(with_header(6, most, most, 100)); }));
  CHECK(refuses(Fault::truncated, [] { parse(with_header(8, 65536, 32768, 100)); }));
}

TEST_CASE("every truncation is called one") {
  const auto file = tia_raw_sample();
  CHECK(try_truncations(file, parse_tia_raw).truncated == file.size());
}

TEST_CASE("no damage gives a layout outside the file") {
  const Survival flips = try_bit_flips(tia_raw_sample(), parse_tia_raw),
                 extremes = try_extremes(tia_raw_sample(), parse_tia_raw);
  CHECK(flips.broken + extremes.broken == 0);
  CHECK(flips.accepted >= 8 * 24);  // a changed pixel is no damage to the header
  CHECK(flips.refused > 50);
}
