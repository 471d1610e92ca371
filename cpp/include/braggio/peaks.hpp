// Peaks of a map: what lies above a cutoff, the highest first, each suppressing its neighbourhood.
//
// Greedy non-maximum suppression as in 2-D template matching (Lucas et al., eLife 10 (2021) e68946): every pixel nearer
// to a kept peak than the radius is gone, and pixels that are gone suppress nothing. Kept discs of half the radius do
// not overlap, so all painting together touches at most four times the map.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/error.hpp"
#include "braggio/mask.hpp"
#include "braggio/memory.hpp"
#include "braggio/parallel.hpp"
#include "braggio/radix.hpp"

namespace braggio {

struct PickRules {
  float cutoff = 0;  // a peak lies above it, not at it
  double radius = 0;
  std::size_t border = 0;  // rows and columns at each edge that hold no peaks
  std::size_t max_peaks = std::numeric_limits<std::size_t>::max();
  const std::uint8_t* allowed = nullptr;  // one byte a pixel, 0: no peak here; null: anywhere
};

// A bit for each value that lies above the cutoff, 64 of them a word; NaN does not. Most words are 0, and found to be
// so without making their bits: reading the map from memory is then all that takes time.
struct SiftAbove {
  BRAGGIO_INLINE void run(const float* values, std::size_t count, float cutoff, std::uint64_t* words) {
    const std::size_t full = count / word_bits, rest = count % word_bits;
    for (std::size_t word = 0; word < full; ++word)
      words[word] = any(values + word * word_bits, cutoff) ? bits(values + word * word_bits, cutoff) : 0;
    if (rest == 0) return;
    words[full] = 0;
    for (std::size_t i = 0; i < rest; ++i)
      words[full] |= std::uint64_t{values[full * word_bits + i] > cutoff ? 1u : 0u} << i;
  }

  BRAGGIO_INLINE bool any(const float* values, float cutoff) {
    std::uint32_t found = 0;
    for (std::size_t i = 0; i < word_bits; ++i) found |= values[i] > cutoff ? 1u : 0u;
    return found != 0;
  }

  BRAGGIO_INLINE std::uint64_t bits(const float* values, float cutoff) {
    alignas(64) std::uint8_t flags[word_bits];
    for (std::size_t i = 0; i < word_bits; ++i) flags[i] = values[i] > cutoff ? 255 : 0;
    return gather_bits(flags);
  }
};

// The pixels that are gone, a bit each.
class Painted {
 public:
  Painted(std::size_t height, std::size_t width, double radius)
      : height_(height), width_(width), words_((width + 63) / 64), bits_(height * words_) {
    // reach_[dy]: columns to either side, the centre among them, that are nearer than the radius in row +-dy.
    for (std::size_t dy = 0; dy < height; ++dy) {
      const std::size_t reach = reach_in_row(static_cast<double>(dy), radius);
      if (reach == 0) break;
      reach_.push_back(reach);
    }
  }

  bool at(std::size_t row, std::size_t column) const {
    return (bits_[row * words_ + column / 64] >> (column % 64) & 1) != 0;
  }

  void disc(std::size_t row, std::size_t column) {
    for (std::size_t dy = 0; dy < reach_.size(); ++dy) {
      const std::size_t reach = reach_[dy];
      const std::size_t begin = column + 1 > reach ? column + 1 - reach : 0;
      const std::size_t end = std::min(width_, column + reach);
      if (row + dy < height_) range(row + dy, begin, end);
      if (dy > 0 && dy <= row) range(row - dy, begin, end);
    }
  }

