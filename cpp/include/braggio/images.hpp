// Particle images: bin by an integer factor, then normalise, in one buffer.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/error.hpp"

namespace braggio {

enum class BinKind : std::uint8_t { mean, max };

// max: mean 0, largest size 1 (CryoLike's center_physical_image_signal); std: mean 0, deviation 1; background: mean 0
// and deviation 1 outside the circle of half the box (RELION's normalisation).
enum class Normalise : std::uint8_t { none, max, deviation, background };

struct ImageWork {
  std::size_t rows = 0, columns = 0;  // of the input; both must be multiples of `bin`
  std::size_t bin = 1;
  BinKind kind = BinKind::mean;
  Normalise normalise = Normalise::none;
  float sign = 1.0f;
};

namespace detail {

// Sums go to a fixed number of lanes, pixel i to lane i % lanes: the result does not depend on the instruction set.
inline constexpr std::size_t lanes = 64;  // fewer are unrolled into scalars, which is 5x slower (bench_particles)

struct Moments {
  double sum = 0.0;
  float low = 0.0f, high = 0.0f;
};

struct SumKernel {
  BRAGGIO_INLINE Moments run(const float* pixels, std::size_t count) {
    std::array<double, lanes> sums{};
    std::array<float, lanes> lows, highs;
    lows.fill(pixels[0]);
    highs.fill(pixels[0]);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
      for (std::size_t k = 0; k < lanes; ++k) {
        const float value = pixels[i + k];
        sums[k] += static_cast<double>(value);
        lows[k] = value < lows[k] ? value : lows[k];
        highs[k] = value > highs[k] ? value : highs[k];
      }
    for (std::size_t k = 0; i < count; ++i, ++k) {
      sums[k] += static_cast<double>(pixels[i]);
      lows[k] = std::min(lows[k], pixels[i]);
      highs[k] = std::max(highs[k], pixels[i]);
    }
    Moments moments{0.0, lows[0], highs[0]};
    for (std::size_t k = 0; k < lanes; ++k) {
      moments.sum += sums[k];
      moments.low = std::min(moments.low, lows[k]);
      moments.high = std::max(moments.high, highs[k]);
    }
    return moments;
  }
};

struct SquaresKernel {
  BRAGGIO_INLINE double run(const float* pixels, std::size_t count, double mean) {
    std::array<double, lanes> sums{};
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
      for (std::size_t k = 0; k < lanes; ++k) {
        const double off = static_cast<double>(pixels[i + k]) - mean;
        sums[k] += off * off;
      }
    for (std::size_t k = 0; i < count; ++i, ++k)
      sums[k] += (static_cast<double>(pixels[i]) - mean) * (static_cast<double>(pixels[i]) - mean);
    double sum = 0.0;
    for (const double lane : sums) sum += lane;
    return sum;
  }
};

struct ScaleKernel {
  BRAGGIO_INLINE void run(float* pixels, std::size_t count, double mean, double factor) {
    for (std::size_t i = 0; i < count; ++i)
      pixels[i] = static_cast<float>((static_cast<double>(pixels[i]) - mean) * factor);
  }
};

template <class T>
struct WidenKernel {
  BRAGGIO_INLINE void run(const T* in, float* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]);
  }
};

// Twice two pixels, the common case; sums of four floats in double are exact, so the mean is rounded once.
template <class T>
struct Bin2Kernel {
  BRAGGIO_INLINE void run(const T* upper, const T* lower, float* out, std::size_t columns) {
    for (std::size_t x = 0; x < columns; ++x)
      out[x] = static_cast<float>((static_cast<double>(upper[2 * x]) + static_cast<double>(upper[2 * x + 1]) +
                                   (static_cast<double>(lower[2 * x]) + static_cast<double>(lower[2 * x + 1]))) *
                                  0.25);
  }
};

template <class T>
struct AddRowKernel {
  BRAGGIO_INLINE void run(const T* in, double* sums, std::size_t columns, std::size_t bin) {
    for (std::size_t x = 0; x < columns; ++x)
      for (std::size_t k = 0; k < bin; ++k) sums[x] += static_cast<double>(in[x * bin + k]);
  }
};

template <class T>
struct MaxRowKernel {
  BRAGGIO_INLINE void run(const T* in, float* out, std::size_t columns, std::size_t bin) {
    for (std::size_t x = 0; x < columns; ++x) {
      float best = out[x];
      for (std::size_t k = 0; k < bin; ++k) {
        const auto value = static_cast<float>(in[x * bin + k]);
        best = value > best || value != value ? value : best;
      }
      out[x] = best;
    }
  }
};

