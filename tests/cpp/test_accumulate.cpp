// Protects: sums are exact and the same for every order, batch, shard, thread count and instruction level.
#include "braggio/accumulate.hpp"

#include <doctest/doctest.h>

#include <random>

#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

bool same(const Accumulator& a, const Accumulator& b) {
  return a.count() == b.count() && a.state().best == b.state().best && a.state().index == b.state().index &&
         a.state().sum_high == b.state().sum_high && a.state().sum_low == b.state().sum_low &&
         a.state().square_high == b.state().square_high && a.state().square_low == b.state().square_low &&
         a.histogram().counts == b.histogram().counts;
}

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float& value : values)
    value = std::ldexp(static_cast<float>(static_cast<int>(generator() % 2001) - 1000),
                       -static_cast<int>(generator() % 30));
  return values;
}

Accumulator fresh(std::size_t height, std::size_t width) { return {height, width, Histogram(16, -2.0, 2.0)}; }

}  // namespace

TEST_CASE("any batches, levels and threads give the same bits") {
  for (const std::size_t width : {1u, 7u, 8u, 9u, 33u}) {
    const std::size_t pixels = 3 * width, count = 20;
    const auto values = noise(pixels * count, static_cast<unsigned>(width));
    std::vector<std::int64_t> indices(count);
    std::iota(indices.begin(), indices.end(), 100);
    Accumulator whole = fresh(3, width);
    whole.update(values.data(), indices, 1, Level::baseline);
    for (const Level level : levels())
      for (const std::size_t batch : {1u, 3u, 19u}) {
        Accumulator first = fresh(3, width), second = fresh(3, width);
        for (std::size_t at = 0; at < count; at += batch) {
          const std::size_t size = std::min(batch, count - at);
          const std::span<const std::int64_t> part(indices.data() + at, size);
          (at / batch % 2 != 0 ? first : second).update(values.data() + at * pixels, part, 2, level);
        }
        first.merge(second);
        REQUIRE(same(first, whole));
      }
  }
}

TEST_CASE("the best value and the sums of one pixel") {
  Accumulator accumulator = fresh(1, 1);
  const float values[] = {1.5f, -2.0f, 3.0f, 3.0f};
  const std::int64_t indices[] = {4, 3, 9, 7};
  accumulator.update(values, indices, 1, Level::baseline);
  CHECK(accumulator.state().best[0] == 3.0f);
  CHECK(accumulator.state().index[0] == 7);
  CHECK(ExactSum{accumulator.state().sum_high[0], accumulator.state().sum_low[0]}.value(sum_exponent) == 5.5);
  CHECK(ExactSum{accumulator.state().square_high[0], accumulator.state().square_low[0]}.value(square_exponent) ==
        24.25);
  float mean = 0, deviation = 0, scaled = 0;
  accumulator.finish({&mean, &deviation, &scaled}, 1);
  CHECK(mean == 1.375f);
  CHECK(deviation == static_cast<float>(std::sqrt(24.25 / 4 - 1.375 * 1.375)));
}

TEST_CASE("the largest values that are allowed, as many as there can be") {
  Accumulator accumulator = fresh(1, 9);
  const std::vector<float> values(9 * max_update, -max_correlation);
  std::vector<std::int64_t> indices(max_update, 5);
  accumulator.update(values.data(), indices, 1, chosen_level());
  const ExactSum sum{accumulator.state().sum_high[8], accumulator.state().sum_low[8]};
  CHECK(sum.value(sum_exponent) == -131072.0 * max_update);
  CHECK(refuses(Fault::limit, [&] { accumulator.update(values.data(), indices, 1, Level::baseline); }));
  CHECK(accumulator.count() == static_cast<std::int64_t>(max_update));
}

TEST_CASE("values that are no numbers are refused before anything changes") {
  for (const Level level : levels())
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e6f}) {
      std::vector<float> values(2 * 21, 1.0f);
      values[21 + 20] = bad;
      Accumulator accumulator = fresh(3, 7);
      const std::int64_t indices[] = {0, 1};
      const auto error = refusal([&] { accumulator.update(values.data(), indices, 1, level); });
      REQUIRE(error);
      CHECK(error->field == "correlogram 1");
      CHECK(same(accumulator, fresh(3, 7)));
    }
}

TEST_CASE("a state from outside must be one that correlograms make") {
  Accumulator accumulator = fresh(1, 2);
  CHECK_NOTHROW(accumulator.restore(0));
  CHECK(refuses(Fault::format, [&] { accumulator.restore(1); }));
  accumulator.state().best = {1, 1, 0, 0, 0, 0, 0, 0};
  accumulator.state().index = {0, 0, 0, 0, 0, 0, 0, 0};
  accumulator.state().square_high[0] = accumulator.state().square_high[1] = 1 << 16;
  CHECK_NOTHROW(accumulator.restore(1));
  for (const std::int64_t sum : {std::int64_t{1} << 22, std::numeric_limits<std::int64_t>::min()}) {
    accumulator.state().sum_high[1] = sum;
    CHECK(refuses(Fault::format, [&] { accumulator.restore(1); }));
  }
  accumulator.state().sum_high[1] = 0;
  accumulator.state().sum_low[0] = std::int64_t{1} << 50;
  CHECK(refuses(Fault::format, [&] { accumulator.restore(1); }));
}

TEST_CASE("merging refuses what does not belong together") {
  Accumulator accumulator = fresh(2, 3);
  CHECK(refuses(Fault::format, [&] { accumulator.merge(fresh(3, 2)); }));
  CHECK(refuses(Fault::format, [&] { accumulator.merge(Accumulator(2, 3, Histogram(16, -2.0, 3.0))); }));
}
