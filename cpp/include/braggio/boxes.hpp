// Boxes cut out of an image, with a rule for what lies outside it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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

// Fill `out` (height x width) with the pixels from (top, left) on.
template <class T>
void copy_box(const Image<T>& image, std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width,
              Edges edges, T fill, T* out) {
  if (std::max({top, left, -top, -left, height, width}) > max_box_position)
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
    const auto outside = [&](std::int64_t x) {
      const std::int64_t column = inside(left + x, image.width, edges);
      target[x] = column < 0 ? fill : source[column];
    };
    for (std::int64_t x = 0; x < begin; ++x) outside(x);
    if (end > begin) std::copy(source + left + begin, source + left + end, target + begin);
    for (std::int64_t x = end; x < width; ++x) outside(x);
  }
}

}  // namespace braggio
