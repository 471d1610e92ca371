// Flex buffers: the codings written by hand, every value back, and no byte beyond the buffer.
#include "braggio/flex.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

// A copy of just this size, so that a sanitizer sees a read of one byte too many.
template <class T>
std::vector<T> decoded(const std::vector<std::byte>& held, unsigned components = 1) {
  const std::vector<std::byte> buffer(held.begin(), held.end());
  std::size_t at = 0;
  std::vector<T> out(flex::take_count(buffer, at, components) * components);
  flex::decode_numbers<T>(buffer, at, out);
  return out;
}

template <class T>
bool round_trip(const std::vector<T>& values) {
  return decoded<T>(flex::encode_numbers<T>(values, 1)) == values;
}

}  // namespace

TEST_CASE("integers by hand") {
  CHECK(decoded<std::int32_t>(bytes_of({2, 4, 0, 0x82, 1, 3, 0x2c, 1, 0x85, 0, 0, 0, 0x80})) ==
        std::vector<std::int32_t>{0, -1, 300, std::numeric_limits<std::int32_t>::min()});
  CHECK(flex::encode_numbers<std::int32_t>(std::vector<std::int32_t>{0, -1, 300}, 1) ==
        bytes_of({2, 3, 0, 0x82, 1, 3, 0x2c, 1}));
}

TEST_CASE("reals by hand") {
  CHECK(decoded<double>(
            bytes_of({2, 3, 2, 0x80, 2, 1, 2, 0xc0, 2, 2, 0x88, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xd0, 0x82, 3})) ==
        std::vector<double>{1, 3, -0.1});
}

TEST_CASE("every kind of value comes back, in runs of any length") {
  std::mt19937_64 random(1);
  for (int width = 0; width < 64; width += 3) {
    std::vector<std::int64_t> wide;
    std::vector<std::int32_t> narrow;
    std::vector<std::uint8_t> small;
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t bits = random() >> width;
      wide.push_back(static_cast<std::int64_t>(i % 3 == 0 ? 0 - bits : bits));
      narrow.push_back(static_cast<std::int32_t>(random() % 7 == 0 ? bits : bits % 300) * (i % 2 == 0 ? 1 : -1));
      small.push_back(static_cast<std::uint8_t>(bits));
    }
    CHECK(round_trip(wide));
    CHECK(round_trip(narrow));
    CHECK(round_trip(small));
  }
  std::vector<double> reals{0, 1, -1, 0.1, 1e308, -1e-308, 5e-324, std::numeric_limits<double>::max(), 255.5};
  std::normal_distribution<double> noise(0, 15);
  for (int i = 0; i < 3000; ++i) reals.push_back(noise(random));
  CHECK(round_trip(reals));
  std::vector<float> floats{0, 1.5F, -0.1F, std::numeric_limits<float>::denorm_min(),
                            std::numeric_limits<float>::max()};
  CHECK(round_trip(floats));
}

TEST_CASE("every truncation is refused") {
  std::mt19937_64 random(2);
  std::vector<std::int32_t> values;
  std::vector<double> reals;
  for (int i = 0; i < 60; ++i) {
    values.push_back(static_cast<std::int32_t>(random() >> (32 + random() % 32)));
    reals.push_back(static_cast<double>(random()) / 3);
  }
  const auto integers = flex::encode_numbers<std::int32_t>(values, 1);
  const auto doubles = flex::encode_numbers<double>(reals, 1);
  for (std::size_t cut = 0; cut < integers.size(); ++cut)
    CHECK(refusal([&] { decoded<std::int32_t>({integers.begin(), integers.begin() + static_cast<long>(cut)}); }));
  for (std::size_t cut = 0; cut < doubles.size(); ++cut)
    CHECK(refusal([&] { decoded<double>({doubles.begin(), doubles.begin() + static_cast<long>(cut)}); }));
}

TEST_CASE("forged items are refused") {
  CHECK(refuses(Fault::truncated, [] { decoded<std::int32_t>(bytes_of({5, 0xff, 0xff, 0xff, 0x7f, 0})); }));
  CHECK(refuses(Fault::format, [] { decoded<std::int32_t>(bytes_of({2, 1, 5, 0, 0, 0, 0x80})); }));
  CHECK(refuses(Fault::format, [] { decoded<std::uint32_t>(bytes_of({2, 1, 0x82, 1})); }));
  CHECK(refuses(Fault::format, [] { decoded<double>(bytes_of({2, 1, 2, 0x80, 3, 1, 5})); }));
  CHECK(refuses(Fault::format, [] { decoded<double>(bytes_of({2, 1, 0x0a, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1})); }));
  CHECK(refuses(Fault::limit, [] {
    flex::encode_numbers<double>(std::vector<double>{std::numeric_limits<double>::quiet_NaN()}, 1);
  }));
}
