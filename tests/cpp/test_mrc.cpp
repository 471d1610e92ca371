// Protects: an MRC header is read as documented in both byte orders, and no damage to it gives anything but a typed
// refusal or a layout within the file.
#include "braggio/mrc.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "damage.hpp"
#include "refusal.hpp"
#include "samples.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

Parsed parse(const std::vector<std::byte>& file) { return parse_mrc(Source::over(file)); }

// The sample, in little-endian order, with one number of its header replaced.
std::vector<std::byte> with_number(std::size_t offset, std::int32_t number) {
  auto file = mrc_sample(ByteOrder::little, 1, 2);
  const std::vector<std::byte> bytes = File().i32({number});
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
  return file;
}

}  // namespace

TEST_CASE("the sample in both byte orders") {
  for (const ByteOrder order : {ByteOrder::little, ByteOrder::big}) {
    const auto file = mrc_sample(order, 1, 2);
    const Parsed parsed = parse(file);
    CHECK(parsed.layout.order == order);
    CHECK(parsed.layout.type == PixelType::i16);
    CHECK(parsed.layout.nframes == 2);
    CHECK(parsed.layout.first == 1032);
    CHECK(parsed.layout.extent() == file.size());
    CHECK(integer(parsed.header, "nversion") == 20141);
    for (const auto& [name, value] : parsed.header) {
      if (name == "cella_x") CHECK(std::get<double>(value) == 2.0);
      if (name == "exttyp") CHECK(std::get<std::string>(value) == "FEI1");
      if (name == "label") CHECK(std::get<std::string>(value).substr(0, 8) == std::string("a label\0", 8));
    }
  }
}

TEST_CASE("fields lie in order, within the header and apart") {
  std::uint32_t end = 0;
  for (const Field& field : mrc_fields) {
    CHECK(field.offset >= end);
    end = field.offset + (field.type == FieldType::text ? field.count : 4);
  }
  CHECK(end == mrc_header_bytes);
}

TEST_CASE("every mode") {
  struct Mode {
    std::int32_t mode;
    PixelType type;
  };
  for (const auto& [mode, type] : {Mode{0, PixelType::i8},
                                   {1, PixelType::i16},
                                   {2, PixelType::f32},
                                   {4, PixelType::c64},
                                   {5, PixelType::u8},
                                   {6, PixelType::u16},
                                   {12, PixelType::f16}})
    CHECK(parse(mrc_sample(ByteOrder::little, mode, info(type).size)).layout.type == type);
  const Parsed packed = parse(mrc_sample(ByteOrder::little, 101, 1));
  CHECK(packed.layout.width == 1);  // two pixels a byte
  auto odd = mrc_sample(ByteOrder::little, 101, 2);
  odd[0] = std::byte{3};
  CHECK(parse(odd).layout.width == 2);
  for (const std::int32_t mode : {3, 7, 16})
    CHECK(refuses(Fault::unsupported, [&] { parse(mrc_sample(ByteOrder::little, mode, 8)); }));
  for (const std::int32_t mode : {-1, 8, 13, 102, 1 << 24})
    CHECK(refuses(Fault::format, [&] { parse(mrc_sample(ByteOrder::little, mode, 8)); }));
}

TEST_CASE("without a machine stamp the numbers tell the byte order") {
  for (const ByteOrder order : {ByteOrder::little, ByteOrder::big}) {
    auto file = mrc_sample(order, 1, 2);
    file[212] = file[213] = std::byte{0};
    CHECK(parse(file).layout.order == order);
  }
}

TEST_CASE("the machine stamp decides where the numbers make sense in both orders") {
  File file(ByteOrder::big);
  file.i32({0x00010100, 1, 1, 0}).pad(208).text("MAP ").text(std::string_view("\x11\x11\0\0", 4)).pad(1024 + 0x10100);
  CHECK(parse(file).layout.order == ByteOrder::big);
}

TEST_CASE("numbers that cannot be") {
  for (const std::size_t size : {0u, 4u, 8u})
    for (const std::int32_t number : {0, -1}) CHECK(refuses(Fault::format, [&] { parse(with_number(size, number)); }));
  CHECK(refuses(Fault::format, [] { parse(with_number(92, -1)); }));
  CHECK(refuses(Fault::truncated, [] { parse(with_number(92, 9)); }));
  CHECK(refuses(Fault::truncated, [] { parse(with_number(92, 0x7fffffff)); }));
  CHECK(refuses(Fault::truncated, [] { parse(with_number(8, 0x7fffffff)); }));
}

TEST_CASE("every truncation is called one") {
  const auto file = mrc_sample(ByteOrder::big, 2, 4);
  CHECK(try_truncations(file, parse_mrc).truncated == file.size());
}

TEST_CASE("no damage gives a layout outside the file") {
  for (const ByteOrder order : {ByteOrder::little, ByteOrder::big}) {
    const auto file = mrc_sample(order, 1, 2);
    const Survival flips = try_bit_flips(file, parse_mrc), extremes = try_extremes(file, parse_mrc);
    CHECK(flips.broken + extremes.broken == 0);
    CHECK(flips.refused > 100);
    CHECK(flips.accepted > 7000);  // most of the header describes, and does not place
  }
}
