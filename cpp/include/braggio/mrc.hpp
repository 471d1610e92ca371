// The main header of MRC2014 (1024 bytes) and what it says of the pixels.
//
// Source: Cheng et al., J. Struct. Biol. 192 (2015) 146, and the MRC2014 page of CCP-EM.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "braggio/bytes.hpp"
#include "braggio/header.hpp"
#include "braggio/layout.hpp"
#include "braggio/source.hpp"

namespace braggio {

inline constexpr std::array<Field, 36> mrc_fields{{
    {"nx", 0, FieldType::i32},             // columns, the fast axis
    {"ny", 4, FieldType::i32},             // rows
    {"nz", 8, FieldType::i32},             // sections
    {"mode", 12, FieldType::i32},          // see mrc_pixel_type
    {"nxstart", 16, FieldType::i32},       // of the first column in the unit cell
    {"nystart", 20, FieldType::i32},       // of the first row
    {"nzstart", 24, FieldType::i32},       // of the first section
    {"mx", 28, FieldType::i32},            // intervals along the cell
    {"my", 32, FieldType::i32},            // along y
    {"mz", 36, FieldType::i32},            // along z; 1 for an image stack
    {"cella_x", 40, FieldType::f32},       // cell, angstrom: pixel size = cella / m
    {"cella_y", 44, FieldType::f32},       // along y
    {"cella_z", 48, FieldType::f32},       // along z
    {"alpha", 52, FieldType::f32},         // cell angles, degrees: between b and c
    {"beta", 56, FieldType::f32},          // between a and c
    {"gamma", 60, FieldType::f32},         // between a and b
    {"mapc", 64, FieldType::i32},          // axis of columns: 1 is x, 2 y, 3 z
    {"mapr", 68, FieldType::i32},          // axis of rows
    {"maps", 72, FieldType::i32},          // axis of sections
    {"dmin", 76, FieldType::f32},          // least pixel
    {"dmax", 80, FieldType::f32},          // largest pixel
    {"dmean", 84, FieldType::f32},         // mean pixel
    {"ispg", 88, FieldType::i32},          // 0 images, 1 volume, 401.. volume stack
    {"nsymbt", 92, FieldType::i32},        // bytes of extended header
    {"exttyp", 104, FieldType::text, 4},   // what the extended header is: FEI1, FEI2, ...
    {"nversion", 108, FieldType::i32},     // 20140 or 20141
    {"imod_stamp", 152, FieldType::i32},   // 1146047817 where IMOD wrote the file
    {"imod_flags", 156, FieldType::i32},   // 1: mode 0 is signed
    {"origin_x", 196, FieldType::f32},     // of the map, angstrom
    {"origin_y", 200, FieldType::f32},     // along y
    {"origin_z", 204, FieldType::f32},     // along z
    {"map", 208, FieldType::text, 4},      // 'MAP '
    {"machst", 212, FieldType::u32},       // byte order, see mrc_byte_order
    {"rms", 216, FieldType::f32},          // standard deviation
    {"nlabl", 220, FieldType::i32},        // labels in use
    {"label", 224, FieldType::text, 800},  // ten of 80 characters
}};

inline constexpr std::uint64_t mrc_header_bytes = 1024;
inline constexpr std::int64_t imod_stamp = 1146047817;  // "IMOD" as a little-endian integer

inline PixelType mrc_pixel_type(std::int64_t mode) {
  switch (mode) {
    case 0: return PixelType::i8;
    case 1: return PixelType::i16;
    case 2: return PixelType::f32;
    case 4: return PixelType::c64;
    case 5: return PixelType::u8;  // pyami
    case 6: return PixelType::u16;
    case 12: return PixelType::f16;
    case 101: return PixelType::u8;  // two 4-bit pixels a byte; a row fills whole bytes
    default: break;
  }
  const std::string known = "0, 1, 2, 4, 5, 6, 12 or 101";
  if (mode == 3) throw Error(Fault::unsupported, "mode", known, "3 (complex int16)", 12);
  if (mode == 7) throw Error(Fault::unsupported, "mode", known, "7 (int32, not part of MRC2014)", 12);
  if (mode == 16) throw Error(Fault::unsupported, "mode", known, "16 (RGB)", 12);
  throw Error(Fault::format, "mode", known, std::to_string(mode), 12);
}

// The machine stamp decides; where it is missing, the order in which nx and mode make sense.
inline ByteOrder mrc_byte_order(Bytes head) {
  const auto stamp = std::to_integer<int>(head[212]);
  if (stamp == 0x44) return ByteOrder::little;
  if (stamp == 0x11) return ByteOrder::big;
  const auto plausible = [&](ByteOrder order) {
    const auto nx = load<std::int32_t>(head, 0, order, "nx");
    const auto mode = load<std::int32_t>(head, 12, order, "mode");
    return nx > 0 && nx < (1 << 24) && mode >= 0 && mode <= 101;
  };
  return plausible(ByteOrder::little) || !plausible(ByteOrder::big) ? ByteOrder::little : ByteOrder::big;
}

inline Parsed parse_mrc(const Source& source) {
  std::array<std::byte, mrc_header_bytes> head{};
  if (source.size() < head.size())
    throw Error(Fault::truncated, "header", "1024 bytes", std::to_string(source.size()) + " bytes", source.size());
  source.read(0, head);
  FrameLayout layout;
  layout.order = mrc_byte_order(head);
  Header header = load_fields(head, mrc_fields, 0, layout.order);

  const std::int64_t mode = integer(header, "mode");
  layout.type = mrc_pixel_type(mode);
  // IMOD stamps its files and marks signed bytes; its older files hold unsigned ones under the same mode.
  if (mode == 0 && integer(header, "imod_stamp") == imod_stamp && (integer(header, "imod_flags") & 1) == 0)
    layout.type = PixelType::u8;
  layout.width = positive(header, "nx");
  if (mode == 101) layout.width = (layout.width + 1) / 2;
  layout.height = positive(header, "ny");
  layout.nframes = positive(header, "nz");
  const std::int64_t extended = integer(header, "nsymbt");
  if (extended < 0) throw Error(Fault::format, "nsymbt", "at least 0", std::to_string(extended), 92);
  layout.first = mrc_header_bytes + static_cast<std::uint64_t>(extended);
  layout.stride =
      checked_product(checked_product(layout.width, layout.height, "frame size"), info(layout.type).size, "frame size");
  layout.require_within(source.size());
  return {std::move(header), std::move(layout)};
}

}  // namespace braggio
