// Columns to STAR rows, in RELION's layout or loss-free.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/error.hpp"
#include "braggio/number.hpp"

namespace braggio {

// relion: %12.6f and its relatives. exact: the shortest decimals that read back to the same double. decimals: %.<n>f.
struct RealFormat {
  enum class Style : std::uint8_t { relion, exact, decimals } style = Style::relion;
  int decimals = 6;
};

struct TextColumn {
  enum class Kind : std::uint8_t { integer, real, text, image } kind = Kind::integer;
  const std::int64_t* integers = nullptr;
  const double* reals = nullptr;
  const std::int32_t* codes = nullptr;    // into `texts`
  const std::int32_t* numbers = nullptr;  // of images, 1-based
  std::vector<std::string> texts;         // as they are to stand in the file: quoted where they need it
};

struct RowStyle {
  RealFormat real;
  bool padded = true;  // RELION's column widths; else one separator between cells
  char separator = ' ';
  std::string missing = "nan";
};

namespace detail {

inline constexpr std::size_t number_width = 12, text_width = 10;

// RELION: %12.6f, %12.5f for negatives; exponents for what is below 1e-3 or above 1e5 in size.
inline char* format_relion(char* out, char* end, double value) {
  const double size = std::fabs(value);
  const int decimals = value < 0 ? 5 : 6;
  if ((size > 0 && size < 1e-3) || size > 1e5)
    return std::to_chars(out, end, value, std::chars_format::scientific, decimals).ptr;
  return format_fixed(out, end, value, decimals);
}

// With ".0" where the shortest decimals look like an integer, so that the column stays one of reals.
inline char* format_exact(char* out, char* end, double value) {
  char* last = std::to_chars(out, end, value).ptr;
  if (std::string_view(out, static_cast<std::size_t>(last - out)).find_first_of(".en") != std::string_view::npos)
    return last;
  *last++ = '.';
  *last++ = '0';
  return last;
}

inline void append_padded(std::string& out, std::string_view text, std::size_t width, bool right) {
  const std::size_t blanks = text.size() < width ? width - text.size() : 0;
  if (right) out.append(blanks, ' ');
  out.append(text);
  if (!right) out.append(blanks, ' ');
}

inline void append_real(std::string& out, double value, const RowStyle& style) {
  if (std::isnan(value)) return append_padded(out, style.missing, style.padded ? number_width : 0, true);
  std::array<char, 400> text;  // the longest double in %f has 309 digits before the point
  char* const end = text.data() + text.size();
  char* last = nullptr;
  switch (style.real.style) {
    case RealFormat::Style::relion: last = format_relion(text.data(), end, value); break;
    case RealFormat::Style::exact: last = format_exact(text.data(), end, value); break;
    case RealFormat::Style::decimals: last = format_fixed(text.data(), end, value, style.real.decimals); break;
  }
  append_padded(out, {text.data(), static_cast<std::size_t>(last - text.data())}, style.padded ? number_width : 0,
                true);
}

inline void append_integer(std::string& out, std::int64_t value, std::size_t width) {
  std::array<char, 24> text;
  const char* last = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  append_padded(out, {text.data(), static_cast<std::size_t>(last - text.data())}, width, true);
}

inline void append_image(std::string& out, std::int32_t number, std::string_view stack) {
  std::array<char, 16> text;
  const char* last = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  const auto digits = static_cast<std::size_t>(last - text.data());
  if (digits < 6) out.append(6 - digits, '0');
  out.append(text.data(), digits);
  out += '@';
  out.append(stack);
}

inline void append_cell(std::string& out, const TextColumn& column, std::size_t row, const RowStyle& style) {
  switch (column.kind) {
    case TextColumn::Kind::integer: return append_integer(out, column.integers[row], style.padded ? number_width : 0);
    case TextColumn::Kind::real: return append_real(out, column.reals[row], style);
    case TextColumn::Kind::text:
      return append_padded(out, column.texts[static_cast<std::size_t>(column.codes[row])],
                           style.padded ? text_width : 0, false);
    case TextColumn::Kind::image:
      return append_image(out, column.numbers[row], column.texts[static_cast<std::size_t>(column.codes[row])]);
  }
}

}  // namespace detail

// Rows [start, stop) appended to `out`. Codes must lie within the texts (`require_codes`).
inline void append_rows(std::string& out, std::span<const TextColumn> columns, std::size_t start, std::size_t stop,
                        const RowStyle& style) {
  for (std::size_t row = start; row < stop; ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i != 0) out += style.separator;
      detail::append_cell(out, columns[i], row, style);
    }
    if (style.padded) out += ' ';  // RELION ends every row so
    out += '\n';
  }
}

inline void require_codes(const TextColumn& column, std::size_t rows) {
  for (std::size_t row = 0; row < rows; ++row)
    if (column.codes[row] < 0 || static_cast<std::size_t>(column.codes[row]) >= column.texts.size())
      throw Error(Fault::format, "code", "0.." + std::to_string(column.texts.size()),
                  std::to_string(column.codes[row]));
}

}  // namespace braggio
