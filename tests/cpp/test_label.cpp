// Protects: components are those of a flood fill, numbered in raster order of their first pixels, and every statistic
// is that of a loop over the label image.
#include "braggio/label.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

using namespace braggio;

namespace {

struct Flood {
  std::vector<std::int32_t> labels;
  std::int32_t count = 0;
};

Flood flood(const std::vector<std::uint8_t>& mask, long height, long width, bool corners) {
  Flood found{std::vector<std::int32_t>(mask.size(), 0)};
  for (std::size_t start = 0; start < mask.size(); ++start) {
    if (mask[start] == 0 || found.labels[start] != 0) continue;
    found.labels[start] = ++found.count;
    std::vector<long> stack{static_cast<long>(start)};
    while (!stack.empty()) {
      const long y = stack.back() / width, x = stack.back() % width;
      stack.pop_back();
      for (long dy = -1; dy <= 1; ++dy)
        for (long dx = -1; dx <= 1; ++dx) {
          const long v = y + dy, u = x + dx;
          if ((!corners && dy != 0 && dx != 0) || v < 0 || v >= height || u < 0 || u >= width) continue;
          const auto i = static_cast<std::size_t>(v * width + u);
          if (mask[i] == 0 || found.labels[i] != 0) continue;
          found.labels[i] = found.count;
          stack.push_back(static_cast<long>(i));
        }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("labels and statistics equal a flood fill") {
  std::mt19937 random(11);
  Components components;  // one object for all: nothing of an earlier mask may shine through
  for (const long width : {1L, 3L, 64L, 65L, 130L})
    for (const long height : {1L, 2L, 23L})
      for (const double density : {0.02, 0.3, 0.6, 1.0})
        for (const bool corners : {false, true}) {
          const auto size = static_cast<std::size_t>(height * width);
          std::bernoulli_distribution set(density);
          std::vector<std::uint8_t> bytes(size);
          std::vector<std::uint16_t> image(size);
          for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = set(random) ? 1 : 0;
            image[i] = static_cast<std::uint16_t>(random() % 9);
          }
          BitMask mask(static_cast<std::size_t>(height), static_cast<std::size_t>(width));
          pack(bytes.data(), mask, Level::baseline);
          const Flood expected = flood(bytes, height, width, corners);
          const std::size_t count = components.label(mask, corners ? Structure::square : Structure::cross);
          REQUIRE(count == static_cast<std::size_t>(expected.count));
          std::vector<std::int32_t> labels(size, 77);
          components.fill(labels.data(), false);
          REQUIRE(labels == expected.labels);
          const std::vector<double> background(size, 0.5);
          const std::uint16_t full = 8;
          const Reference<std::uint16_t> reference{background.data(), nullptr, &full};
          const std::vector<Spot<std::uint16_t>> spots = components.measure(image.data(), reference);
          const std::vector<Box> boxes = components.boxes();
          const std::vector<std::int64_t> sizes = components.pixels();
          std::vector<std::int32_t> list(static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), 1)));
          components.list_pixels(sizes, list.data());
          std::size_t at = 0;
          for (std::size_t spot = 0; spot < count; ++spot) {
            std::int64_t sum = 0, saturated = 0, best = -1, pixels = 0;
            for (std::size_t i = 0; i < size; ++i) {
              if (labels[i] != static_cast<std::int32_t>(spot) + 1) continue;
              REQUIRE(list[at++] == static_cast<std::int32_t>(i));
              ++pixels;
              sum += image[i];
              saturated += image[i] >= full;
              if (best < 0 || image[i] > image[static_cast<std::size_t>(best)]) best = static_cast<std::int64_t>(i);
              const auto y = static_cast<std::int32_t>(i / static_cast<std::size_t>(width));
              const auto x = static_cast<std::int32_t>(i % static_cast<std::size_t>(width));
              REQUIRE((y >= boxes[spot].row_begin && y < boxes[spot].row_end && x >= boxes[spot].column_begin &&
                       x < boxes[spot].column_end));
            }
            REQUIRE(spots[spot].pixels == pixels);
            REQUIRE(sizes[spot] == pixels);
            REQUIRE(spots[spot].sum == sum);
            REQUIRE(spots[spot].saturated == saturated);
            REQUIRE(spots[spot].argmax == best);
            REQUIRE(spots[spot].background == doctest::Approx(0.5 * static_cast<double>(pixels)));
          }
        }
}

TEST_CASE("small components are dropped and the others numbered without gaps") {
  const std::vector<std::uint8_t> bytes{1, 0, 1, 1, 0, 1};
  BitMask mask(1, 6);
  pack(bytes.data(), mask, Level::baseline);
  Components components;
  CHECK(components.label(mask, Structure::cross, 2) == 1);
  std::vector<std::int32_t> labels(6);
  components.fill(labels.data(), true);
  CHECK(labels == std::vector<std::int32_t>{0, 0, 1, 1, 0, 0});
}

TEST_CASE("a mask of nothing has no components") {
  Components components;
  CHECK(components.label(BitMask(0, 0), Structure::square) == 0);
  CHECK(components.label(BitMask(5, 5), Structure::square) == 0);
  CHECK(components.boxes().empty());
}
