// Protects: the statistics of a frame are those of a naive loop, to the last bit for integers, whatever the instruction
// level and however the frame is cut into blocks; and the first pixel that is not a number is found.
#include "braggio/stats.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "levels.hpp"
#include "random_pixels.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

constexpr double fractions[] = {0.0, 1e-4, 0.01, 0.1, 0.37, 0.5};

template <class T>
FrameStats<T> stats_of(const std::vector<T>& pixels, std::size_t block, double fraction, Level level) {
  FrameStats<T> stats(pixels.size(), Depth::moments, fraction, level);
  for (std::size_t start = 0; start < pixels.size(); start += block)
    stats.add(std::span(pixels).subspan(start, std::min(block, pixels.size() - start)));
  return stats;
}

template <class T>
T quantile_by_sorting(std::vector<T> pixels, double fraction) {
  std::sort(pixels.begin(), pixels.end());
  return pixels[static_cast<std::size_t>(fraction * static_cast<double>(pixels.size() - 1))];
}

template <class T>
struct Sums {
  __extension__ using Wide = unsigned __int128;
  std::int64_t sum = 0;
  Wide squares = 0;

  explicit Sums(const std::vector<T>& pixels) {
    for (const T pixel : pixels) {
      const auto value = static_cast<std::int64_t>(pixel);
      sum += value;
      const auto size = static_cast<Wide>(value < 0 ? -value : value);
      squares += size * size;
    }
  }
};

template <class T>
void check_integers(const std::vector<T>& pixels, std::size_t block) {
  const auto [least, most] = std::minmax_element(pixels.begin(), pixels.end());
  const Sums<T> sums(pixels);
  for (const double fraction : fractions) {
    const T low = quantile_by_sorting(pixels, fraction);
    for (const Level level : levels()) {
      FrameStats<T> stats = stats_of(pixels, block, fraction, level);
      INFO(name(level), ": ", pixels.size(), " pixels in blocks of ", block, ", fraction ", fraction);
      REQUIRE(stats.count == pixels.size());
      REQUIRE(stats.min == *least);
      REQUIRE(stats.max == *most);
      REQUIRE(stats.sum == sums.sum);
      REQUIRE(stats.squares.low == static_cast<std::uint64_t>(sums.squares));
      REQUIRE(stats.squares.high == static_cast<std::uint64_t>(sums.squares >> 64));
      REQUIRE(!stats.not_finite);
      REQUIRE(stats.low_quantile() == low);
    }
  }
}

template <class T>
void check_floats(const std::vector<T>& pixels, std::size_t block) {
  const auto [least, most] = std::minmax_element(pixels.begin(), pixels.end());
  long double sum = 0, squares = 0, magnitude = 0;
  for (const T pixel : pixels) {
    const long double shifted = static_cast<long double>(pixel) - static_cast<long double>(pixels[0]);
    sum += shifted;
    magnitude += std::fabs(shifted);
    squares += shifted * shifted;
  }
  const FrameStats<T> baseline = stats_of(pixels, block, 0.0, Level::baseline);
  REQUIRE(baseline.pivot == static_cast<double>(pixels[0]));
  REQUIRE(std::fabs(static_cast<long double>(baseline.sum) - sum) <= 1e-12L * magnitude);
  REQUIRE(std::fabs(static_cast<long double>(baseline.float_squares) - squares) <= 1e-12L * squares);
  for (const double fraction : fractions) {
    const T low = quantile_by_sorting(pixels, fraction);
    for (const Level level : levels()) {
      FrameStats<T> stats = stats_of(pixels, block, fraction, level);
      INFO(name(level), ": ", pixels.size(), " pixels in blocks of ", block, ", fraction ", fraction);
      REQUIRE(stats.min == *least);
      REQUIRE(stats.max == *most);
      REQUIRE(stats.low_quantile() == low);
      REQUIRE(!stats.not_finite);
      REQUIRE(std::bit_cast<std::uint64_t>(stats.sum) == std::bit_cast<std::uint64_t>(baseline.sum));
      REQUIRE(std::bit_cast<std::uint64_t>(stats.float_squares) ==
              std::bit_cast<std::uint64_t>(baseline.float_squares));
    }
  }
}

template <class T>
void check(const std::vector<T>& pixels, std::size_t block) {
  if constexpr (std::is_floating_point_v<T>)
    check_floats(pixels, block);
  else
    check_integers(pixels, block);
}

// Squares of the largest doubles leave double; nothing that a detector gives comes near.
template <class T>
std::vector<T> pixels_with_sums(std::size_t count, std::uint64_t seed) {
  auto pixels = random_pixels<T>(count, seed);
  if constexpr (std::is_same_v<T, double>)
    for (T& pixel : pixels) pixel = std::clamp(pixel, -1e100, 1e100);
  return pixels;
}

}  // namespace

#define INTEGERS std::uint8_t, std::uint16_t, std::uint32_t, std::int8_t, std::int16_t, std::int32_t
#define PIXELS INTEGERS, float, double

TEST_CASE_TEMPLATE("every small size", T, PIXELS) {
  for (std::size_t size = 1; size <= 300; ++size) check(pixels_with_sums<T>(size, size), size);
}

TEST_CASE_TEMPLATE("sizes about the chunks, in blocks of any size", T, PIXELS) {
  for (const std::size_t size : {stats_chunk - 1, stats_chunk, stats_chunk + 1, 2 * stats_chunk, 5 * stats_chunk + 17})
    for (const std::size_t block : {std::size_t{100}, stats_chunk, stats_chunk + 1, size})
      check(pixels_with_sums<T>(size, size), block);
}

