// TIA .ser: a series header, tables of element and tag offsets, and elements that each hold one image.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/header.hpp"
#include "braggio/layout.hpp"
#include "braggio/source.hpp"
#include "braggio/tia_raw.hpp"

namespace braggio {

inline constexpr std::array<Field, 7> ser_fields{{
    {"byte_order", 0, FieldType::u16},              // 0x4949: little-endian
    {"series_id", 2, FieldType::u16},               // 0x0197
    {"series_version", 4, FieldType::u16},          // 0x0210: 32-bit offsets, 0x0220: 64-bit offsets
    {"data_type_id", 6, FieldType::i32},            // 0x4122: images, 0x4120: spectra
    {"tag_type_id", 10, FieldType::i32},            // 0x4152: time, 0x4142: time and position
    {"total_number_elements", 14, FieldType::i32},  // places in the offset tables
    {"valid_number_elements", 18, FieldType::i32},  // elements written
}};

inline constexpr std::array<Field, 6> ser_element_fields{{
    {"calibration_offset_x", 0, FieldType::f64},  // of the calibration element
    {"calibration_delta_x", 8, FieldType::f64},   // pixel spacing, metres or 1/metres
    {"calibration_element_x", 16, FieldType::i32},
    {"calibration_offset_y", 20, FieldType::f64},
    {"calibration_delta_y", 28, FieldType::f64},
    {"calibration_element_y", 36, FieldType::i32},
}};

inline constexpr std::int64_t ser_little_endian = 0x4949, ser_series_id = 0x0197, ser_images = 0x4122,
                              ser_spectra = 0x4120;
inline constexpr std::uint64_t ser_element_bytes = 40;  // calibration, before the TIA raw header

struct ParsedSer {
  Header header;                    // the series, and the calibration of its first element
  FrameLayout layout;               // flat over all elements
  std::vector<std::int64_t> times;  // seconds since 1970 (UTC) of each element; empty when no tag could be read
};

namespace detail {

inline std::vector<std::byte> read_bytes(const Source& source, std::uint64_t offset, std::uint64_t count,
                                         std::string_view field) {
  const std::uint64_t available = source.available();
  if (offset > available || available - offset < count)
    throw Error(Fault::truncated, std::string(field),
                std::to_string(count) + " bytes at byte " + std::to_string(offset),
                std::to_string(available) + " bytes in all", std::min(offset, available));
  std::vector<std::byte> bytes(count);
  source.read(offset, bytes);
  return bytes;
}

// One table of the file: `count` offsets of 4 or 8 bytes.
inline std::vector<std::uint64_t> ser_offsets(const Source& source, std::uint64_t position, std::uint64_t count,
                                              bool wide) {
  const std::uint64_t size = wide ? 8 : 4;
  const auto bytes = read_bytes(source, position, checked_product(count, size, "offset table"), "offset table");
  std::vector<std::uint64_t> offsets;
  offsets.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i)
    offsets.push_back(wide ? load<std::uint64_t>(bytes, i * 8, ByteOrder::little, "offset table")
                           : load<std::uint32_t>(bytes, i * 4, ByteOrder::little, "offset table"));
  return offsets;
}

// A tag is the 16-bit type that the series announces, 16 bits of padding, and the time. Some files have offsets that
// point elsewhere, so the type is checked. Times are a courtesy: a broken tag gives none.
inline std::vector<std::int64_t> ser_times(const Source& source, const std::vector<std::uint64_t>& tags,
                                           std::int64_t type) {
  std::vector<std::int64_t> times;
  for (const std::uint64_t offset : tags) {
    if (offset > source.size() || source.size() - offset < 8) return {};
    const auto bytes = read_bytes(source, offset, 8, "tag");
    if (load<std::uint16_t>(bytes, 0, ByteOrder::little, "tag") != type) return {};
    times.push_back(load<std::uint32_t>(bytes, 4, ByteOrder::little, "tag"));
  }
  return times;
}

inline void ser_require_tags_behind_pixels(const FrameLayout& layout, const std::vector<std::uint64_t>& tags) {
  for (std::uint64_t i = 0; i < layout.nframes; ++i) {
    const std::uint64_t end = layout.offsets[i] + layout.frame_bytes();
    if (tags[i] != end)
      throw Error(Fault::format, "element " + std::to_string(i),
                  "its tag at byte " + std::to_string(end) + ", behind its pixels",
                  "it at byte " + std::to_string(tags[i]), layout.offsets[i]);
  }
}

}  // namespace detail

