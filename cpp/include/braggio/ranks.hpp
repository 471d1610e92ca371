// Ranks of numbers, 1 to n, those of equal numbers averaged.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "braggio/error.hpp"

namespace braggio {

// A number as bits that sort as it does; -0 is +0. NaN sorts last.
inline std::uint32_t rising_bits(float value) {
  const auto bits =
      std::bit_cast<std::uint32_t>(value != value ? std::numeric_limits<float>::quiet_NaN() : value + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

// Three passes over 11 bits each (least significant first): linear, and stable.
inline std::vector<std::pair<std::uint32_t, std::uint32_t>> sorted_with_places(const float* values, std::size_t count) {
  if (count > std::numeric_limits<std::uint32_t>::max())
    throw Error(Fault::limit, "values", "fewer than 2^32", std::to_string(count));
  std::vector<std::pair<std::uint32_t, std::uint32_t>> from(count), to(count);
  for (std::size_t i = 0; i < count; ++i) from[i] = {rising_bits(values[i]), static_cast<std::uint32_t>(i)};
  constexpr unsigned digit = 11, digits = 1u << digit;
  for (unsigned shift = 0; shift < 32; shift += digit) {
    std::array<std::size_t, digits> starts{};
    for (const auto& each : from) ++starts[(each.first >> shift) % digits];
    std::size_t sum = 0;
    for (std::size_t& start : starts) sum += std::exchange(start, sum);
    for (const auto& each : from) to[starts[(each.first >> shift) % digits]++] = each;
    from.swap(to);
  }
  return from;
}

inline void fill_ranks(const float* values, std::size_t count, double* ranks) {
  const auto sorted = sorted_with_places(values, count);
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && sorted[end].first == sorted[begin].first) ++end;
    const double rank = 0.5 * static_cast<double>(begin + 1 + end);
    for (std::size_t i = begin; i < end; ++i) ranks[sorted[i].second] = rank;
  }
}

}  // namespace braggio
