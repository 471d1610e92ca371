// Stored bytes -> native pixels, block by block: the one place where byte order and row order are undone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "braggio/bytes.hpp"
#include "braggio/layout.hpp"
#include "braggio/memory.hpp"
#include "braggio/source.hpp"

namespace braggio {

// 256 KiB: large enough that the system call vanishes, small enough to stay in L2 (whole frames are 1.2x slower, fresh
// maps 6x: docs/performance.md).
inline constexpr std::size_t block_bytes = std::size_t{1} << 18;

// Read rows or pixels of one frame into `target`, native byte order, rows in delivery order.
// `first` and `target.size()` count pixels' bytes from the start of the delivered frame.
inline void read_block(const Source& source, const FrameLayout& layout, std::uint64_t frame, std::uint64_t first,
                       MutableBytes target) {
  const std::uint64_t start = layout.frame_offset(frame);
  const std::size_t row = layout.width * info(layout.type).size;
  if (!layout.flip) {
    source.read(start + first, target);
  } else {
    for (std::size_t done = 0; done < target.size();) {  // a block of a flipped frame is cut at row ends
      const std::uint64_t at = first + done;
      const std::uint64_t within = at % row;
      const std::size_t count = std::min<std::size_t>(row - within, target.size() - done);
      source.read(start + (layout.height - 1 - at / row) * row + within, target.subspan(done, count));
      done += count;
    }
  }
  if (layout.order != native_order) swap_in_place(target, info(layout.type).word);
}

// Single pixels of one frame, by flat index, into `target` one after the other, in native byte order.
inline void read_pixels(const Source& source, const FrameLayout& layout, std::uint64_t frame,
                        std::span<const std::int64_t> indices, MutableBytes target) {
  const std::size_t size = info(layout.type).size;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto index = static_cast<std::uint64_t>(indices[i]);
    if (index >= layout.pixels())
      throw Error(Fault::format, "pixel index", "0.." + std::to_string(layout.pixels() - 1),
                  std::to_string(indices[i]));
    read_block(source, layout, frame, index * size, target.subspan(i * size, size));
  }
}

// fn(std::span<const T>) for consecutive blocks of one frame.
template <class T, class Fn>
void for_each_block(const Source& source, const FrameLayout& layout, std::uint64_t frame, Buffer& scratch, Fn&& fn) {
  const std::uint64_t bytes = layout.frame_bytes();
  const bool in_place =
      source.in_memory() && !layout.flip && layout.order == native_order &&
      reinterpret_cast<std::uintptr_t>(source.view(layout.frame_offset(frame), bytes).data()) % alignof(T) == 0;
  for (std::uint64_t at = 0; at < bytes; at += block_bytes) {
    const std::size_t count = std::min<std::uint64_t>(block_bytes, bytes - at);
    const std::byte* data = nullptr;
    if (in_place) {
      data = source.view(layout.frame_offset(frame) + at, count).data();
    } else {
      const MutableBytes block = scratch.first(count);
      read_block(source, layout, frame, at, block);
      data = block.data();
    }
    fn(std::span<const T>(reinterpret_cast<const T*>(data), count / sizeof(T)));
  }
}

}  // namespace braggio
