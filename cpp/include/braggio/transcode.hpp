// One frame, read once in blocks, into any number of outputs and its statistics: nothing larger than a block is held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "braggio/bytes.hpp"
#include "braggio/clamp.hpp"
#include "braggio/clipped.hpp"
#include "braggio/cpu.hpp"
#include "braggio/layout.hpp"
#include "braggio/memory.hpp"
#include "braggio/pixels.hpp"
#include "braggio/publish.hpp"
#include "braggio/source.hpp"
#include "braggio/stats.hpp"

namespace braggio {

// The buffers of one thread.
struct Scratch {
  Buffer input;
  Buffer output;
};

// A place in a part file that takes one frame as `type`, little-endian.
// `clamped`: uint16 = clamp(pixel + offset); otherwise a plain conversion: the caller knows that it is exact or
// allowed.
struct Sink {
  PartFile* file = nullptr;
  std::uint64_t position = 0;
  PixelType type = PixelType::u16;
  bool clamped = false;
  std::int64_t offset = 0;
};

template <class From, class To>
struct CastPixels {
  BRAGGIO_INLINE int run(const From* source, To* target, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) target[i] = static_cast<To>(source[i]);
    return 0;
  }
};

// The integer pixel types convert to a narrower integer only when every value fits, floats never to integers.
template <class From>
void cast_block(std::span<const From> block, PixelType type, std::byte* target, Level level) {
  const auto run = [&]<class To>() {
    on_level<CastPixels<From, To>>(level, block.data(), reinterpret_cast<To*>(target), block.size());
  };
  if constexpr (std::is_floating_point_v<From>) {
    if (type == PixelType::f32) return run.template operator()<float>();
    if (type == PixelType::f64) return run.template operator()<double>();
    throw Error(Fault::unsupported, "pixel type", "float32 or float64 for float pixels", std::string(info(type).name));
  } else {
    with_pixel(type, run);
  }
}

template <class From>
void write_block(std::span<const From> block, const Sink& sink, std::uint64_t first_pixel, Clipped& clipped,
                 Buffer& output, Level level) {
  const std::size_t size = info(sink.type).size;
  const MutableBytes bytes = output.first(block.size() * size);
  if (sink.clamped) {
    const auto counts =
        clamp(block.data(), reinterpret_cast<std::uint16_t*>(bytes.data()), block.size(), sink.offset, level);
    clipped.add(counts, block, sink.offset, first_pixel, level);
  } else {
    cast_block(block, sink.type, bytes.data(), level);
  }
  if constexpr (native_order != ByteOrder::little) swap_in_place(bytes, info(sink.type).word);
  sink.file->write(sink.position + first_pixel * size, bytes);
}

// Where in T every value must lie for `type` to hold it exactly; empty for types that hold every T.
struct ExactRange {
  std::int64_t low;
  std::int64_t high;
};

// Returns false as soon as the statistics show a pixel outside `range`: what has been written is then of no use.
template <class T>
bool transcode(const Source& source, const FrameLayout& layout, std::uint64_t frame, std::span<const Sink> sinks,
               FrameStats<T>* stats, const std::optional<ExactRange>& range, Clipped& clipped, Scratch& scratch,
               Level level) {
  std::uint64_t pixel = 0;
  bool exact = true;
  for_each_block<T>(source, layout, frame, scratch.input, [&](std::span<const T> block) {
    if (!exact) return;
    if (stats != nullptr) stats->add(block);
    if constexpr (std::is_integral_v<T>) {
      if (range && stats != nullptr)
        exact =
            static_cast<std::int64_t>(stats->min) >= range->low && static_cast<std::int64_t>(stats->max) <= range->high;
    }
    if (!exact) return;
    for (const Sink& sink : sinks) write_block(block, sink, pixel, clipped, scratch.output, level);
    pixel += block.size();
  });
  return exact;
}

}  // namespace braggio
