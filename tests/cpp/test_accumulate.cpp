// Protects: sums are exact and the same for every order, batch, shard, thread count and instruction level.
#include "braggio/accumulate.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <random>
#include <utility>

#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

bool same(const AccumulatorState& a, const AccumulatorState& b) {
  return a.best == b.best && a.index == b.index && a.sum_high == b.sum_high && a.sum_low == b.sum_low &&
         a.square_high == b.square_high && a.square_low == b.square_low;
}

bool same(const Accumulator& a, const Accumulator& b) {
  return a.count() == b.count() && same(a.state(), b.state()) && a.histogram().counts == b.histogram().counts;
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
  CHECK(accumulator.state().sum(0).value(value_grid) == 5.5);
  CHECK(accumulator.state().square(0).value(square_grid) == 24.25);
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
  CHECK(accumulator.state().sum(8).value(value_grid) == -131072.0 * max_update);
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

TEST_CASE("values that are looked at on the way give the same, or change nothing") {
  const std::size_t pixels = 3 * accumulate_tile + 5;
  for (const Level level : levels())
    for (const std::size_t count : {3u, 20u, 37u})
      for (const std::size_t parts : {1u, 2u, 3u}) {
        auto values = noise(pixels * count, static_cast<unsigned>(count));
        std::vector<std::int64_t> indices(count);
        std::iota(indices.begin(), indices.end(), 5);
        AccumulatorState before((pixels + 7) / 8 * 8);
        CorrelogramBatch(noise(pixels * count, 1).data(), pixels, indices, 1, Level::baseline).add(before);
        AccumulatorState expected = before, found = before;
        CorrelogramBatch(values.data(), pixels, indices, 1, Level::baseline).add(expected);
        CorrelogramBatch::Result result;
        const CorrelogramBatch batch(values.data(), pixels, indices, parts, level);
        REQUIRE(batch.try_add(found, pixels, result));
        CHECK(same(found, expected));
        CHECK(result.largest == batch.largest());
        CHECK(result.changed > 0);
        found = before;
        REQUIRE(!batch.try_add(found, 3, result));  // more changes than that
        CHECK(same(found, before));
        for (const std::size_t pixel : {0u, 7u, 300u, 511u, 512u, 767u, 768u, 772u})
          for (const std::size_t correlogram : {std::size_t{0}, count / 2, count - 1}) {
            float& value = values[correlogram * pixels + pixel];
            const float good = std::exchange(value, std::numeric_limits<float>::quiet_NaN());
            found = before;
            REQUIRE(!batch.try_add(found, pixels, result));
            REQUIRE(same(found, before));
            value = good;
          }
      }
}

TEST_CASE("values near to one another add up as others do") {
  // The smallest and the largest of a pixel decide by which way its values are added: both must give the same.
  std::mt19937 generator(3);
  for (int i = 0; i < 20000; ++i) {
    const int least = static_cast<int>(generator() % 60) - 52, width = 22 + static_cast<int>(generator() % 6);
    const std::size_t count = 1 + generator() % 16;
    std::vector<float> values(8 * count);
    for (float& value : values) {
      const float digits = 1.0f + static_cast<float>(generator() % (1u << 23)) * 0x1p-23f;
      const int exponent = std::min(least + (generator() % 2 != 0 ? width : 0), 16);
      value = std::ldexp(generator() % 2 != 0 ? digits : -digits, exponent);
    }
    std::vector<std::int64_t> indices(count, 1);
    AccumulatorState state(8);
    CorrelogramBatch(values.data(), 8, indices, 1, chosen_level()).add(state);
    for (std::size_t pixel = 0; pixel < 8; ++pixel) {
      ExactSum sum;
      for (std::size_t k = 0; k < count; ++k) {
        const auto value = static_cast<double>(values[8 * k + pixel]);
        const double high = std::nearbyint(value * 0x1p20);
        const double low = std::nearbyint((value - high * 0x1p-20) * 0x1p71);
        sum.add({static_cast<std::int64_t>(high), static_cast<std::int64_t>(low)});
      }
      REQUIRE(state.sum_high[pixel] == sum.high);
      REQUIRE(state.sum_low[pixel] == sum.low);
    }
  }
}

TEST_CASE("a search that has settled refuses as one that has not") {
  Accumulator accumulator = fresh(40, 50);
  std::vector<float> values(2 * 2000, 3.0f);
  const std::int64_t indices[] = {0, 1};
  accumulator.update(values.data(), indices, 1, chosen_level());
  std::fill(values.begin(), values.end(), 1.0f);
  for (int i = 0; i < 3; ++i) accumulator.update(values.data(), indices, 1, chosen_level());
  const Accumulator before = accumulator;
  values[2000 + 1234] = -1e6f;
  const auto error = refusal([&] { accumulator.update(values.data(), indices, 1, chosen_level()); });
  REQUIRE(error);
  CHECK(error->field == "correlogram 1");
  CHECK(error->found == "-1000000.000000 in row 24, column 34");
  CHECK(same(accumulator, before));
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
