// Protects: parts of a component are where climbing to the highest neighbour leads, they keep every pixel, and their
// numbers run in raster order of their first pixels.
#include "braggio/split.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <set>
#include <vector>

using namespace braggio;

namespace {

constexpr std::size_t height = 24, width = 70;

std::vector<double> hills(const std::vector<std::pair<double, double>>& tops) {
  std::vector<double> heights(height * width, 0.0);
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x)
      for (const auto& [v, u] : tops)
        heights[y * width + x] += std::exp(-((static_cast<double>(y) - v) * (static_cast<double>(y) - v) +
                                             (static_cast<double>(x) - u) * (static_cast<double>(x) - u)) /
                                           8.0);
  return heights;
}

std::vector<std::int32_t> split_labels(const std::vector<std::uint8_t>& bytes, const std::vector<double>& heights,
                                       std::size_t& count) {
  BitMask mask(height, width);
  pack(bytes.data(), mask, Level::baseline);
  Components components;
  components.label(mask, Structure::square);
  count = split(components, heights.data(), 3);
  std::vector<std::int32_t> labels(height * width);
  components.fill(labels.data(), false);
  return labels;
}

}  // namespace

TEST_CASE("two hills of one component are two parts, ripples are none") {
  const std::vector<double> heights = hills({{12.0, 30.0}, {12.0, 40.0}, {12.0, 41.0}});
  std::vector<std::uint8_t> bytes(height * width);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = heights[i] > 0.01;
  std::size_t count = 0;
  const auto labels = split_labels(bytes, heights, count);
  CHECK(count == 2);
  CHECK(labels[12 * width + 30] != labels[12 * width + 40]);
  CHECK(labels[12 * width + 40] == labels[12 * width + 41]);
}

TEST_CASE("every pixel of any mask stays, in numbers without gaps and in raster order") {
  std::mt19937 random(3);
  for (int turn = 0; turn < 30; ++turn) {
    std::vector<std::uint8_t> bytes(height * width);
    std::vector<double> heights(bytes.size());
    std::bernoulli_distribution set(0.1 * (1 + turn % 9));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = set(random);
      heights[i] = static_cast<double>(random() % 4);  // many equal ones
    }
    std::size_t count = 0;
    const auto labels = split_labels(bytes, heights, count);
    std::int32_t last = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      REQUIRE((labels[i] != 0) == (bytes[i] != 0));
      REQUIRE(labels[i] <= last + 1);
      last = std::max(last, labels[i]);
    }
    REQUIRE(static_cast<std::size_t>(last) == count);
  }
}

TEST_CASE("an empty mask has no parts") {
  std::size_t count = 9;
  split_labels(std::vector<std::uint8_t>(height * width, 0), std::vector<double>(height * width, 1.0), count);
  CHECK(count == 0);
}
