// Protects: numbers of a header are read in the order the header says, never beyond its end, never with an overflow.
#include "braggio/bytes.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

std::vector<std::byte> counting(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i + 1);
  return bytes;
}

}  // namespace

TEST_CASE("products and sums are exact or refused") {
  CHECK(checked_product(std::uint64_t{1} << 32, (std::uint64_t{1} << 32) - 1, "n") == 0xffffffff00000000u);
  CHECK(checked_product(most, 1, "n") == most);
  CHECK(checked_sum(most - 1, 1, "n") == most);
  CHECK(refuses(Fault::limit, [] { checked_product(std::uint64_t{1} << 32, std::uint64_t{1} << 32, "n"); }));
  CHECK(refuses(Fault::limit, [] { checked_sum(most, 1, "n"); }));
  const auto error = refusal([] { checked_sum(most, 2, "frame offset"); });
  REQUIRE(error);
  CHECK(error->field == "frame offset");
  CHECK(error->found == "18446744073709551615 + 2");
}

TEST_CASE("load reads both byte orders") {
  const auto bytes = counting(9);  // 01 02 03 ... 09
  CHECK(load<std::uint8_t>(bytes, 8, ByteOrder::big, "n") == 9);
  CHECK(load<std::uint16_t>(bytes, 1, ByteOrder::little, "n") == 0x0302);
  CHECK(load<std::uint16_t>(bytes, 1, ByteOrder::big, "n") == 0x0203);
  CHECK(load<std::int32_t>(bytes, 1, ByteOrder::little, "n") == 0x05040302);
  CHECK(load<std::int32_t>(bytes, 1, ByteOrder::big, "n") == 0x02030405);
  CHECK(load<std::uint64_t>(bytes, 1, ByteOrder::little, "n") == 0x0908070605040302);
  CHECK(load<std::uint64_t>(bytes, 1, ByteOrder::big, "n") == 0x0203040506070809);
  CHECK(load<float>(std::vector{std::byte{0xc0}, std::byte{0x20}, std::byte{0}, std::byte{0}}, 0, ByteOrder::big,
                    "n") == -2.5f);
}

TEST_CASE("load refuses what does not lie within the bytes") {
  const auto bytes = counting(8);
  for (const std::uint64_t offset : {std::uint64_t{5}, std::uint64_t{8}, std::uint64_t{9}, most - 3, most}) {
    const auto error = refusal([&] { load<std::uint32_t>(bytes, offset, ByteOrder::little, "nx"); });
    REQUIRE(error);
    CHECK(error->fault == Fault::truncated);
    CHECK(error->offset == offset);
    CHECK(error->field == "nx");
  }
  CHECK(load<std::uint32_t>(bytes, 4, ByteOrder::little, "nx") == 0x08070605);
}

TEST_CASE("a swap reverses each word and leaves a trailing part alone") {
  for (const std::size_t word : {1u, 2u, 4u, 8u}) {
    for (std::size_t size = 0; size < 40; ++size) {
      auto bytes = counting(size);
      auto expected = bytes;
      for (std::size_t start = 0; start + word <= size; start += word)
        std::reverse(expected.begin() + static_cast<std::ptrdiff_t>(start),
                     expected.begin() + static_cast<std::ptrdiff_t>(start + word));
      swap_in_place(bytes, word);
      CHECK(bytes == expected);
    }
  }
  CHECK(byte_swapped(std::uint32_t{0x01020304}) == 0x04030201);
}