// TIA writes the tag of an element right behind its pixels, so a damaged size shows: `strict` refuses what does not
// fit.
inline ParsedSer parse_ser(const Source& source, bool strict = true) {
  const auto head = detail::read_bytes(source, 0, 34, "header");
  Header header = load_fields(head, ser_fields, 0, ByteOrder::little);
  const auto require = [&](std::string_view name, std::int64_t expected) {
    if (integer(header, name) != expected)
      throw Error(Fault::format, std::string(name), std::to_string(expected), std::to_string(integer(header, name)));
  };
  require("byte_order", ser_little_endian);
  require("series_id", ser_series_id);
  const std::int64_t version = integer(header, "series_version");
  if (version < 0x0200 || version > 0x02ff)
    throw Error(Fault::unsupported, "series_version", "0x0210 or 0x0220", std::to_string(version), 4);
  if (integer(header, "data_type_id") == ser_spectra)
    throw Error(Fault::unsupported, "data_type_id", "16674 (images)", "16672 (spectra)", 6);
  require("data_type_id", ser_images);

  const bool wide = version >= 0x0220;
  const std::uint64_t total = positive(header, "total_number_elements");
  const std::uint64_t valid = positive(header, "valid_number_elements");
  if (valid > total)
    throw Error(Fault::format, "valid_number_elements", "at most " + std::to_string(total), std::to_string(valid), 18);
  const std::uint64_t table = wide ? load<std::uint64_t>(head, 22, ByteOrder::little, "offset_array_offset")
                                   : load<std::uint32_t>(head, 22, ByteOrder::little, "offset_array_offset");
  header.emplace_back("offset_array_offset", static_cast<std::int64_t>(table));
  header.emplace_back("number_dimensions",
                      load<std::int32_t>(head, wide ? 30 : 26, ByteOrder::little, "number_dimensions"));

  ParsedSer parsed;
  const auto elements = detail::ser_offsets(source, table, valid, wide);
  for (std::uint64_t i = 0; i < valid; ++i) {
    const auto bytes = detail::read_bytes(source, elements[i], ser_element_bytes + tia_raw_header_bytes,
                                          "element " + std::to_string(i));
    Parsed element =
        parse_tia_element(bytes, ser_element_bytes, checked_sum(elements[i], ser_element_bytes, "element offset"));
    if (i == 0) {
      parsed.layout = element.layout;
      for (auto& field : load_fields(bytes, ser_element_fields, 0, ByteOrder::little))
        header.push_back(std::move(field));
      for (auto& field : element.header) header.push_back(std::move(field));
    } else if (element.layout.type != parsed.layout.type || element.layout.width != parsed.layout.width ||
               element.layout.height != parsed.layout.height) {
      throw Error(Fault::unsupported, "element " + std::to_string(i),
                  parsed.layout.shape_text() + " " + std::string(info(parsed.layout.type).name) + " as in element 0",
                  element.layout.shape_text() + " " + std::string(info(element.layout.type).name), elements[i]);
    }
    parsed.layout.offsets.push_back(element.layout.first);
  }
  parsed.layout.nframes = valid;
  parsed.layout.require_within(source.size());
  const std::uint64_t tag_table = checked_sum(table, checked_product(total, wide ? 8 : 4, "tag table"), "tag table");
  if (tag_table <= source.size() && (source.size() - tag_table) / (wide ? 8 : 4) >= valid) {
    const auto tags = detail::ser_offsets(source, tag_table, valid, wide);
    parsed.times = detail::ser_times(source, tags, integer(header, "tag_type_id"));
    if (strict && !parsed.times.empty()) detail::ser_require_tags_behind_pixels(parsed.layout, tags);
  }
  parsed.header = std::move(header);
  return parsed;
}

}  // namespace braggio
