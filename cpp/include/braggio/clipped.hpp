// Which pixels a clamp loses: all are counted, the first of each side are listed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "braggio/clamp.hpp"
#include "braggio/cpu.hpp"

namespace braggio {

// -1 where the clamp loses the pixel at 0, +1 where it loses it at 65535, 0 where it does not.
template <class T>
int clipped_side(T value, std::int64_t offset) {
  if constexpr (std::is_floating_point_v<T>) {
    const double whole = std::nearbyint(static_cast<double>(value) + static_cast<double>(offset));
    return whole < 0.0 ? -1 : whole > static_cast<double>(clamp_top) ? 1 : 0;
  } else {
    const std::int64_t sum = static_cast<std::int64_t>(value) + offset;
    return sum < 0 ? -1 : sum > clamp_top ? 1 : 0;
  }
}

// Whether an integer of the chunk is lost; a loop without branches, so that it vectorises.
template <class T>
struct AnyLost {
  BRAGGIO_INLINE bool run(const T* data, std::size_t count, T floor, T ceiling) {
    std::uint32_t lost = 0;
    for (std::size_t i = 0; i < count; ++i)
      lost |= static_cast<std::uint32_t>(data[i] < floor) | static_cast<std::uint32_t>(data[i] > ceiling);
    return lost != 0;
  }
};

struct Clipped {
  std::size_t limit = 0;  // positions listed per side
  ClampCounts counts;
  std::vector<std::int64_t> low;  // indices within the frame, ascending
  std::vector<std::int64_t> high;

  // `first`: index of the block's first pixel. Does not count rounded pixels.
  template <class T>
  void find(std::span<const T> block, std::int64_t offset, std::uint64_t first, Level level) {
    constexpr std::size_t chunk = 1024;  // 4 KiB of int32: where nothing is lost only the quick look is taken
    for (std::size_t start = 0; start < block.size(); start += chunk) {
      const auto part = block.subspan(start, std::min(chunk, block.size() - start));
      if (may_lose(part, offset, level)) find_in(part, offset, static_cast<std::int64_t>(first + start));
    }
  }

  // The clamp has counted `found` in the block.
  template <class T>
  void add(const ClampCounts& found, std::span<const T> block, std::int64_t offset, std::uint64_t first, Level level) {
    counts.rounded += found.rounded;
    if (found.low == 0 && found.high == 0) return;
    if (low.size() < limit || high.size() < limit)
      find(block, offset, first, level);
    else
      counts += {found.low, found.high, 0};
  }

 private:
  template <class T>
  static bool may_lose(std::span<const T> part, std::int64_t offset, Level level) {
    if constexpr (std::is_floating_point_v<T>) {
      return true;
    } else {
      const Kept<T> kept = kept_by_clamp<T>(offset);
      return kept.all_low || kept.all_high ||
             on_level<AnyLost<T>>(level, part.data(), part.size(), kept.floor, kept.ceiling);
    }
  }

  template <class T>
  void find_in(std::span<const T> part, std::int64_t offset, std::int64_t first) {
    for (std::size_t i = 0; i < part.size(); ++i) {
      const int side = clipped_side(part[i], offset);
      const std::int64_t index = first + static_cast<std::int64_t>(i);
      if (side < 0 && ++counts.low <= limit) low.push_back(index);
      if (side > 0 && ++counts.high <= limit) high.push_back(index);
    }
  }
};

}  // namespace braggio
