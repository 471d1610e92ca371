// One pass over a frame: minimum, maximum, exact sums, the first pixel that is not a number, and an exact low quantile.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "braggio/cpu.hpp"

namespace braggio {

// A 128-bit unsigned sum as two words: squares of 2^31 int32 pixels reach 2^93.
struct WideSum {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  void add(std::uint64_t value) { high += __builtin_add_overflow(low, value, &low) ? 1u : 0u; }
};

inline constexpr std::size_t stats_lanes =
    64;  // independent accumulators: 0.06 against 0.09 ns/px with one (bench_stats)

// Lane l holds the pixels l, l + 64, l + 128, ... of the chunk; its minimum tells whether any of them is worth a look.
template <class T>
struct Extremes {
  T min;
  T max;
  bool finite;
  std::array<T, stats_lanes> lane_min;
};

template <class T>
struct ExtremesOfIntegers {
  BRAGGIO_INLINE Extremes<T> run(const T* data, std::size_t count) {
    T min[stats_lanes], max[stats_lanes];
    for (std::size_t l = 0; l < stats_lanes; ++l) min[l] = max[l] = data[0];
    std::size_t i = 0;
    for (; i + stats_lanes <= count; i += stats_lanes) {
      prefetch<T, stats_lanes>(data + i + 4 * stats_lanes);
      for (std::size_t l = 0; l < stats_lanes; ++l) take(data[i + l], min[l], max[l]);
    }
    for (std::size_t l = 0; i + l < count; ++l) take(data[i + l], min[l], max[l]);
    Extremes<T> extremes{min[0], max[0], true, {}};
    for (std::size_t l = 0; l < stats_lanes; ++l) {
      extremes.min = min[l] < extremes.min ? min[l] : extremes.min;
      extremes.max = max[l] > extremes.max ? max[l] : extremes.max;
      extremes.lane_min[l] = min[l];
    }
    return extremes;
  }

  BRAGGIO_INLINE void take(T value, T& min, T& max) {
    min = value < min ? value : min;
    max = value > max ? value : max;
  }
};

// IEEE 754 numbers sort like the integers of their bits once the bits of negative numbers are turned over, and NaN and
// infinity have the largest magnitudes: integer loops, which vectorise where float comparisons do not.
template <class T>
struct ExtremesOfFloats {
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  static constexpr Bits magnitude = std::numeric_limits<Bits>::max();
  static constexpr Bits infinity = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());

  BRAGGIO_INLINE Extremes<T> run(const T* data, std::size_t count) {
    Bits min[stats_lanes], max[stats_lanes], largest[stats_lanes] = {};
    for (std::size_t l = 0; l < stats_lanes; ++l) min[l] = max[l] = sortable(std::bit_cast<Bits>(data[0]));
    std::size_t i = 0;
    for (; i + stats_lanes <= count; i += stats_lanes)
      for (std::size_t l = 0; l < stats_lanes; ++l) take(data[i + l], min[l], max[l], largest[l]);
    for (std::size_t l = 0; i + l < count; ++l) take(data[i + l], min[l], max[l], largest[l]);
    Bits least = min[0], most = max[0], size = largest[0];
    Extremes<T> extremes{};
    for (std::size_t l = 0; l < stats_lanes; ++l) {
      least = min[l] < least ? min[l] : least;
      most = max[l] > most ? max[l] : most;
      size = largest[l] > size ? largest[l] : size;
      extremes.lane_min[l] = std::bit_cast<T>(sortable(min[l]));
    }
    extremes.min = std::bit_cast<T>(sortable(least));
    extremes.max = std::bit_cast<T>(sortable(most));
    extremes.finite = size < infinity;
    return extremes;
  }

  BRAGGIO_INLINE void take(T value, Bits& min, Bits& max, Bits& largest) {
    const Bits bits = std::bit_cast<Bits>(value);
    const Bits key = sortable(bits);
    const Bits size = bits & magnitude;
    min = key < min ? key : min;
    max = key > max ? key : max;
    largest = size > largest ? size : largest;
  }

  BRAGGIO_INLINE Bits sortable(Bits bits) { return bits ^ ((bits >> (sizeof(T) * 8 - 1)) & magnitude); }
};

// Sums over one chunk. Integers: exact, unless a square sum may leave 64 bits, which the caller rules out. Floats: of
// value - pivot, in float64 lanes that are added up in a fixed order: every instruction level gives the same bits.
template <class T>
struct Moments {
  std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t> sum;
  std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t> squares;
};

template <class T>
struct MomentsOfIntegers {
  BRAGGIO_INLINE Moments<T> run(const T* data, std::size_t count, double) {
    std::int64_t sum = 0;
    std::uint64_t squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = static_cast<std::int64_t>(data[i]);
      sum += value;
      if constexpr (std::is_signed_v<T>)
        squares += static_cast<std::uint64_t>(value * value);
      else
        squares += static_cast<std::uint64_t>(value) * static_cast<std::uint64_t>(value);
    }
    return {sum, squares};
  }
};

