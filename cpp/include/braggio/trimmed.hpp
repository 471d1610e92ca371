// Statistics of every pixel over a stack of frames, without its largest values.
//
// Sixty-four neighbouring pixels are worked on side by side, as the lanes of vector registers. Each lane is reduced to
// keys above its own minimum: of 16 bits, of 8 where the values that are kept span no more, of 32 where they span more
// than 16. The three order statistics that are needed come from a bitwise descent (trimmed_keys.hpp), and the sums from
// keys clamped at the largest one kept. Nothing is sorted.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/parallel.hpp"
#include "braggio/trimmed_keys.hpp"

namespace braggio {

// Pixels of all frames, each frame `pixels` apart; `frames` - `removed` values of each are kept, at least one.
template <class T>
struct FrameStack {
  const T* values;
  std::size_t frames;
  std::size_t pixels;
  std::size_t removed;
  std::size_t kept() const { return frames - removed; }
};

// One value per pixel. avg: mean of the values kept; spread: kept^2 times their population variance; iqr: Q75 - Q25,
// interpolated linearly at ranks q (kept - 1). Over all values: max, and the first frame that has it.
template <class T>
struct PixelSums {
  double* avg;
  double* spread;
  double* iqr;
  T* max;
  std::int32_t* arg;
};

// What one thread works in.
template <class T>
struct TrimmedScratch {
  static constexpr std::size_t stage_bytes = std::size_t{1} << 18;  // half of a second-level cache
  static constexpr std::size_t most_tiles = 8;  // one row of 64 pixels is fetched a third as fast as one of 512

  explicit TrimmedScratch(std::size_t frames)
      : tiles(std::clamp<std::size_t>(stage_bytes / (frames * lanes * sizeof(T)), 1, most_tiles)),
        stage(tiles * frames * lanes),
        keys8(frames * lanes),
        keys16(frames * lanes),
        keys32(sizeof(T) > 2 ? frames * lanes : 0) {}

