// Boxes cut out of an image, with a rule for what lies outside it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/error.hpp"

namespace braggio {

// As numpy.pad names them; `edge` repeats the outermost pixel.
enum class Edges { constant, reflect, edge };

inline constexpr std::int64_t max_box_position = std::int64_t{1} << 40;  // keeps sums of positions far from overflow

// Which pixel of 0..count-1 stands at `at`; -1 for none. Reflection does not repeat the outermost pixel, and goes back
// and forth as often as it takes.
inline std::int64_t inside(std::int64_t at, std::int64_t count, Edges edges) {
  if (at >= 0 && at < count) return at;
  if (edges == Edges::constant) return -1;
  if (edges == Edges::edge) return std::clamp<std::int64_t>(at, 0, count - 1);
  if (count == 1) return 0;
  const std::int64_t period = 2 * (count - 1);
  const std::int64_t place = (at % period + period) % period;
  return place < count ? place : period - place;
}

template <class T>
struct Image {
  const T* pixels;
  std::int64_t height, width;
};

// The boxes of one image lie apart in memory: no processor foresees where the next row begins, so it is asked for that
// many rows ahead, to be used once.
inline constexpr std::int64_t rows_ahead = 8;

struct CopyRow {
  BRAGGIO_INLINE int run(const std::byte* from, std::byte* to, std::size_t bytes, const std::byte* ahead) {
    using Vector = std::uint8_t __attribute__((vector_size(32)));
    constexpr std::size_t step = 4 * sizeof(Vector), line = 64;
    std::size_t at = 0;
    for (; at + step <= bytes; at += step) {
      for (std::size_t i = 0; i < step; i += line) __builtin_prefetch(ahead + at + i, 0, 0);
      Vector four[4];
      std::memcpy(four, from + at, step);
      std::memcpy(to + at, four, step);
    }
    std::memcpy(to + at, from + at, bytes - at);
    return 0;
  }
};

// Fill `out` (height x width) with the pixels from (top, left) on.
template <class T>
void copy_box(const Image<T>& image, std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width,
              Edges edges, T fill, T* out, Level level) {
  if (std::max({top, left, height, width}) > max_box_position || std::min(top, left) < -max_box_position)
    throw Error(Fault::limit, "box", "positions within 2^40 of the image",
                std::to_string(top) + ", " + std::to_string(left));
  const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, width);                 // columns before: outside
  const std::int64_t end = std::clamp<std::int64_t>(image.width - left, begin, width);  // columns from here on: outside
  for (std::int64_t y = 0; y < height; ++y) {
    T* target = out + y * width;
    const std::int64_t row = inside(top + y, image.height, edges);
    if (row < 0) {
      std::fill_n(target, width, fill);
      continue;
    }
    const T* source = image.pixels + row * image.width;
    const auto outside = [&](std::int64_t first, std::int64_t last) {
      if (edges == Edges::constant)
        std::fill(target + first, target + last, fill);
      else
        for (std::int64_t x = first; x < last; ++x) target[x] = source[inside(left + x, image.width, edges)];
    };
    outside(0, begin);
    if (end > begin) {
      const bool more = y + rows_ahead < height && row + rows_ahead < image.height;
      const T* const from = source + left + begin;
      const T* const ahead = more ? from + rows_ahead * image.width : from;
      on_level<CopyRow>(level, reinterpret_cast<const std::byte*>(from), reinterpret_cast<std::byte*>(target + begin),
                        static_cast<std::size_t>(end - begin) * sizeof(T), reinterpret_cast<const std::byte*>(ahead));
    }
    outside(end, width);
  }
}

}  // namespace braggio