// The same for values below 2^15 in size, as counts mostly are: lanes of 32 bits hold their sums of a chunk, and those
// of four squares (0.05 against 0.25 ns/px in L2).
template <class T>
struct MomentsOfSmallIntegers {
  static constexpr std::int64_t bound = std::int64_t{1} << 15;

  BRAGGIO_INLINE Moments<T> run(const T* data, std::size_t count, double) {
    constexpr std::size_t lanes = 32, squares_held = 4;
    std::int32_t sums[lanes] = {};
    std::uint64_t squares[lanes] = {};
    std::size_t i = 0;
    for (; i + squares_held * lanes <= count; i += squares_held * lanes) {
      for (std::size_t l = 0; l < lanes; ++l) {
        std::uint32_t held = 0;
        for (std::size_t k = 0; k < squares_held; ++k) {
          const auto value = static_cast<std::int32_t>(data[i + k * lanes + l]);
          sums[l] += value;
          held += static_cast<std::uint32_t>(value * value);
        }
        squares[l] += held;
      }
    }
    Moments<T> moments = MomentsOfIntegers<T>::run(data + i, count - i, 0.0);
    for (std::size_t l = 0; l < lanes; ++l) {
      moments.sum += sums[l];
      moments.squares += squares[l];
    }
    return moments;
  }
};

template <class T>
struct MomentsOfFloats {
  BRAGGIO_INLINE Moments<T> run(const T* data, std::size_t count, double pivot) {
    double sums[stats_lanes] = {}, squares[stats_lanes] = {};
    for (std::size_t start = 0; start < count; start += stats_lanes) {
      const std::size_t size = std::min(stats_lanes, count - start);
      for (std::size_t l = 0; l < size; ++l) {
        const double shifted = static_cast<double>(data[start + l]) - pivot;
        sums[l] += shifted;
        squares[l] += shifted * shifted;
      }
    }
    Moments<T> moments{0.0, 0.0};
    for (std::size_t l = 0; l < stats_lanes; ++l) {
      moments.sum += sums[l];
      moments.squares += squares[l];
    }
    return moments;
  }
};

template <class T>
using FindExtremes = std::conditional_t<std::is_floating_point_v<T>, ExtremesOfFloats<T>, ExtremesOfIntegers<T>>;

inline constexpr std::size_t stats_chunk = 2048;  // 8 KiB of int32: the second loop finds it in L1

// The `keep` smallest values seen. Values are collected until twice as many are held, then the larger half goes: linear
// for any order of the data, and nearly free once the threshold has settled, because only lanes whose minimum is below
// it are looked at.
template <class T>
class LowTail {
 public:
  explicit LowTail(std::size_t keep) : keep_(keep) { held_.reserve(2 * keep + stats_chunk); }

  // Of the first values of all: each lane has a pixel of its own that is its minimum, so the keep-th smallest minimum
  // is a threshold already. Without one to begin with, the search took a third longer (0.24 against 0.18 ms for 4 Mpx
  // of int32).
  void settle(std::span<const T> values, Level level) {
    for (; values.size() >= stats_chunk; values = values.subspan(stats_chunk)) {
      const Extremes<T> extremes = on_level<FindExtremes<T>>(level, values.data(), stats_chunk);
      if (!extremes.finite) break;
      for (std::size_t l = 0; l < stats_lanes; ++l)  // another lane may have begun with the first pixel's value
        if (l == 0 || extremes.lane_min[l] < values[0]) held_.push_back(extremes.lane_min[l]);
    }
    shrink();
    held_.clear();
  }

  // `chunk`: at most stats_chunk values with those extremes.
  void add(std::span<const T> chunk, const Extremes<T>& extremes) {
    if (!settled_) {
      held_.insert(held_.end(), chunk.begin(), chunk.end());
      shrink();
    } else if (extremes.min < threshold_) {
      std::array<std::uint8_t, stats_lanes> lanes;
      std::size_t count = 0;
      for (std::size_t l = 0; l < stats_lanes; ++l) {  // without branches, which nobody could predict
        lanes[count] = static_cast<std::uint8_t>(l);
        count += extremes.lane_min[l] < threshold_ ? 1 : 0;
      }
      for (std::size_t i = 0; i < count; ++i) add_lane(chunk, lanes[i]);
      if (held_.size() >= 2 * keep_) shrink();
    }
  }

  // The largest of the kept values: the keep-th smallest pixel. The others are let go of: nothing can be added after.
  T value() {
    shrink();
    std::vector<T>().swap(held_);
    return threshold_;
  }