 private:
  // One more than the largest dx below the width with sqrt(dy^2 + dx^2) < radius; 0 when there is none.
  std::size_t reach_in_row(double dy, double radius) const {
    std::size_t low = 0, high = width_;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      const auto dx = static_cast<double>(middle);
      if (std::sqrt(dy * dy + dx * dx) < radius)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  void range(std::size_t row, std::size_t begin, std::size_t end) {
    std::uint64_t* words = bits_.data() + row * words_;
    const std::size_t first = begin / 64, last = (end - 1) / 64;
    const std::uint64_t head = ~std::uint64_t{0} << (begin % 64);
    const std::uint64_t tail = ~std::uint64_t{0} >> (63 - (end - 1) % 64);
    if (first == last) {
      words[first] |= head & tail;
      return;
    }
    words[first] |= head;
    for (std::size_t word = first + 1; word < last; ++word) words[word] = ~std::uint64_t{0};
    words[last] |= tail;
  }

  std::size_t height_, width_, words_;
  LargeVector<std::uint64_t> bits_;
  std::vector<std::size_t> reach_{};
};

// A candidate as one number: higher values first, equal ones in raster order.
inline std::uint64_t candidate(float value, std::size_t index) { return keyed(~rising_bits(value), index); }

// Those of rows begin..end, in raster order.
inline std::vector<std::uint64_t> candidates(const float* map, std::size_t width, std::size_t begin, std::size_t end,
                                             const PickRules& rules, Level level) {
  std::vector<std::uint64_t> found;
  std::uint64_t words[64];
  constexpr std::size_t chunk = word_bits * std::size(words);
  for (std::size_t row = begin; row < end; ++row) {
    const std::size_t stop = (row + 1) * width - rules.border;
    for (std::size_t start = row * width + rules.border; start < stop; start += chunk) {
      const std::size_t count = std::min(chunk, stop - start);
      on_level<SiftAbove>(level, map + start, count, rules.cutoff, static_cast<std::uint64_t*>(words));
      for (std::size_t first = 0; first < count; first += word_bits)
        for (std::uint64_t above = words[first / word_bits]; above != 0; above &= above - 1) {
          const std::size_t i = start + first + static_cast<std::size_t>(std::countr_zero(above));
          if (rules.allowed == nullptr || rules.allowed[i] != 0) found.push_back(candidate(map[i], i));
        }
    }
  }
  return found;
}

// All of them: threads share the rows, and what they find is put together in order.
inline std::vector<std::uint64_t> candidates(const float* map, std::size_t height, std::size_t width,
                                             const PickRules& rules, std::size_t threads, Level level) {
  const std::size_t border = rules.border;
  if (height <= 2 * border || width <= 2 * border) return {};
  const std::size_t rows = height - 2 * border;
  const std::size_t parts = height * width * sizeof(float) < parallel_bytes ? 1 : std::min(threads, rows);
  std::vector<std::vector<std::uint64_t>> found(std::max<std::size_t>(parts, 1));
  for_ranges(rows, found.size(), [&](std::size_t begin, std::size_t end, std::size_t part) {
    found[part] = candidates(map, width, border + begin, border + end, rules, level);
  });
  std::vector<std::uint64_t> all = std::move(found[0]);
  for (std::size_t part = 1; part < found.size(); ++part) all.insert(all.end(), found[part].begin(), found[part].end());
  return all;
}

// Flat indices of the peaks, in order.
inline std::vector<std::int64_t> pick_peaks(const float* map, std::size_t height, std::size_t width,
                                            const PickRules& rules, std::size_t threads, Level level) {
  if (width != 0 && height > std::numeric_limits<std::uint32_t>::max() / width)
    throw Error(Fault::limit, "map", "fewer than 2^32 pixels", std::to_string(height) + " x " + std::to_string(width));
  std::vector<std::uint64_t> ordered = candidates(map, height, width, rules, threads, level);
  sort_by_key(ordered);
  std::vector<std::int64_t> peaks;
  Painted gone(height, width, rules.radius);
  for (const std::uint64_t each : ordered) {
    if (peaks.size() >= rules.max_peaks) break;
    const std::size_t index = place_of(each);
    const std::size_t row = index / width, column = index % width;
    if (gone.at(row, column)) continue;
    gone.disc(row, column);
    peaks.push_back(static_cast<std::int64_t>(index));
  }
  return peaks;
}

}  // namespace braggio
