// Protects: streams of runs hold the bytes that were meant, are as RFC 1950 and 1951 have them, and do not grow where
// nothing repeats. tests/laue/test_masks.py has zlib read them.
#include "braggio/deflate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "inflate.hpp"

using namespace braggio;
using braggio::testing::inflate;

namespace {

std::uint32_t adler32(const std::vector<std::uint8_t>& bytes) {
  std::uint32_t a = 1, b = 0;
  for (const std::uint8_t byte : bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

}  // namespace

TEST_CASE("Adler-32 of runs is that of their bytes") {
  std::mt19937 random(0);
  Adler32 sum;
  std::vector<std::uint8_t> bytes;
  for (int run = 0; run < 9000; ++run) {
    const std::array<std::uint8_t, 4> item{static_cast<std::uint8_t>(random()), 255,
                                           static_cast<std::uint8_t>(random()), 255};
    const std::uint64_t count = run % 1000 == 0 ? 9001 : random() % 4;
    sum.repeat(item, count);
    for (std::uint64_t i = 0; i < count; ++i) bytes.insert(bytes.end(), item.begin(), item.end());
  }
  CHECK(sum.value() == adler32(bytes));
}

TEST_CASE("runs of every length, of bytes and of items") {
  RunDeflater deflater;
  for (std::uint64_t count = 0; count < 1100; ++count) {
    deflater.begin();
    deflater.repeat(std::uint8_t{0}, count);
    deflater.repeat(std::array<std::uint8_t, 4>{1, 2, 0, 0}, count % 300);
    deflater.repeat(std::uint8_t{0}, 2);
    deflater.repeat(std::uint8_t{7}, 1);
    std::vector<std::uint8_t> bytes(count, 0);
    for (std::uint64_t i = 0; i < count % 300; ++i) bytes.insert(bytes.end(), {1, 2, 0, 0});
    bytes.insert(bytes.end(), {0, 0, 7});
    REQUIRE(inflate(deflater.finish()) == bytes);
  }
}

TEST_CASE("nothing at all") {
  RunDeflater deflater;
  deflater.begin();
  CHECK(inflate(deflater.finish()).empty());
}

TEST_CASE("codes are complete and within their limit, whatever occurs how often") {
  std::array<std::uint32_t, 286> counts{};
  std::uint64_t a = 1, b = 1;
  for (std::size_t i = 0; i < 40; ++i) {  // Fibonacci: the deepest trees
    counts[7 * i] = static_cast<std::uint32_t>(a);
    b = std::exchange(a, std::min<std::uint64_t>(a + b, 1u << 31));
  }
  for (const unsigned limit : {15u, 9u}) {
    const auto lengths = deflate::code_lengths(counts, limit);
    double kraft = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      CHECK((lengths[i] != 0) == (counts[i] != 0));
      CHECK(lengths[i] <= limit);
      if (lengths[i] != 0) kraft += std::ldexp(1.0, -lengths[i]);
    }
    CHECK(kraft == 1.0);
  }
}

TEST_CASE("planes of numbers, many blocks, and noise that cannot shrink") {
  std::mt19937 random(1);
  std::vector<std::uint8_t> numbers(800000);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<std::uint8_t>(i % 4 == 0 ? random() : i % 4 == 1 ? random() % 50 == 0 : 3);
  RunDeflater deflater;
  deflater.begin();
  std::vector<std::uint8_t> shuffled;
  for (std::size_t plane = 0; plane < 4; ++plane) {
    deflater.plane(numbers.data() + plane, numbers.size() / 4, 4);
    for (std::size_t i = plane; i < numbers.size(); i += 4) shuffled.push_back(numbers[i]);
  }
  const auto stream = deflater.finish();
  CHECK(inflate(stream) == shuffled);
  CHECK(stream.size() < 230000);

  deflater.begin();
  deflater.plane(numbers.data(), numbers.size() / 4, 4);
  CHECK(deflater.finish().size() < 200000 + 7 * 200);
}
