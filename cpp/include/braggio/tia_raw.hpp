// TIA raw: a 10-byte little-endian header, then ny rows of nx pixels, and nothing after them.
//
// The same ten bytes precede the pixels of every image in a TIA .ser series (ser.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "braggio/bytes.hpp"
#include "braggio/header.hpp"
#include "braggio/layout.hpp"
#include "braggio/source.hpp"

namespace braggio {

inline constexpr std::array<Field, 3> tia_raw_fields{{
    {"data_type", 0, FieldType::i16},  // 1..8, see tia_pixel_type
    {"nx", 2, FieldType::i32},         // columns, the fast axis
    {"ny", 6, FieldType::i32},         // rows
}};

inline constexpr std::uint64_t tia_raw_header_bytes = 10;

inline PixelType tia_pixel_type(std::int64_t code, std::uint64_t offset) {
  constexpr std::array<PixelType, 8> types{PixelType::u8,  PixelType::u16, PixelType::u32, PixelType::i8,
                                           PixelType::i16, PixelType::i32, PixelType::f32, PixelType::f64};
  if (code >= 1 && code <= 8) return types[static_cast<std::size_t>(code - 1)];
  const std::string found = std::to_string(code);
  if (code == 9 || code == 10)
    throw Error(Fault::unsupported, "data_type", "1 to 8", found + " (complex, not an image)", offset);
  if (code > 0 && code % 256 == 0 && code <= 10 * 256)
    throw Error(Fault::format, "data_type", "1 to 8", found + " (a big-endian file?)", offset);
  throw Error(Fault::format, "data_type", "1 to 8", found, offset);
}

// The ten bytes at `base` and the frame behind them.
inline Parsed parse_tia_element(Bytes bytes, std::uint64_t base, std::uint64_t file_offset) {
  Header header = load_fields(bytes, tia_raw_fields, base, ByteOrder::little);
  FrameLayout layout;
  layout.type = tia_pixel_type(integer(header, "data_type"), file_offset);
  layout.width = positive(header, "nx");
  layout.height = positive(header, "ny");
  layout.nframes = 1;
  layout.first = file_offset + tia_raw_header_bytes;
  return {std::move(header), std::move(layout)};
}

inline Parsed parse_tia_raw(const Source& source) {
  std::array<std::byte, tia_raw_header_bytes> bytes{};
  if (source.size() < bytes.size())
    throw Error(Fault::truncated, "header", "10 bytes", std::to_string(source.size()) + " bytes", source.size());
  source.read(0, bytes);
  Parsed parsed = parse_tia_element(bytes, 0, 0);
  parsed.layout.require_within(source.size());
  return parsed;
}

}  // namespace braggio