 private:
  void add_lane(std::span<const T> chunk, std::size_t lane) {
    std::array<T, stats_chunk / stats_lanes> below;
    std::size_t count = 0;
    for (std::size_t i = lane; i < chunk.size(); i += stats_lanes) {
      below[count] = chunk[i];
      count += chunk[i] < threshold_ ? 1 : 0;
    }
    held_.insert(held_.end(), below.data(), below.data() + count);
  }

  // With fewer than `keep` values below a settled threshold, it is the keep-th smallest itself.
  void shrink() {
    if (held_.size() < keep_) return;
    const auto last = held_.begin() + static_cast<std::ptrdiff_t>(keep_ - 1);
    std::nth_element(held_.begin(), last, held_.end());
    threshold_ = *last;
    held_.resize(keep_);
    settled_ = true;
  }

  std::size_t keep_;
  std::vector<T> held_;
  T threshold_{};
  bool settled_ = false;
};

// How much a pass over a frame finds: the sums cost as much again as the extremes (bench_stats).
enum class Depth { extremes, moments };

// Statistics of a frame handed over block by block, in order.
template <class T>
class FrameStats {
 public:
  // The low quantile is the pixel of rank floor(fraction * (pixels - 1)), numpy's "lower"; fraction 0 gives the
  // minimum.
  FrameStats(std::uint64_t pixels, Depth depth, double low_fraction, Level level)
      : depth_(depth),
        level_(level),
        tail_(static_cast<std::size_t>(low_fraction * static_cast<double>(pixels - 1)) + 1) {}

  void add(std::span<const T> block) {
    if (count == 0 && !block.empty()) {
      min = max = block[0];
      tail_.settle(block, level_);
      if constexpr (std::is_floating_point_v<T>) pivot = std::isfinite(block[0]) ? static_cast<double>(block[0]) : 0.0;
    }
    for (std::size_t start = 0; start < block.size(); start += stats_chunk)
      add_chunk(block.subspan(start, std::min(stats_chunk, block.size() - start)));
  }

  T low_quantile() { return tail_.value(); }
  Depth depth() const { return depth_; }

  std::uint64_t count = 0;
  T min{};
  T max{};
  std::optional<std::uint64_t> not_finite;  // index of the first NaN or infinity: min, max and sums are then of no use
  double pivot = 0;  // floats: the sums are of value - pivot, exact variance on a high background
  std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t> sum{};  // integers: exact (max_frame_pixels)
  WideSum squares{};                                                            // integers: exact
  double float_squares = 0;

 private:
  void add_chunk(std::span<const T> chunk) {
    const Extremes<T> extremes = on_level<FindExtremes<T>>(level_, chunk.data(), chunk.size());
    if (extremes.finite) {
      min = std::min(min, extremes.min);
      max = std::max(max, extremes.max);
      tail_.add(chunk, extremes);
      if (depth_ == Depth::moments) add_moments(chunk, extremes);
    } else if (!not_finite) {
      const auto bad =
          std::find_if(chunk.begin(), chunk.end(), [](T v) { return !std::isfinite(static_cast<double>(v)); });
      not_finite = count + static_cast<std::uint64_t>(bad - chunk.begin());
    }
    count += chunk.size();
  }

  void add_moments(std::span<const T> chunk, const Extremes<T>& extremes) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto moments = on_level<MomentsOfFloats<T>>(level_, chunk.data(), chunk.size(), pivot);
      sum += moments.sum;
      float_squares += moments.squares;
    } else {
      // |v| < 2^26 in a chunk of 2^11 pixels: the squares sum to less than 2^63.
      constexpr std::int64_t bound = std::int64_t{1} << 26;
      static_assert(stats_chunk <= 2048);
      const auto moments = within(extremes, MomentsOfSmallIntegers<T>::bound)
                               ? on_level<MomentsOfSmallIntegers<T>>(level_, chunk.data(), chunk.size(), 0.0)
                               : on_level<MomentsOfIntegers<T>>(level_, chunk.data(), chunk.size(), 0.0);
      sum += moments.sum;
      if (within(extremes, bound))
        squares.add(moments.squares);
      else
        add_wide_squares(chunk);
    }
  }

  static bool within(const Extremes<T>& extremes, std::int64_t bound) {
    return static_cast<std::int64_t>(extremes.min) > -bound && static_cast<std::int64_t>(extremes.max) < bound;
  }

  void add_wide_squares(std::span<const T> chunk) {
    for (const T value : chunk) {
      const auto wide = static_cast<std::int64_t>(value);
      const auto size = static_cast<std::uint64_t>(wide < 0 ? -wide : wide);
      squares.add(size * size);
    }
  }

  Depth depth_;
  Level level_;
  LowTail<T> tail_;
};

}  // namespace braggio
