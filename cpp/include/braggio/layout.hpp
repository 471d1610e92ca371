// Where the pixels of a frame stack lie in a file: type, byte order, shape, offset, stride.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"

namespace braggio {

enum class PixelType : std::uint8_t { u8, u16, u32, i8, i16, i32, f16, f32, f64, c64 };

struct PixelInfo {
  std::string_view name;  // numpy's name
  std::size_t size;       // bytes of a pixel
  std::size_t word;       // bytes that a change of byte order reverses together
};

inline constexpr std::array<PixelInfo, 10> pixel_infos{{
    {"uint8", 1, 1},
    {"uint16", 2, 2},
    {"uint32", 4, 4},
    {"int8", 1, 1},
    {"int16", 2, 2},
    {"int32", 4, 4},
    {"float16", 2, 2},
    {"float32", 4, 4},
    {"float64", 8, 8},
    {"complex64", 8, 4},
}};

inline const PixelInfo& info(PixelType type) { return pixel_infos[static_cast<std::size_t>(type)]; }

inline PixelType pixel_type(std::string_view name) {
  for (std::size_t i = 0; i < pixel_infos.size(); ++i)
    if (pixel_infos[i].name == name) return static_cast<PixelType>(i);
  throw Error(Fault::unsupported, "pixel type", "one of the real integer and float types", std::string(name));
}

// 2^31 pixels are 46340 x 46340, far above any detector, and keep a 64-bit sum of 32-bit pixels exact (stats.hpp).
inline constexpr std::uint64_t max_frame_pixels = std::uint64_t{1} << 31;

struct FrameLayout {
  PixelType type = PixelType::u8;
  ByteOrder order = ByteOrder::little;
  std::uint64_t width = 0;               // fast axis, columns
  std::uint64_t height = 0;              // slow axis, rows
  std::vector<std::uint64_t> offsets{};  // byte of the first pixel of each frame, or
  std::uint64_t nframes = 0;             // with no offsets: nframes frames from `first`, one every `stride` bytes
  std::uint64_t first = 0;
  std::uint64_t stride = 0;
  bool flip = false;  // rows are delivered last first

  std::uint64_t pixels() const { return width * height; }
  std::uint64_t frame_bytes() const { return pixels() * info(type).size; }

  std::uint64_t frame_offset(std::uint64_t index) const {
    if (index >= nframes)
      throw Error(Fault::format, "frame index", "0.." + std::to_string(nframes ? nframes - 1 : 0),
                  std::to_string(index));
    return offsets.empty() ? first + index * stride : offsets[index];
  }

  // The end of the furthest frame; throws when the numbers cannot be a stack of frames.
  std::uint64_t extent() const {
    if (width == 0 || height == 0) throw Error(Fault::format, "frame size", "at least 1 x 1 pixel", shape_text());
    if (checked_product(width, height, "frame size") > max_frame_pixels)
      throw Error(Fault::limit, "frame size", "at most 2^31 pixels", shape_text());
    const std::uint64_t bytes = checked_product(pixels(), info(type).size, "frame size");
    if (nframes == 0) throw Error(Fault::format, "frames", "at least 1", "0");
    std::uint64_t end = 0;
    if (offsets.empty())
      return checked_sum(checked_sum(first, checked_product(nframes - 1, stride, "frame offset"), "frame offset"),
                         bytes, "frame offset");
    for (const std::uint64_t offset : offsets) end = std::max(end, checked_sum(offset, bytes, "frame offset"));
    return end;
  }

  // Every byte the layout speaks of must be in the file, once: nothing is allocated on the word of a header alone.
  void require_within(std::uint64_t file_size) const {
    const std::uint64_t end = extent();
    const std::uint64_t need = std::max(end, checked_product(nframes, frame_bytes(), "frames"));
    if (need > file_size)
      throw Error(Fault::truncated, "file size",
                  std::to_string(need) + " bytes (" + std::to_string(nframes) + " x " + shape_text() + " " +
                      std::string(info(type).name) + ")",
                  std::to_string(file_size) + " bytes");
  }

  std::string shape_text() const { return std::to_string(width) + " x " + std::to_string(height); }
};

// fn.template operator()<T>() with the C++ type of a real pixel type.
template <class Fn>
decltype(auto) with_pixel(PixelType type, Fn&& fn) {
  switch (type) {
    case PixelType::u8: return fn.template operator()<std::uint8_t>();
    case PixelType::u16: return fn.template operator()<std::uint16_t>();
    case PixelType::u32: return fn.template operator()<std::uint32_t>();
    case PixelType::i8: return fn.template operator()<std::int8_t>();
    case PixelType::i16: return fn.template operator()<std::int16_t>();
    case PixelType::i32: return fn.template operator()<std::int32_t>();
    case PixelType::f32: return fn.template operator()<float>();
    case PixelType::f64: return fn.template operator()<double>();
    case PixelType::f16:
    case PixelType::c64: break;
  }
  throw Error(Fault::unsupported, "pixel type", "an integer, float32 or float64", std::string(info(type).name));
}

}  // namespace braggio
