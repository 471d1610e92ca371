// SMV: a text header of KEY=value; lines between braces, padded to HEADER_BYTES, then one frame.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/layout.hpp"
#include "braggio/source.hpp"

namespace braggio {

using TextHeader = std::vector<std::pair<std::string, std::string>>;  // in file order

struct ParsedText {
  TextHeader header;
  FrameLayout layout;
};

inline constexpr std::uint64_t smv_search_bytes = std::uint64_t{1} << 16;  // where HEADER_BYTES may stand
inline constexpr std::uint64_t smv_max_header = std::uint64_t{1} << 24;
inline constexpr std::size_t smv_max_entries = 4096;

namespace detail {

// Text of a file as an error may repeat it: printable ASCII, and not much of it.
inline std::string quoted(std::string_view text) {
  constexpr std::size_t enough = 60;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string shown = "'";
  for (const char c : text.substr(0, enough)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f)
      shown += c;
    else
      (shown += "\\x").append({digits[byte >> 4], digits[byte & 15]});
  }
  return shown + (text.size() > enough ? "...'" : "'");
}

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks(" \t\r\n\f\v\0", 7);
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// KEY=value entries, ended by ';' or by the line, until a line that is just '}'. Values may hold braces and '='.
inline TextHeader smv_entries(std::string_view text) {
  TextHeader entries;
  text.remove_prefix(1);  // '{'
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty()) {
      const auto semicolon = line.find(';');
      const std::string_view entry = trimmed(line.substr(0, semicolon));
      line.remove_prefix(semicolon == std::string_view::npos ? line.size() : semicolon + 1);
      if (entry == "}") return entries;
      const auto equals = entry.find('=');
      if (equals == std::string_view::npos || equals == 0) continue;  // no key
      if (entries.size() == smv_max_entries)
        throw Error(Fault::limit, "header", "at most " + std::to_string(smv_max_entries) + " entries", "more");
      entries.emplace_back(trimmed(entry.substr(0, equals)), trimmed(entry.substr(equals + 1)));
    }
  }
  return entries;
}

inline std::optional<std::string_view> find(const TextHeader& header, std::string_view key) {
  for (const auto& [name, value] : header)
    if (name == key) return value;
  return std::nullopt;
}

inline std::uint64_t smv_number(const TextHeader& header, std::string_view key) {
  const auto text = find(header, key);
  if (!text) throw Error(Fault::format, std::string(key), "a positive integer", "no such key");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size() || number == 0)
    throw Error(Fault::format, std::string(key), "a positive integer", quoted(*text));
  return number;
}

// TYPE as ADSC and its followers write it; Data_type as d*TREK does (where TYPE names the detector).
inline PixelType smv_pixel_type(const TextHeader& header) {
  constexpr std::array<std::pair<std::string_view, PixelType>, 13> names{{
      {"unsigned_short", PixelType::u16},
      {"signed_short", PixelType::i16},
      {"unsigned_int", PixelType::u32},
      {"signed_int", PixelType::i32},
      {"unsigned_char", PixelType::u8},
      {"float", PixelType::f32},
      {"signed char", PixelType::i8},
      {"unsigned char", PixelType::u8},
      {"short int", PixelType::i16},
      {"unsigned short int", PixelType::u16},
      {"long int", PixelType::i32},
      {"unsigned long int", PixelType::u32},
      {"float IEEE", PixelType::f32},
  }};
  const std::string_view key = find(header, "Data_type") ? "Data_type" : "TYPE";
  const auto text = find(header, key);
  if (!text) throw Error(Fault::format, "TYPE", "a pixel type", "neither TYPE nor Data_type");
  for (const auto& [name, type] : names)
    if (name == *text) return type;
  throw Error(Fault::unsupported, std::string(key), "unsigned_short or a d*TREK type", quoted(*text));
}

// `strict` wants the key: a damaged one must not turn the bytes round. Otherwise a file without it is little-endian.
inline ByteOrder smv_byte_order(const TextHeader& header, bool strict) {
  const auto text = find(header, "BYTE_ORDER");
  if (!text && strict) throw Error(Fault::format, "BYTE_ORDER", "little_endian or big_endian", "no such key");
  if (!text || *text == "little_endian") return ByteOrder::little;
  if (*text == "big_endian") return ByteOrder::big;
  throw Error(Fault::format, "BYTE_ORDER", "little_endian or big_endian", quoted(*text));
}

inline std::string read_text(const Source& source, std::uint64_t count) {
  std::string text(count, '\0');
  source.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace detail

inline ParsedText parse_smv(const Source& source, bool strict = true) {
  const std::uint64_t available = source.available();
  const std::string start = detail::read_text(source, std::min(available, smv_search_bytes));
  if (start.empty()) throw Error(Fault::truncated, "header", "an SMV header", "an empty file", 0);
  if (start.front() != '{') throw Error(Fault::format, "magic", "'{'", "another byte", 0);
  if (available < smv_search_bytes && start.find('}') == std::string::npos)
    throw Error(Fault::truncated, "header", "a closing brace", "none in " + std::to_string(start.size()) + " bytes",
                start.size());
  const std::uint64_t header_bytes = detail::smv_number(detail::smv_entries(start), "HEADER_BYTES");
  if (header_bytes > smv_max_header)
    throw Error(Fault::limit, "HEADER_BYTES", "at most 16 MiB", std::to_string(header_bytes));
  if (header_bytes > available)
    throw Error(Fault::truncated, "HEADER_BYTES", "at most the file's " + std::to_string(available) + " bytes",
                std::to_string(header_bytes));

  ParsedText parsed;
  parsed.header = detail::smv_entries(detail::read_text(source, header_bytes));
  if (const auto compression = detail::find(parsed.header, "COMPRESSION"); compression && *compression != "None")
    throw Error(Fault::unsupported, "COMPRESSION", "None", detail::quoted(*compression));
  parsed.layout.type = detail::smv_pixel_type(parsed.header);
  parsed.layout.order = detail::smv_byte_order(parsed.header, strict);
  parsed.layout.width = detail::smv_number(parsed.header, "SIZE1");
  parsed.layout.height = detail::smv_number(parsed.header, "SIZE2");
  parsed.layout.nframes = 1;
  parsed.layout.first = header_bytes;
  parsed.layout.require_within(source.size());
  return parsed;
}

}  // namespace braggio