  std::size_t tiles;
  std::vector<T> stage;
  std::vector<std::int8_t> keys8;
  std::vector<std::int16_t> keys16;
  std::vector<std::int32_t> keys32;
  Orders orders{};
  T low[lanes]{};
  T high[lanes]{};
  std::uint32_t at[lanes]{};
  unsigned guess = 8;
};

// low + total / kept, from one division of integers where those are exact in float64.
BRAGGIO_INLINE double mean_above(double low, double total, double kept) {
  const double shift = low * kept;
  return std::abs(shift) < 0x1p52 ? (shift + total) / kept : low + total / kept;
}

BRAGGIO_INLINE double between(double one, double other, double quantile, std::size_t kept) {
  const double rank = quantile * static_cast<double>(kept - 1), part = rank - std::floor(rank);
  return part > 0.0 ? one + (other - one) * part : one;
}

template <class T>
BRAGGIO_INLINE void fetch_tiles(const FrameStack<T>& stack, const std::size_t* begins, std::size_t tiles, T* stage) {
  constexpr std::size_t ahead = 6;  // frames
  for (std::size_t t = 0; t < stack.frames; ++t) {
    const T* row = stack.values + t * stack.pixels;
    for (std::size_t k = 0; k < tiles; ++k) {
      if (t + ahead < stack.frames) prefetch<T, lanes>(row + ahead * stack.pixels + begins[k]);
      std::memcpy(stage + (k * stack.frames + t) * lanes, row + begins[k], lanes * sizeof(T));
    }
  }
}

// The first row that holds the greatest value of each lane, counted in numbers as wide as Index.
template <class Index, class T>
BRAGGIO_INLINE void find_first(const T* tile, std::size_t frames, const T* high, std::uint32_t* at) {
  Index first[lanes];
  for (std::size_t i = 0; i < lanes; ++i) first[i] = std::numeric_limits<Index>::max();
  for (std::size_t t = 0; t < frames; ++t) {
    const T* row = tile + t * lanes;
    const auto here = static_cast<Index>(t);
    for (std::size_t i = 0; i < lanes; ++i) {
      const Index found = row[i] == high[i] ? here : std::numeric_limits<Index>::max();
      first[i] = lesser(first[i], found);
    }
  }
  for (std::size_t i = 0; i < lanes; ++i) at[i] = first[i];
}

template <class T>
BRAGGIO_INLINE void find_extremes(const T* tile, std::size_t frames, T* low, T* high, std::uint32_t* at) {
  T least[lanes], most[lanes];
  for (std::size_t i = 0; i < lanes; ++i) least[i] = most[i] = tile[i];
  for (std::size_t t = 1; t < frames; ++t) {
    const T* row = tile + t * lanes;
    for (std::size_t i = 0; i < lanes; ++i) {
      least[i] = lesser(row[i], least[i]);
      most[i] = row[i] > most[i] ? row[i] : most[i];
    }
  }
  std::memcpy(low, least, sizeof least);
  std::memcpy(high, most, sizeof most);
  if (sizeof(T) <= 2 && frames < std::numeric_limits<std::uint16_t>::max())
    find_first<std::uint16_t>(tile, frames, most, at);
  else
    find_first<std::uint32_t>(tile, frames, most, at);
}

// Mean, spread and IQR of the lanes of a tile of integers from its keys; `bits` hold those that are kept.
template <std::size_t vector_bytes, class K, class T>
BRAGGIO_INLINE void describe_keys(const FrameStack<T>& stack, const K* keys, unsigned bits, TrimmedScratch<T>& scratch,
                                  const PixelSums<T>& out, std::size_t begin) {
  Orders& orders = scratch.orders;
  find_orders<vector_bytes>(keys, stack.frames, stack.kept(), bits, orders);
  WideCount sums[lanes], squares[lanes];
  const auto add = [&](const auto& short_sums, const auto& short_squares) {
    for (std::size_t i = 0; i < lanes; ++i) {
      sums[i] = short_sums[i];
      squares[i] = short_squares[i];
    }
  };
  const unsigned room = static_cast<unsigned>(std::bit_width(stack.frames)) + 2 * bits;
  if (sizeof(K) < 4 && room <= 32) {
    std::uint32_t part[lanes], part_squares[lanes];
    sum_keys(keys, stack.frames, orders.last, part, part_squares);
    add(part, part_squares);
  } else if (room <= 64) {
    std::uint64_t part[lanes], part_squares[lanes];
    sum_keys(keys, stack.frames, orders.last, part, part_squares);
    add(part, part_squares);
  } else {
    sum_keys(keys, stack.frames, orders.last, sums, squares);
  }
  const WideCount kept = stack.kept(), removed = stack.removed;
  for (std::size_t i = 0; i < lanes; ++i) {
    const WideCount last = orders.last[i];
    const WideCount sum = sums[i] - removed * last, square = squares[i] - removed * last * last;
    out.avg[begin + i] =
        mean_above(static_cast<double>(scratch.low[i]), static_cast<double>(sum), static_cast<double>(stack.kept()));
    out.spread[begin + i] = static_cast<double>(kept * square - sum * sum);
  }
}

// The same for floats: their ranks order them, and the sums are of the values, from the lowest.
template <std::size_t vector_bytes>
BRAGGIO_INLINE void describe_floats(const FrameStack<float>& stack, const float* tile, const std::int32_t* keys,
                                    unsigned bits, TrimmedScratch<float>& scratch, const PixelSums<float>& out,
                                    std::size_t begin) {
  find_orders<vector_bytes>(keys, stack.frames, stack.kept(), bits, scratch.orders);
  double low[lanes], last[lanes], sum[lanes], square[lanes];
  const auto kept = static_cast<double>(stack.kept()), removed = static_cast<double>(stack.removed);
  for (std::size_t i = 0; i < lanes; ++i) {
    low[i] = static_cast<double>(scratch.low[i]);
    last[i] = offset_of(scratch.low[i], scratch.orders.last[i]);
    sum[i] = -removed * last[i];
  }
  for (std::size_t t = 0; t < stack.frames; ++t)
    for (std::size_t i = 0; i < lanes; ++i)
      sum[i] += lesser(static_cast<double>(tile[t * lanes + i]) - low[i], last[i]);
  for (std::size_t i = 0; i < lanes; ++i) {
    sum[i] /= kept;
    square[i] = -removed * (last[i] - sum[i]) * (last[i] - sum[i]);
  }
  for (std::size_t t = 0; t < stack.frames; ++t)
    for (std::size_t i = 0; i < lanes; ++i) {
      const double off = lesser(static_cast<double>(tile[t * lanes + i]) - low[i], last[i]) - sum[i];
      square[i] += off * off;
    }
  for (std::size_t i = 0; i < lanes; ++i) {
    out.avg[begin + i] = low[i] + sum[i];
    out.spread[begin + i] = std::max(square[i], 0.0) * kept;
  }
}

template <std::size_t vector_bytes, class T>
BRAGGIO_INLINE void describe_tile(const FrameStack<T>& stack, const T* tile, TrimmedScratch<T>& scratch,
                                  const PixelSums<T>& out, std::size_t begin) {
  const std::size_t frames = stack.frames, kept = stack.kept();
  find_extremes(tile, frames, scratch.low, scratch.high, scratch.at);
  bool wide = std::is_same_v<T, float> || frames > Keys<std::int16_t>::most_frames;
  if constexpr (!std::is_same_v<T, float>) {
    if (!wide) {
      load_keys(tile, frames, scratch.low, scratch.keys16.data());
      const unsigned bits = scratch.guess = key_bits<vector_bytes>(scratch.keys16.data(), frames, kept, scratch.guess);
      wide = sizeof(T) > 2 && bits == 16;
      if (bits <= 8 && frames <= Keys<std::int8_t>::most_frames) {
        narrow_keys(scratch.keys16.data(), frames, scratch.keys8.data());
        describe_keys<vector_bytes>(stack, scratch.keys8.data(), bits, scratch, out, begin);
      } else if (!wide) {
        describe_keys<vector_bytes>(stack, scratch.keys16.data(), bits, scratch, out, begin);
      }
    }
  }
  if (wide) {
    scratch.keys32.resize(frames * lanes);
    load_keys(tile, frames, scratch.low, scratch.keys32.data());
    const unsigned bits = key_bits<vector_bytes>(scratch.keys32.data(), frames, kept, 24);
    if constexpr (std::is_same_v<T, float>)
      describe_floats<vector_bytes>(stack, tile, scratch.keys32.data(), bits, scratch, out, begin);
    else
      describe_keys<vector_bytes>(stack, scratch.keys32.data(), bits, scratch, out, begin);
  }
  const Orders& orders = scratch.orders;
  for (std::size_t i = 0; i < lanes; ++i) {
    const T low = scratch.low[i];
    out.max[begin + i] = scratch.high[i];
    out.arg[begin + i] = static_cast<std::int32_t>(scratch.at[i]);
    const double q1 =
        between(offset_of(low, orders.first_quartile[i]), offset_of(low, orders.after_first[i]), 0.25, kept);
    const double q3 =
        between(offset_of(low, orders.third_quartile[i]), offset_of(low, orders.after_third[i]), 0.75, kept);
    out.iqr[begin + i] = q3 - q1;
  }
}

// Pixels begin..end-1, at least 64 of them; the last tile overlaps the one before.
template <class T, std::size_t vector_bytes>
struct TrimmedTiles {
  BRAGGIO_INLINE int run(const FrameStack<T>* stack, const PixelSums<T>* out, std::size_t begin, std::size_t end) {
    TrimmedScratch<T> scratch(stack->frames);
    for (std::size_t group = begin; group < end; group += scratch.tiles * lanes) {
      const std::size_t tiles = std::min(scratch.tiles, (end - group + lanes - 1) / lanes);
      std::size_t begins[TrimmedScratch<T>::most_tiles];
      for (std::size_t k = 0; k < tiles; ++k) begins[k] = std::min(group + k * lanes, end - lanes);
      fetch_tiles(*stack, begins, tiles, scratch.stage.data());
      for (std::size_t k = 0; k < tiles; ++k)
        describe_tile<vector_bytes>(*stack, scratch.stage.data() + k * stack->frames * lanes, scratch, *out, begins[k]);
    }
    return 0;
  }
};

// float64: pixel by pixel, by sorting.
inline void sorted_pixels(const FrameStack<double>& stack, const PixelSums<double>& out, std::size_t begin,
                          std::size_t end) {
  std::vector<double> column(stack.frames);
  const std::size_t kept = stack.kept();
  const auto count = static_cast<double>(kept);
  for (std::size_t pixel = begin; pixel < end; ++pixel) {
    for (std::size_t t = 0; t < stack.frames; ++t) column[t] = stack.values[t * stack.pixels + pixel];
    const auto most = std::max_element(column.begin(), column.end());
    out.max[pixel] = *most;
    out.arg[pixel] = static_cast<std::int32_t>(most - column.begin());
    std::sort(column.begin(), column.end());
    const double low = column[0];
    double mean = 0.0, spread = 0.0;
    for (std::size_t t = 0; t < kept; ++t) mean += column[t] - low;
    mean /= count;
    for (std::size_t t = 0; t < kept; ++t) spread += (column[t] - low - mean) * (column[t] - low - mean);
    const auto quartile = [&](double quantile) {
      const auto at = static_cast<std::size_t>(quantile * static_cast<double>(kept - 1));
      return between(column[at] - low, column[std::min(at + 1, kept - 1)] - low, quantile, kept);
    };
    out.avg[pixel] = low + mean;
    out.spread[pixel] = spread * count;
    out.iqr[pixel] = quartile(0.75) - quartile(0.25);
  }
}

// Vectors wider than the machine's are taken apart into numbers, so each level has its own; AVX-512 adds nothing here.
template <class T>
void tiles_on([[maybe_unused]] Level level, const FrameStack<T>& stack, const PixelSums<T>& out, std::size_t begin,
              std::size_t end) {
#if defined(__x86_64__)
  if (level != Level::baseline) {
    on_avx2<TrimmedTiles<T, 32>>(&stack, &out, begin, end);
    return;
  }
#endif
  on_baseline<TrimmedTiles<T, 16>>(&stack, &out, begin, end);
}

// Statistics of all pixels, of which there are at least 64, in up to `threads` threads.
template <class T>
void trimmed(const FrameStack<T>& stack, const PixelSums<T>& out, std::size_t threads, Level level) {
  const std::size_t parts = std::clamp<std::size_t>(stack.pixels / (16 * lanes), 1, std::max<std::size_t>(threads, 1));
  for_ranges(stack.pixels, parts, [&](std::size_t begin, std::size_t end, std::size_t) {
    if constexpr (std::is_same_v<T, double>)
      sorted_pixels(stack, out, begin, end);
    else
      tiles_on(level, stack, out, begin, end);
  });
}

}  // namespace braggio
