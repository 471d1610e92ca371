// Pixels plus an offset, clamped to 0..65535: the one lossy step between a signed frame and SMV. Its losses are
// counted.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <type_traits>

#include "braggio/cpu.hpp"

namespace braggio {

inline constexpr std::int64_t clamp_top = 65535;

struct ClampCounts {
  std::uint64_t low = 0;      // pixels that became 0 though pixel + offset < 0
  std::uint64_t high = 0;     // pixels that became 65535 though pixel + offset > 65535
  std::uint64_t rounded = 0;  // float pixels kept whose sum was not an integer (rounded half to even)

  ClampCounts& operator+=(const ClampCounts& other) {
    low += other.low;
    high += other.high;
    rounded += other.rounded;
    return *this;
  }
};

// The integers that the clamp does not lose: `floor` arrives at 0 or above, `ceiling` at 65535 or below. When they all
// lie outside T, every pixel is lost on the same side.
template <class T>
struct Kept {
  T floor;
  T ceiling;
  bool all_low;
  bool all_high;
};

template <class T>
Kept<T> kept_by_clamp(std::int64_t offset) {
  constexpr std::int64_t type_min = std::numeric_limits<T>::min();
  constexpr std::int64_t type_max = std::numeric_limits<T>::max();
  const std::int64_t lowest = -offset, highest = clamp_top - offset;
  return {static_cast<T>(std::clamp(lowest, type_min, type_max)),
          static_cast<T>(std::clamp(highest, type_min, type_max)), lowest > type_max, highest < type_min};
}

// Integers stay in 32-bit lanes: the window of pixel values that survive is computed in 64 bits, so nothing overflows,
// and the sum is formed modulo 2^32 (4.5x the 64-bit form, bench_clamp). Most chunks lose nothing: they are shifted,
// and only a chunk with a sum outside 16 bits is done again, clamped and counted.
template <class T>
struct ClampIntegers {
  BRAGGIO_INLINE ClampCounts run(const T* source, std::uint16_t* target, std::size_t count, std::int64_t offset) {
    const Kept<T> kept = kept_by_clamp<T>(offset);
    if (kept.all_low) return fill(target, count, 0, {count, 0, 0});
    if (kept.all_high) return fill(target, count, clamp_top, {0, count, 0});
    const auto shift = static_cast<std::uint32_t>(offset);
    // Sums of other types than uint32 and offsets below 2^30 never wrap around into 0..65535.
    const bool try_shift = !std::is_same_v<T, std::uint32_t> && std::abs(offset) < (std::int64_t{1} << 30);
    constexpr std::size_t chunk = 4096;  // 16 KiB of int32: the second look finds it in L1
    ClampCounts counts;
    for (std::size_t start = 0; start < count; start += chunk) {
      const std::size_t size = std::min(chunk, count - start);
      if (!try_shift || !shift_chunk(source + start, target + start, size, shift))
        counts += clamp_chunk(source + start, target + start, size, shift, kept);
    }
    return counts;
  }

  // False when a sum does not fit: the target then holds nothing of use.
  BRAGGIO_INLINE bool shift_chunk(const T* source, std::uint16_t* target, std::size_t size, std::uint32_t shift) {
    constexpr std::size_t group = 64;
    std::uint32_t all = 0;
    std::size_t i = 0;
    for (; i + group <= size; i += group) {
      prefetch<T, group>(source + i + 4 * group);
      for (std::size_t l = 0; l < group; ++l) shift_pixel(source[i + l], target[i + l], shift, all);
    }
    for (; i < size; ++i) shift_pixel(source[i], target[i], shift, all);
    return all <= clamp_top;
  }

  BRAGGIO_INLINE void shift_pixel(T value, std::uint16_t& target, std::uint32_t shift, std::uint32_t& all) {
    const std::uint32_t sum = static_cast<std::uint32_t>(value) + shift;
    all |= sum;
    target = static_cast<std::uint16_t>(sum);
  }

