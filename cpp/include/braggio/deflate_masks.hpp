// Masks and label images as zlib streams, straight from their runs, and arrays of numbers plane by plane: what HDF5's
// filters gzip, and shuffle and gzip, read.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "braggio/deflate.hpp"
#include "braggio/label.hpp"
#include "braggio/runs.hpp"

namespace braggio {

// The row-major bytes 0 and 1 of a mask.
inline std::span<const std::uint8_t> deflate_mask(const Runs& runs, std::size_t height, std::size_t width,
                                                  RunDeflater& out) {
  out.begin();
  std::uint64_t next = 0;
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t run = runs.first[y]; run < runs.first[y + 1]; ++run) {
      const std::uint64_t start = y * width + static_cast<std::size_t>(runs.begin[run]);
      const auto length = static_cast<std::uint64_t>(runs.end[run] - runs.begin[run]);
      out.repeat(0, start - next);
      out.repeat(1, length);
      next = start + length;
    }
  out.repeat(0, height * width - next);
  return out.finish();
}

// The row-major int32 of a label image, in the byte order of this machine.
inline std::span<const std::uint8_t> deflate_labels(const Components& components, RunDeflater& out) {
  out.begin();
  std::uint64_t next = 0;
  components.each_run([&](std::size_t component, std::size_t y, std::int32_t begin, std::int32_t end) {
    const std::uint64_t start = y * components.width() + static_cast<std::size_t>(begin);
    const auto length = static_cast<std::uint64_t>(end - begin);
    out.repeat(0, 4 * (start - next));
    out.repeat(std::bit_cast<std::array<std::uint8_t, 4>>(static_cast<std::int32_t>(component + 1)), length);
    next = start + length;
  });
  out.repeat(0, 4 * (components.height() * components.width() - next));
  return out.finish();
}

// `count` numbers of `size` bytes, the first bytes of all of them first.
inline std::span<const std::uint8_t> deflate_shuffled(const std::uint8_t* data, std::size_t count, std::size_t size,
                                                      RunDeflater& out) {
  out.begin();
  for (std::size_t plane = 0; plane < size; ++plane) out.plane(data + plane, count, size);
  return out.finish();
}

}  // namespace braggio
