// byte_offset: exact for every difference, the vector path at any place, no byte beyond the end.
#include "braggio/byte_offset.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

template <class T>
std::vector<T> decoded(const std::vector<std::byte>& data, std::size_t count) {
  const std::vector<std::byte> held(data.begin(), data.end());  // of just this size
  std::vector<T> out(count);
  byte_offset::decode<T>(held, out);
  return out;
}

template <class T>
bool round_trip(const std::vector<T>& values) {
  return decoded<T>(byte_offset::encode<T>(values), values.size()) == values;
}

}  // namespace

TEST_CASE("differences that others get wrong") {
  constexpr std::int32_t low = std::numeric_limits<std::int32_t>::min(),
                         high = std::numeric_limits<std::int32_t>::max();
  CHECK(round_trip<std::int32_t>({0, low, 0, 9}));
  CHECK(round_trip<std::int32_t>({high, low, high, -1, 0, 127, -1, 128, -128}));
  CHECK(round_trip<std::int64_t>(
      {0, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}));
  CHECK(byte_offset::encode<std::int32_t>(std::vector<std::int32_t>{low}).size() == 15);
}

TEST_CASE("runs of every length, escapes at every place") {
  for (std::size_t at = 0; at < 100; ++at) {
    std::vector<std::int32_t> values(100, 3);
    values[at] = 70'000;
    if (at > 40) values[at - 37] = -128;
    CHECK(round_trip(values));
  }
}

TEST_CASE("random values of every width and type") {
  std::mt19937_64 random(3);
  for (int shift = 0; shift < 64; shift += 5) {
    std::vector<std::int8_t> a;
    std::vector<std::uint16_t> b;
    std::vector<std::int32_t> c;
    std::vector<std::uint64_t> d;
    for (int i = 0; i < 333; ++i) {
      const std::uint64_t bits = random() >> shift;
      a.push_back(static_cast<std::int8_t>(bits));
      b.push_back(static_cast<std::uint16_t>(bits));
      c.push_back(static_cast<std::int32_t>(bits));
      d.push_back(bits);
    }
    CHECK(round_trip(a));
    CHECK(round_trip(b));
    CHECK(round_trip(c));
    CHECK(round_trip(d));
  }
}

TEST_CASE("every truncation is refused") {
  std::vector<std::int32_t> values(80, 1);
  for (std::size_t i = 0; i < values.size(); i += 7) values[i] = static_cast<std::int32_t>(1u << (i % 31));
  const auto data = byte_offset::encode<std::int32_t>(values);
  for (std::size_t cut = 0; cut < data.size(); ++cut)
    CHECK(refuses(Fault::truncated, [&] {
      decoded<std::int32_t>({data.begin(), data.begin() + static_cast<long>(cut)}, values.size());
    }));
}
