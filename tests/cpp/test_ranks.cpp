// Protects: ranks follow the numbers, and equal ones share their mean.
#include "braggio/ranks.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace braggio;

TEST_CASE("ranks by counting") {
  std::mt19937 generator(1);
  for (const std::size_t count : {0u, 1u, 2u, 100u, 500u}) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(static_cast<int>(generator() % 61) - 30) * 1e-3f;
    if (count > 2) values[0] = -0.0f, values[1] = 0.0f, values[2] = -std::numeric_limits<float>::infinity();
    std::vector<double> ranks(count);
    fill_ranks(values.data(), count, ranks.data());
    for (std::size_t i = 0; i < count; ++i) {
      double below = 0, equal = 0;
      for (const float other : values) {
        below += other < values[i] ? 1 : 0;
        equal += other == values[i] ? 1 : 0;
      }
      CHECK(ranks[i] == below + (equal + 1) / 2);
    }
  }
}