  BRAGGIO_INLINE ClampCounts clamp_chunk(const T* source, std::uint16_t* target, std::size_t size, std::uint32_t shift,
                                         const Kept<T>& kept) {
    const T floor = kept.floor, ceiling = kept.ceiling;
    std::uint32_t low = 0, high = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const T value = source[i];
      const T bounded = std::min(std::max(value, floor), ceiling);
      // Compared after, not before: g++ 12 vectorises only this order.
      low += static_cast<std::uint32_t>(bounded > value);
      high += static_cast<std::uint32_t>(bounded < value);
      target[i] = static_cast<std::uint16_t>(static_cast<std::uint32_t>(bounded) + shift);
    }
    return {low, high, 0};
  }

  BRAGGIO_INLINE ClampCounts fill(std::uint16_t* target, std::size_t count, std::int64_t value, ClampCounts counts) {
    for (std::size_t i = 0; i < count; ++i) target[i] = static_cast<std::uint16_t>(value);
    return counts;
  }
};

// A constant that the optimiser may not see through: g++ 12 turns selections between visible constants into branches,
// and a loop with branches is not vectorised (4 ns/px against 0.4, bench_clamp).
[[gnu::always_inline]] inline double opaque(double value) {
  __asm__("" : "+m"(value));
  return value;
}

// Floats: the sum is formed in float64, rounded half to even, then clamped. The caller refuses NaN and infinity; until
// it does, NaN counts as a low pixel.
template <class T>
struct ClampFloats {
  BRAGGIO_INLINE ClampCounts run(const T* source, std::uint16_t* target, std::size_t count, std::int64_t offset) {
    ClampCounts counts;
    constexpr std::size_t chunk = 32768;  // keeps the lane counters in 32 bits
    for (std::size_t start = 0; start < count; start += chunk)
      counts +=
          clamp_chunk(source + start, target + start, std::min(chunk, count - start), static_cast<double>(offset));
    return counts;
  }

  BRAGGIO_INLINE ClampCounts clamp_chunk(const T* source, std::uint16_t* target, std::size_t size, double shift) {
    // Adding and subtracting 1.5 * 2^52 rounds to integer half to even in any instruction set, where rint would be a
    // library call at the baseline level. It is valid below 2^51, which the first pair of limits guarantees.
    const double magic = opaque(6755399441055744.0), bottom = opaque(0.0), top = opaque(clamp_top);
    // The nearest that are rounded out of the window: every lost pixel counts as inexact, and is taken off at the end.
    const double below = opaque(-0.5 - 0x1p-53), above = opaque(clamp_top + 0.5);
    std::uint32_t low = 0, high = 0, inexact = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double exact = static_cast<double>(source[i]) + shift;
      const double raised = exact > below ? exact : below;
      const double near = raised > above ? above : raised;
      const double whole = (near + magic) - magic;
      const double positive = whole < bottom ? bottom : whole;
      const double bounded = positive > top ? top : positive;
      low += static_cast<std::uint32_t>(whole < bottom);
      high += static_cast<std::uint32_t>(whole > top);
      inexact += static_cast<std::uint32_t>(whole != near);
      target[i] = static_cast<std::uint16_t>(static_cast<std::int32_t>(bounded));
    }
    return {low, high, inexact - low - high};
  }
};

template <class T>
using Clamp = std::conditional_t<std::is_floating_point_v<T>, ClampFloats<T>, ClampIntegers<T>>;

// target[i] = min(max(source[i] + offset, 0), 65535); |offset| <= 2^32.
template <class T>
ClampCounts clamp(const T* source, std::uint16_t* target, std::size_t count, std::int64_t offset, Level level) {
  // AVX-512 narrows 32 to 16 bits slower than AVX2 packs them (0.11 against 0.08 ns/px, bench_clamp).
  const Level best = std::is_integral_v<T> ? std::min(level, Level::avx2) : level;
  return on_level<Clamp<T>>(best, source, target, count, offset);
}

}  // namespace braggio
