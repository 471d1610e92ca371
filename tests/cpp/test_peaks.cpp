// Protects: peaks are those of the definition, whatever the shape, the values, the rules and the instruction level.
#include "braggio/peaks.hpp"

#include <doctest/doctest.h>

#include <random>
#include <utility>

#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

std::vector<std::int64_t> by_definition(const std::vector<float>& map, std::size_t width, const PickRules& rules) {
  const std::size_t height = map.size() / width;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < map.size(); ++i) {
    const std::size_t y = i / width, x = i % width;
    const bool inside = y >= rules.border && x >= rules.border && y + rules.border < height && x + rules.border < width;
    if (inside && map[i] > rules.cutoff && (rules.allowed == nullptr || rules.allowed[i] != 0)) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return map[a] > map[b]; });
  std::vector<std::int64_t> kept;
  for (const std::size_t i : order) {
    const auto near = [&](std::int64_t k) {
      const double dy = static_cast<double>(i / width) - static_cast<double>(static_cast<std::size_t>(k) / width);
      const double dx = static_cast<double>(i % width) - static_cast<double>(static_cast<std::size_t>(k) % width);
      return std::sqrt(dy * dy + dx * dx) < rules.radius;
    };
    if (kept.size() < rules.max_peaks && std::none_of(kept.begin(), kept.end(), near))
      kept.push_back(static_cast<std::int64_t>(i));
  }
  return kept;
}

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<int>(generator() % 41) - 20) * 0.25f;
  const float special[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(), -0.0f, std::numeric_limits<float>::denorm_min()};
  for (std::size_t i = 0; i < count / 16; ++i) values[generator() % count] = special[generator() % 5];
  return values;
}

}  // namespace

TEST_CASE("peaks are those of the definition") {
  for (const std::size_t width : {1u, 3u, 64u, 65u, 130u, 1030u})
    for (const double radius : {0.0, 1.0, 1.5, 4.0, 5.0, 64.5, 1e300})
      for (const std::size_t border : {0u, 2u, 40u}) {
        const auto map = noise(width * 13, static_cast<unsigned>(width));
        std::vector<std::uint8_t> allowed(map.size());
        for (std::size_t i = 0; i < allowed.size(); ++i) allowed[i] = i % 5 != 0;
        for (const std::uint8_t* mask : {static_cast<const std::uint8_t*>(nullptr), std::as_const(allowed).data()})
          for (const std::size_t most : {std::size_t{0}, std::size_t{3}, std::numeric_limits<std::size_t>::max()}) {
            const PickRules rules{1.0f, radius, border, most, mask};
            const auto expected = by_definition(map, width, rules);
            for (const Level level : levels()) REQUIRE(pick_peaks(map.data(), 13, width, rules, 1, level) == expected);
          }
      }
}

TEST_CASE("candidates sort by value, then by place") {
  CHECK(candidate(2.0f, 5) < candidate(1.0f, 0));
  CHECK(candidate(1.0f, 4) < candidate(1.0f, 5));
  CHECK(candidate(-0.0f, 4) < candidate(0.0f, 5));
  CHECK(candidate(0.0f, 4) < candidate(-0.0f, 5));
  CHECK(candidate(-1.0f, 4) < candidate(-2.0f, 0));
  CHECK(candidate(std::numeric_limits<float>::infinity(), 4) < candidate(3e38f, 0));
}

TEST_CASE("maps whose places do not fit are refused") {
  const float pixel = 0;
  CHECK(refuses(Fault::limit, [&] { pick_peaks(&pixel, 1u << 20, 1u << 20, PickRules{}, 1, Level::baseline); }));
}
