// One frame, read once in blocks, into a file and its statistics: nothing larger than a block is held.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

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

// Native pixels into `target` as the sink's. `first_pixel`: index within the frame.
template <class From>
void convert(std::span<const From> pixels, const Sink& sink, std::uint64_t first_pixel, std::byte* target,
             Clipped& clipped, Level level) {
  if (!sink.clamped) return cast_block(pixels, sink.type, target, level);
  const auto counts = clamp(pixels.data(), reinterpret_cast<std::uint16_t*>(target), pixels.size(), sink.offset, level);
  clipped.add(counts, pixels, sink.offset, first_pixel, level);
}

// Where in T every value must lie for `type` to hold it exactly; empty for types that hold every T.
struct ExactRange {
  std::int64_t low;
  std::int64_t high;
};

template <class T>
bool within(const FrameStats<T>& stats, const std::optional<ExactRange>& range) {
  if constexpr (std::is_integral_v<T>)
    return !range ||
           (static_cast<std::int64_t>(stats.min) >= range->low && static_cast<std::int64_t>(stats.max) <= range->high);
  else
    return true;
}

// Returns false as soon as the statistics show a pixel outside `range`: what has been written is then of no use.
template <class T>
bool transcode(const Source& source, const FrameLayout& layout, std::uint64_t frame, const Sink& sink,
               FrameStats<T>* stats, const std::optional<ExactRange>& range, Clipped& clipped, Scratch& scratch,
               Level level) {
  const std::size_t size = info(sink.type).size;
  std::uint64_t pixel = 0;
  bool exact = true;
  for_each_block<T>(source, layout, frame, scratch.input, [&](std::span<const T> block) {
    if (!exact) return;
    const MutableBytes bytes = scratch.output.first(block.size() * size);
    // What the statistics have just read, the conversion finds in L1.
    const std::size_t step = stats != nullptr ? stats_chunk : block.size();
    for (std::size_t start = 0; start < block.size(); start += step) {
      const auto part = block.subspan(start, std::min(step, block.size() - start));
      if (stats != nullptr) {
        stats->add(part);
        exact = exact && within(*stats, range);
      }
      if (!exact) return;
      convert(part, sink, pixel + start, bytes.data() + start * size, clipped, level);
    }
    if constexpr (native_order != ByteOrder::little) swap_in_place(bytes, info(sink.type).word);
    sink.file->write(sink.position + pixel * size, bytes);
    pixel += block.size();
  });
  return exact;
}

// One frame into a file of its own, whole or not at all: `header`, then every pixel plus `offset` clamped to uint16.
// `stats`, where it is given, is filled meanwhile.
template <class T>
Clipped write_clamped(const Source& source, const FrameLayout& layout, std::uint64_t frame, std::string path,
                      Bytes header, std::int64_t offset, std::size_t positions, FrameStats<T>* stats, Scratch& scratch,
                      Level level) {
  Clipped clipped;
  clipped.limit = positions;
  PartFile file(std::move(path));
  file.reserve(header.size() + layout.pixels() * sizeof(std::uint16_t));
  file.write(0, header);
  const Sink sink{&file, header.size(), PixelType::u16, true, offset};
  transcode<T>(source, layout, frame, sink, stats, std::nullopt, clipped, scratch, level);
  file.publish(true, false);
  return clipped;
}

}  // namespace braggio
