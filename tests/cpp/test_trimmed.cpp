// Protects: statistics are those of sorting each pixel with wide integers, for every type, level, number of threads and
// spread of the values that are kept.
#include "braggio/trimmed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "levels.hpp"

using namespace braggio;
using braggio::testing::levels;

namespace {

template <class T>
struct Sums {
  explicit Sums(std::size_t pixels) : avg(pixels), spread(pixels), iqr(pixels), max(pixels), arg(pixels) {}
  PixelSums<T> out() { return {avg.data(), spread.data(), iqr.data(), max.data(), arg.data()}; }
  std::vector<double> avg, spread, iqr;
  std::vector<T> max;
  std::vector<std::int32_t> arg;
};

bool close(double one, double other, double scale) { return std::abs(one - other) <= 1e-12 * std::abs(scale); }

template <class T>
void check(const std::vector<T>& values, std::size_t frames, std::size_t removed) {
  const std::size_t pixels = values.size() / frames, kept = frames - removed;
  const FrameStack<T> stack{values.data(), frames, pixels, removed};
  for (const Level level : levels())
    for (const std::size_t threads : {std::size_t{1}, std::size_t{3}}) {
      Sums<T> found(pixels);
      trimmed(stack, found.out(), threads, level);
      for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        std::vector<T> column(frames);
        for (std::size_t t = 0; t < frames; ++t) column[t] = values[t * pixels + pixel];
        const auto most = std::max_element(column.begin(), column.end());
        REQUIRE(found.max[pixel] == *most);
        REQUIRE(found.arg[pixel] == most - column.begin());
        std::sort(column.begin(), column.end());
        long double sum = 0, squares = 0;
        const auto low = static_cast<long double>(column[0]);
        for (std::size_t t = 0; t < kept; ++t) {
          const long double above = static_cast<long double>(column[t]) - low;
          sum += above;
          squares += above * above;
        }
        const auto count = static_cast<long double>(kept);
        const auto spread = static_cast<double>(count * squares - sum * sum);
        const auto quartile = [&](double q) {
          const double rank = q * static_cast<double>(kept - 1);
          const auto at = static_cast<std::size_t>(rank);
          const auto one = static_cast<double>(column[at]),
                     other = static_cast<double>(column[std::min(at + 1, kept - 1)]);
          return one + (other - one) * (rank - static_cast<double>(at));
        };
        const auto mean = static_cast<double>(low + sum / count),
                   width = static_cast<double>(column[kept - 1]) - static_cast<double>(low);
        REQUIRE(close(found.avg[pixel], mean, std::abs(static_cast<double>(low)) + width));
        REQUIRE(close(found.spread[pixel], spread, static_cast<double>(count * squares)));
        REQUIRE(close(found.iqr[pixel], quartile(0.75) - quartile(0.25), std::abs(static_cast<double>(low)) + width));
      }
    }
}

template <class T>
std::vector<T> noise(std::size_t frames, std::size_t pixels, double mean, double width) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(mean, width);
  std::vector<T> values(frames * pixels);
  for (T& value : values) value = static_cast<T>(std::clamp(normal(random), 0.0, 120.0 + mean));
  // Hot pixels, if not as hot as the greatest float64: its square is beyond float64.
  constexpr T hot = std::is_same_v<T, double> ? static_cast<T>(1000) : std::numeric_limits<T>::max();
  for (std::size_t i = 0; i < values.size(); i += 37) values[i] = hot;
  for (std::size_t i = 0; i < values.size(); i += pixels) values[i] = static_cast<T>(3);  // a constant one
  return values;
}

}  // namespace

TEST_CASE_TEMPLATE("every type, narrow and wide", T, std::uint8_t, std::int8_t, std::uint16_t, std::int16_t,
                   std::uint32_t, std::int32_t, float, double) {
  for (const std::size_t frames : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{40}})
    for (const std::size_t pixels : {std::size_t{64}, std::size_t{65}, std::size_t{700}})
      for (const std::size_t removed : {std::size_t{0}, frames / 4, frames - 1}) {
        check(noise<T>(frames, pixels, 4, 5), frames, removed);
        std::mt19937_64 random(7);
        std::vector<T> wide(frames * pixels);
        for (T& value : wide) {
          if constexpr (std::is_floating_point_v<T>)
            value = static_cast<T>(static_cast<double>(random() % 2000001) * 1e-3 - 1000.0);
          else
            value = static_cast<T>(random());
        }
        check(wide, frames, removed);
      }
}

TEST_CASE("as many frames as a key can count, and more") {
  for (const std::size_t frames : {std::size_t{255}, std::size_t{256}, std::size_t{700}})
    check(noise<std::uint16_t>(frames, 130, 300, 17), frames, frames / 4);
  check(noise<std::uint8_t>(65'600, 64, 100, 5), 65'600, 16'400);
}

TEST_CASE("many tiles on several threads") { check(noise<std::uint16_t>(20, 5000, 300, 17), 20, 5); }

TEST_CASE("zeros of either sign are equal") {
  std::vector<float> values(4 * 64, 0.0f);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = -0.0f;
  check(values, 4, 1);
}
