// Sorting by 32 bits in linear time, stable.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace braggio {

// A number as bits that rise with it; -0 is +0, and NaN stands above all.
inline std::uint32_t rising_bits(float value) {
  const auto bits =
      std::bit_cast<std::uint32_t>(value != value ? std::numeric_limits<float>::quiet_NaN() : value + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

// A key in the high word, what it belongs to in the low one.
inline std::uint64_t keyed(std::uint32_t key, std::size_t place) {
  return static_cast<std::uint64_t>(key) << 32 | static_cast<std::uint64_t>(place);
}

inline std::size_t place_of(std::uint64_t each) { return each & 0xffffffffu; }
inline std::uint32_t key_of(std::uint64_t each) { return static_cast<std::uint32_t>(each >> 32); }

// Sorted by key; equal keys stay in their order, which must be that of their places.
inline void sort_by_key(std::vector<std::uint64_t>& values) {
  constexpr std::size_t few = 4096;  // below it the passes over the digits cost more than comparing (bench_matching)
  if (values.size() < few) {
    std::sort(values.begin(), values.end());
    return;
  }
  constexpr unsigned digit = 11, digits = 1u << digit;
  std::vector<std::uint64_t> other(values.size());
  for (unsigned shift = 32; shift < 64; shift += digit) {
    std::array<std::size_t, digits> starts{};
    for (const std::uint64_t each : values) ++starts[(each >> shift) % digits];
    std::size_t sum = 0;
    for (std::size_t& start : starts) sum += std::exchange(start, sum);
    for (const std::uint64_t each : values) other[starts[(each >> shift) % digits]++] = each;
    values.swap(other);
  }
}

}  // namespace braggio
