// Ranks of numbers, 1 to n, those of equal numbers averaged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "braggio/error.hpp"
#include "braggio/radix.hpp"

namespace braggio {

inline void fill_ranks(const float* values, std::size_t count, double* ranks) {
  if (count > std::numeric_limits<std::uint32_t>::max())
    throw Error(Fault::limit, "values", "fewer than 2^32", std::to_string(count));
  std::vector<std::uint64_t> sorted(count);
  for (std::size_t i = 0; i < count; ++i) sorted[i] = keyed(rising_bits(values[i]), i);
  sort_by_key(sorted);
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && key_of(sorted[end]) == key_of(sorted[begin])) ++end;
    const double rank = 0.5 * static_cast<double>(begin + 1 + end);
    for (std::size_t i = begin; i < end; ++i) ranks[place_of(sorted[i])] = rank;
  }
}

}  // namespace braggio
