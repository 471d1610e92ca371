// Protects: every pixel of every type, at every offset, length and instruction level, is what 64-bit arithmetic gives,
// the losses are counted right, and not a byte is written outside the target.
#include "braggio/clamp.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "clamp_pixel.hpp"
#include "levels.hpp"
#include "random_pixels.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

constexpr std::int64_t offsets[] = {0,
                                    1,
                                    -1,
                                    2000,
                                    -2000,
                                    70000,
                                    -70000,
                                    (1 << 30) - 1,
                                    1 << 30,
                                    -(1 << 30),
                                    std::int64_t{1} << 31,
                                    -(std::int64_t{1} << 31),
                                    std::int64_t{1} << 32,
                                    -(std::int64_t{1} << 32)};

// Clamps pixels[start..start + count) into a target that starts `start` words into guarded memory.
template <class T>
bool clamps_right(const std::vector<T>& pixels, std::size_t start, std::size_t count, std::int64_t offset,
                  Level level) {
  constexpr std::uint16_t guard = 0xbeef;
  std::vector<std::uint16_t> target(start + count + 8, guard);
  const ClampCounts counts = clamp(pixels.data() + start, target.data() + start, count, offset, level);
  std::vector<std::uint16_t> expected(target.size(), guard);
  ClampCounts expected_counts;
  for (std::size_t i = start; i < start + count; ++i) expected[i] = clamp_pixel(pixels[i], offset, expected_counts);
  return target == expected && same(counts, expected_counts);
}

template <class T>
void check(const std::vector<T>& pixels, std::size_t start, std::size_t count, std::int64_t offset) {
  for (const Level level : levels())
    REQUIRE_MESSAGE(clamps_right(pixels, start, count, offset, level),
                    name(level) << ": " << count << " pixels from " << start << ", offset " << offset);
}

// The nearest that T has to the sum `sum`, for offsets where it has any.
template <class T>
T pixel_of_sum(double sum, std::int64_t offset) {
  const double value = sum - static_cast<double>(offset);
  if (value <= static_cast<double>(std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
  if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(value);
}

}  // namespace

#define PIXELS std::uint8_t, std::uint16_t, std::uint32_t, std::int8_t, std::int16_t, std::int32_t, float, double

TEST_CASE_TEMPLATE("all lengths, starts and offsets", T, PIXELS) {
  const auto pixels = random_pixels<T>(320, 1);
  for (const std::int64_t offset : offsets)
    for (std::size_t count = 0; count <= 300; ++count) check(pixels, count % 8, count, offset);
}

TEST_CASE_TEMPLATE("lengths about the inner chunks", T, PIXELS) {
  const auto pixels = random_pixels<T>(70000, 2);
  for (const std::int64_t offset : {std::int64_t{0}, std::int64_t{-2000}, std::int64_t{1} << 31})
    for (const std::size_t size : {4096u, 8192u, 32768u, 65536u})
      for (const std::size_t count : {size - 1, size, size + 1}) check(pixels, 1, count, offset);
}

TEST_CASE_TEMPLATE("sums about both ends of the window", T, PIXELS) {
  for (const std::int64_t offset : offsets) {
    std::vector<T> pixels;
    for (const double end : {0.0, 32768.0, 65535.0})
      for (int step = -12; step <= 12; ++step) pixels.push_back(pixel_of_sum<T>(end + step * 0.25, offset));
    check(pixels, 0, pixels.size(), offset);
  }
}

TEST_CASE_TEMPLATE("one lost pixel anywhere in a chunk that loses nothing else", T, PIXELS) {
  for (const std::int64_t offset : {std::int64_t{0}, std::int64_t{2000}, std::int64_t{-100}}) {
    const T kept = pixel_of_sum<T>(100, offset);
    for (const T lost : {std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max()}) {
      std::vector<T> pixels(200, kept);
      for (std::size_t at = 0; at < pixels.size(); ++at) {
        pixels[at] = lost;
        check(pixels, 0, pixels.size(), offset);
        pixels[at] = kept;
      }
    }
  }
}

TEST_CASE("sums that come back into the window modulo 2^32 are lost all the same") {
  constexpr std::int64_t wrap = std::int64_t{1} << 32;
  for (const std::int64_t sum : {0, 1000, 65535}) {
    check(std::vector<std::int32_t>(100, std::numeric_limits<std::int32_t>::max()), 0, 100, wrap + sum - 0x7fffffff);
    check(std::vector<std::int32_t>(100, std::numeric_limits<std::int32_t>::min()), 0, 100, sum - wrap + 0x80000000);
    check(std::vector<std::uint32_t>(100, std::numeric_limits<std::uint32_t>::max()), 0, 100, wrap + sum - 0xffffffff);
  }
}

TEST_CASE("a 16-bit and an 8-bit type in full, at every offset that matters") {
  std::vector<std::int16_t> words;
  for (int value = -32768; value <= 32767; ++value) words.push_back(static_cast<std::int16_t>(value));
  for (std::int64_t offset = -100000; offset <= 140000; offset += 7919) check(words, 0, words.size(), offset);
  std::vector<std::uint8_t> bytes;
  for (int value = 0; value <= 255; ++value) bytes.push_back(static_cast<std::uint8_t>(value));
  for (std::int64_t offset = -300; offset <= 300; ++offset) check(bytes, 0, bytes.size(), offset);
  for (std::int64_t offset = 65200; offset <= 65600; ++offset) check(bytes, 0, bytes.size(), offset);
}

TEST_CASE_TEMPLATE("halves are rounded to even, and only kept pixels count as rounded", T, float, double) {
  const std::vector<T> pixels{T(0.5),     T(1.5),  T(2.5),   T(-0.5), T(-1.5), T(65534.5),
                              T(65535.5), T(0.49), T(-0.51), T(7),    T(-2.5), T(70000.5)};
  const std::vector<std::uint16_t> expected{0, 2, 2, 0, 0, 65534, 65535, 0, 0, 7, 0, 65535};
  for (const Level level : levels()) {
    std::vector<std::uint16_t> target(pixels.size());
    const ClampCounts counts = clamp(pixels.data(), target.data(), pixels.size(), 0, level);
    CHECK(target == expected);
    CHECK(counts.low == 3);      // -1.5 -> -2, -0.51 -> -1, -2.5 -> -2
    CHECK(counts.high == 2);     // 65535.5 -> 65536, 70000.5
    CHECK(counts.rounded == 6);  // 0.5 1.5 2.5 -0.5 65534.5 0.49
  }
}

TEST_CASE_TEMPLATE("huge and tiny floats", T, float, double) {
  using limits = std::numeric_limits<T>;
  std::vector<T> pixels{
      T(1e38), T(-1e38), limits::max(), limits::lowest(), limits::min(), limits::denorm_min(), -limits::denorm_min(),
      T(-0.0)};
  for (int power = 15; power < 64; ++power)
    for (const int delta : {-1, 0, 1})
      for (const int sign : {-1, 1}) pixels.push_back(static_cast<T>(sign * (std::ldexp(1.0, power) + delta * 0.5)));
  for (const std::int64_t offset : offsets) check(pixels, 0, pixels.size(), offset);
}

TEST_CASE_TEMPLATE("NaN counts as low at every level", T, float, double) {
  const std::vector<T> pixels(100, std::numeric_limits<T>::quiet_NaN());
  for (const Level level : levels()) {
    std::vector<std::uint16_t> target(pixels.size(), 1);
    CHECK(clamp(pixels.data(), target.data(), pixels.size(), 5, level).low == pixels.size());
    CHECK(target == std::vector<std::uint16_t>(pixels.size(), 0));
  }
}