TEST_CASE_TEMPLATE("sorted, reversed, equal and tied values", T, PIXELS) {
  auto pixels = pixels_with_sums<T>(3 * stats_chunk + 5, 7);
  std::sort(pixels.begin(), pixels.end());
  check(pixels, 1000);
  std::reverse(pixels.begin(), pixels.end());
  check(pixels, 1000);
  for (T& pixel : pixels) pixel = static_cast<T>(&pixel - pixels.data() < 4000 ? 3 : (&pixel - pixels.data()) % 4);
  check(pixels, 1000);
  std::fill(pixels.begin(), pixels.end(), std::numeric_limits<T>::is_signed ? static_cast<T>(-5) : T{5});
  check(pixels, 1000);
}

TEST_CASE_TEMPLATE("frames of extremes alone, whose squares leave 64 bits", T, std::int32_t, std::uint32_t) {
  for (const T value : {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()})
    check(std::vector<T>(5 * stats_chunk, value), stats_chunk);
}

TEST_CASE("squares at the bounds between the small, the narrow and the wide sum") {
  for (const std::int32_t bound : {1 << 15, 1 << 26})
    for (const std::int32_t value : {bound - 1, bound, bound + 1, 1 - bound, -bound, -bound - 1})
      check(std::vector<std::int32_t>(2 * stats_chunk, value), stats_chunk);
}

TEST_CASE_TEMPLATE("the ends of the types of 16 bits", T, std::int16_t, std::uint16_t) {
  for (const T value : {std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), T{32767}})
    check(std::vector<T>(2 * stats_chunk + 9, value), stats_chunk);
}

TEST_CASE("a wide sum carries") {
  WideSum sum;
  sum.add(std::numeric_limits<std::uint64_t>::max());
  sum.add(2);
  CHECK(sum.high == 1);
  CHECK(sum.low == 1);
}

TEST_CASE_TEMPLATE("the first pixel that is not a number is found wherever it stands", T, float, double) {
  constexpr std::size_t size = 3 * stats_chunk + 100;
  std::vector<std::size_t> places{0, 1, 63, 64, 65, size - 1};
  for (std::size_t edge = stats_chunk; edge < size; edge += stats_chunk)
    places.insert(places.end(), {edge - 1, edge, edge + 1});
  for (const T bad :
       {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()}) {
    for (const std::size_t place : places) {
      auto pixels = random_pixels<T>(size, place);
      pixels[place] = bad;
      if (place + 5 < size) pixels[place + 5] = bad;
      for (const Level level : levels())
        for (const std::size_t block : {std::size_t{777}, size}) {
          const FrameStats<T> stats = stats_of(pixels, block, 0.1, level);
          REQUIRE(stats.not_finite == place);
          REQUIRE(stats.count == size);
        }
    }
  }
}

TEST_CASE_TEMPLATE("the largest finite numbers are numbers", T, float, double) {
  const std::vector<T> pixels{std::numeric_limits<T>::max(), std::numeric_limits<T>::lowest(),
                              std::numeric_limits<T>::denorm_min(), T(-0.0)};
  for (const Level level : levels()) {
    FrameStats<T> stats(pixels.size(), Depth::extremes, 0.0, level);
    stats.add(pixels);
    CHECK(!stats.not_finite);
    CHECK(stats.min == pixels[1]);
    CHECK(stats.max == pixels[0]);
  }
}

TEST_CASE("the variance of a small signal on a high background is kept") {
  std::vector<float> pixels;
  for (int i = 0; i < 10000; ++i) pixels.push_back(1e7f + static_cast<float>(i % 2));
  const FrameStats<float> stats = stats_of(pixels, pixels.size(), 0.0, best_level());
  const double n = static_cast<double>(pixels.size()), mean = stats.sum / n;
  CHECK(stats.float_squares / n - mean * mean == 0.25);
  CHECK(stats.pivot + mean == 1e7 + 0.5);
}

TEST_CASE("without moments only the sums are left out") {
  const auto pixels = random_pixels<std::int32_t>(5000, 9);
  FrameStats<std::int32_t> stats(pixels.size(), Depth::extremes, 0.01, best_level());
  stats.add(pixels);
  CHECK(stats.min == *std::min_element(pixels.begin(), pixels.end()));
  CHECK(stats.low_quantile() == quantile_by_sorting(pixels, 0.01));
  CHECK(stats.sum == 0);
}

TEST_CASE_TEMPLATE("a threshold from the first block, for ranks about its number of lanes", T, std::int32_t, float) {
  constexpr std::size_t chunks = 4, size = 10 * stats_chunk + 100;
  std::vector<T> rising(size);
  std::iota(rising.begin(), rising.end(), T{-100});
  auto equal = rising;
  for (std::size_t i = 0; i < size; i += stats_chunk) equal[i] = rising[0];  // each chunk begins with the least of all
  auto falling = rising;
  std::reverse(falling.begin(), falling.end());
  for (const auto& pixels : {rising, equal, falling})
    for (const std::size_t rank : {std::size_t{0}, std::size_t{1}, stats_lanes, chunks * stats_lanes - 1,
                                   chunks * stats_lanes, chunks * stats_lanes + 1}) {
      const double fraction = (static_cast<double>(rank) + 0.5) / static_cast<double>(size - 1);
      FrameStats<T> stats(size, Depth::extremes, fraction, best_level());
      for (std::size_t start = 0; start < size; start += chunks * stats_chunk)
        stats.add(std::span(pixels).subspan(start, std::min(chunks * stats_chunk, size - start)));
      REQUIRE(stats.low_quantile() == quantile_by_sorting(pixels, fraction));
    }
}
