// Pixels that are the same on every run and machine, with the extremes of their type among them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace braggio::testing {

// Finite values all over the range of T: one in eight is an extreme, one in four small.
template <class T>
std::vector<T> random_pixels(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const T extremes[] = {std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max(), T{0}, T{1}};
  std::vector<T> pixels(count);
  for (T& pixel : pixels) {
    const std::uint64_t bits = random();
    if (bits % 8 == 0)
      pixel = extremes[bits / 8 % 4];
    else if (bits % 4 == 1)
      pixel = static_cast<T>(static_cast<double>(bits / 4 % 1000) / (std::is_floating_point_v<T> ? 8 : 10));
    else if constexpr (std::is_floating_point_v<T>)
      pixel = static_cast<T>(static_cast<double>(static_cast<std::int64_t>(bits)) * 1e-14);
    else
      pixel = static_cast<T>(bits >> 32);
  }
  return pixels;
}

}  // namespace braggio::testing