template <class T>
void bin_mean(const T* in, float* out, const ImageWork& work, std::vector<double>& sums, Level level) {
  const std::size_t rows = work.rows / work.bin, columns = work.columns / work.bin;
  const double share = 1.0 / static_cast<double>(work.bin * work.bin);
  for (std::size_t y = 0; y < rows; ++y) {
    if (work.bin == 2) {
      on_level<Bin2Kernel<T>>(level, in + 2 * y * work.columns, in + (2 * y + 1) * work.columns, out + y * columns,
                              columns);
      continue;
    }
    sums.assign(columns, 0.0);
    for (std::size_t k = 0; k < work.bin; ++k)
      on_level<AddRowKernel<T>>(level, in + (y * work.bin + k) * work.columns, sums.data(), columns, work.bin);
    for (std::size_t x = 0; x < columns; ++x) out[y * columns + x] = static_cast<float>(sums[x] * share);
  }
}

template <class T>
void bin_max(const T* in, float* out, const ImageWork& work, Level level) {
  const std::size_t rows = work.rows / work.bin, columns = work.columns / work.bin;
  for (std::size_t y = 0; y < rows; ++y) {
    float* row = out + y * columns;
    std::fill(row, row + columns, -std::numeric_limits<float>::infinity());
    for (std::size_t k = 0; k < work.bin; ++k)
      on_level<MaxRowKernel<T>>(level, in + (y * work.bin + k) * work.columns, row, columns, work.bin);
  }
}

// Mean and deviation of the pixels further than half the shorter edge from the centre (RELION: the centre is pixel
// n/2).
inline std::pair<double, double> background(const float* pixels, std::size_t rows, std::size_t columns) {
  const auto centre_y = static_cast<double>(rows / 2), centre_x = static_cast<double>(columns / 2);
  const double radius = static_cast<double>(std::min(rows, columns)) / 2;
  double sum = 0.0, squares = 0.0;
  std::size_t count = 0;
  for (int step = 0; step < 2; ++step) {
    const double mean = count == 0 ? 0.0 : sum / static_cast<double>(count);
    for (std::size_t y = 0; y < rows; ++y)
      for (std::size_t x = 0; x < columns; ++x) {
        const double dy = static_cast<double>(y) - centre_y, dx = static_cast<double>(x) - centre_x;
        if (dy * dy + dx * dx <= radius * radius) continue;
        const double value = static_cast<double>(pixels[y * columns + x]);
        if (step == 0)
          sum += value, ++count;
        else
          squares += (value - mean) * (value - mean);
      }
  }
  if (count == 0) return {0.0, 0.0};
  return {sum / static_cast<double>(count), std::sqrt(squares / static_cast<double>(count))};
}

// Subtract and scale in place. False for an image without contrast (or with NaN): its mean is subtracted, its scale is
// left.
inline bool normalise(float* pixels, std::size_t rows, std::size_t columns, const ImageWork& work, Level level) {
  if (work.normalise == Normalise::none && work.sign == 1.0f) return true;
  const std::size_t count = rows * columns;
  double mean = 0.0, size = 1.0;
  if (work.normalise == Normalise::background) {
    std::tie(mean, size) = background(pixels, rows, columns);
  } else if (work.normalise != Normalise::none) {
    const Moments moments = on_level<SumKernel>(level, static_cast<const float*>(pixels), count);
    mean = moments.sum / static_cast<double>(count);
    if (work.normalise == Normalise::max)
      size = std::max(static_cast<double>(moments.high) - mean, mean - static_cast<double>(moments.low));
    else
      size = std::sqrt(on_level<SquaresKernel>(level, static_cast<const float*>(pixels), count, mean) /
                       static_cast<double>(count));
  }
  const bool scaled = size > 0.0 && std::isfinite(size);
  on_level<ScaleKernel>(level, pixels, count, mean, static_cast<double>(work.sign) / (scaled ? size : 1.0));
  return scaled;
}

}  // namespace detail

inline void require_bin(const ImageWork& work) {
  if (work.bin == 0 || work.rows % work.bin != 0 || work.columns % work.bin != 0)
    throw Error(Fault::format, "bin", "a factor of " + std::to_string(work.columns) + " x " + std::to_string(work.rows),
                std::to_string(work.bin));
}

// One image, binned into `out` (rows/bin x columns/bin) and normalised there. False where it had no contrast to scale
// by.
template <class T>
bool work_image(const T* in, float* out, const ImageWork& work, std::vector<double>& sums, Level level) {
  if (work.bin == 1)
    on_level<detail::WidenKernel<T>>(level, in, out, work.rows * work.columns);
  else if (work.kind == BinKind::mean)
    detail::bin_mean(in, out, work, sums, level);
  else
    detail::bin_max(in, out, work, level);
  return detail::normalise(out, work.rows / work.bin, work.columns / work.bin, work, level);
}

}  // namespace braggio
