// The rows of one STAR block into the wanted columns, streamed.
//
// Plain rows, nearly all, are taken some hundreds at a time, column by column; a row that is not plain, and any that a
// column does not take, goes to `fill_row`, which knows the whole grammar and refuses with the line.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/dictionary.hpp"
#include "braggio/error.hpp"
#include "braggio/lines.hpp"
#include "braggio/number.hpp"
#include "braggio/number_simd.hpp"
#include "braggio/parallel.hpp"
#include "braggio/source.hpp"
#include "braggio/star_blocks.hpp"
#include "braggio/star_tokens.hpp"

namespace braggio {

// What a cell of a column becomes. image: "000012@stack.mrcs" split into a coded stack name and the number as written.
enum class CellKind : std::uint8_t { skip, integer, real, text, image };

// Numbers of image names that are not <digits>@<path>; the whole token then stands in the dictionary.
enum class BadImage : std::int32_t { no_at = -1, not_a_number = -2, two_ats = -3 };

struct StarColumn {
  CellKind kind = CellKind::skip;
  bool guessed = false;              // a cell that does not fit sets `failed` instead of refusing the file
  bool may_be_empty = false;         // as the second of two columns: RELION's job files leave values out
  std::int64_t* integers = nullptr;  // where the cells go, by kind; each has room for every row
  double* reals = nullptr;
  std::int32_t* codes = nullptr;
  std::int32_t* numbers = nullptr;
  Dictionary* dictionary = nullptr;
  bool failed = false;
  bool integral = true;    // every real was written as an integer
  bool six_digits = true;  // every image number was written with six digits or more, zero-padded
};

namespace detail {

inline constexpr double largest_exact = 9007199254740992.0;  // of the integers that a double holds

inline bool is_missing(std::string_view token) { return token == "<NA>" || token == "nan" || token == "NaN"; }

// `token` as number and stack name; a name that is neither keeps the whole token.
inline void store_image(StarColumn& column, std::uint64_t row, std::string_view token) {
  const auto at = token.find('@');
  std::int32_t number = static_cast<std::int32_t>(BadImage::no_at);
  std::string_view stack = token;
  if (at != std::string_view::npos) {
    const std::string_view digits = token.substr(0, at);
    std::int64_t value = 0;
    const bool plain =
        !digits.empty() && is_digit(digits.front()) && parse_integer(digits, value) && value <= 0x7fffffff;
    if (token.find('@', at + 1) != std::string_view::npos) {
      number = static_cast<std::int32_t>(BadImage::two_ats);
    } else if (!plain) {
      number = static_cast<std::int32_t>(BadImage::not_a_number);
    } else {
      number = static_cast<std::int32_t>(value);
      stack = token.substr(at + 1);
      if (digits.size() < 6 || (digits.size() > 6 && digits.front() == '0')) column.six_digits = false;
    }
  }
  if (number < 0) column.six_digits = false;
  column.numbers[row] = number;
  column.codes[row] = column.dictionary->code(stack);
}

// False when the token does not fit the kind.
inline bool store_cell(StarColumn& column, std::uint64_t row, std::string_view token, bool quoted) {
  switch (column.kind) {
    case CellKind::skip: return true;
    case CellKind::integer: return !(quoted && column.guessed) && parse_integer(token, column.integers[row]);
    case CellKind::real: {
      if (quoted && column.guessed) return false;
      Real real = parse_real(token);
      if (!real.ok && is_missing(token)) real = {std::numeric_limits<double>::quiet_NaN(), false, true};
      column.reals[row] = real.value;
      column.integral = column.integral && real.integral;
      // A guess must not round: integers that a double does not hold (64-bit uids) stay texts.
      if (column.guessed && real.integral && std::fabs(real.value) > largest_exact) return false;
      return real.ok;
    }
    case CellKind::text: column.codes[row] = column.dictionary->code(token); return true;
    case CellKind::image: store_image(column, row, token); return true;
  }
  return true;
}

inline void store_empty(StarColumn& column, std::uint64_t row) {
  if (column.kind == CellKind::text) column.codes[row] = column.dictionary->code("");
  if (column.kind != CellKind::text && column.kind != CellKind::skip) {
    column.failed = true;
    column.kind = CellKind::skip;
  }
}

[[noreturn]] inline void refuse_cell(const StarBlock& block, const StarColumn& column, std::size_t i,
                                     std::string_view token, std::uint64_t number) {
  refuse_line(number, "data_" + block.name + ": " + block.labels[i],
              column.kind == CellKind::integer ? "an integer" : "a number", quoted_token(token));
}

inline void fail_guess(StarColumn& column) {
  column.failed = true;
  column.kind = CellKind::skip;
}

inline void fill_row(const StarBlock& block, std::span<StarColumn> columns, std::uint64_t row, std::string_view line,
                     std::uint64_t number) {
  Tokens tokens(line, number);
  std::string_view token;
  std::size_t i = 0;
  for (; i < columns.size() && tokens.next(token); ++i) {
    StarColumn& column = columns[i];
    if (store_cell(column, row, token, tokens.quoted())) continue;
    if (!column.guessed) refuse_cell(block, column, i, token, number);
    fail_guess(column);
  }
  const bool cut = !block.terminated && row + 1 == block.rows;  // the file may end within this row
  if (i == 1 && columns.size() == 2 && columns[1].may_be_empty && !cut) return store_empty(columns[1], row);
  if (i == columns.size() && !tokens.next(token)) return;
  std::size_t found = i;
  if (i == columns.size())
    for (++found; tokens.next(token);) ++found;
  throw Error(cut && i < columns.size() ? Fault::truncated : Fault::format, line_field(number) + ": data_" + block.name,
              std::to_string(columns.size()) + " columns", std::to_string(found));
}

}  // namespace detail

// What the cells of the first row look like: integer, real or text, one per label; text where there is no row.
inline std::vector<CellKind> guess_kinds(const Source& source, const StarBlock& block) {
  std::vector<CellKind> kinds(block.labels.size(), CellKind::text);
  if (block.rows == 0) return kinds;
  Lines lines(source, block.first, block.first_line);
  std::string_view line, token;
  lines.next(line);
  Tokens tokens(line, lines.number());
  for (std::size_t i = 0; i < kinds.size() && tokens.next(token); ++i) {
    std::int64_t integer = 0;
    if (tokens.quoted()) continue;
    if (parse_integer(token, integer))
      kinds[i] = CellKind::integer;
    else if (parse_real(token).ok || detail::is_missing(token))
      kinds[i] = CellKind::real;
  }
  return kinds;
}

namespace detail {

struct PlainColumn {
  const PlainRows& rows;
  std::size_t column;

  const char* end(std::size_t row) const { return rows.end(row, column); }
  std::string_view text(std::size_t row) const { return rows(row, column); }
};

// Plain cells of one column into it, from `row` on; false where one does not fit, and the rows must be taken singly.
inline bool fill_column(StarColumn& column, std::uint64_t row, const PlainRows& rows, std::size_t i, Level level) {
  const std::size_t count = rows.rows();
  switch (column.kind) {
    case CellKind::skip: return true;
    case CellKind::integer:
      for (std::size_t k = 0; k < count; ++k)
        if (!parse_ended_integer(rows.end(k, i), column.integers[row + k]) &&
            !parse_integer(rows(k, i), column.integers[row + k]))
          return false;
      return true;
    case CellKind::real: {
      bool integral = true;
      const auto take = [&](const Real& real) {
        integral &= real.integral;
        return real.ok && !(column.guessed && real.integral && std::fabs(real.value) > largest_exact);
      };
      if (!parse_reals(level, count, PlainColumn{rows, i}, column.reals + row, take)) return false;
      column.integral = column.integral && integral;
      return true;
    }
    case CellKind::text:
      for (std::size_t k = 0; k < count; ++k) column.codes[row + k] = column.dictionary->code(rows(k, i));
      return true;
    case CellKind::image:
      for (std::size_t k = 0; k < count; ++k) store_image(column, row + k, rows(k, i));
      return true;
  }
  return true;
}

inline bool fill_columns(std::span<StarColumn> columns, std::uint64_t row, const PlainRows& rows, Level level) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (!fill_column(columns[i], row, rows, i, level)) return false;
  return true;
}

// The rows of a block from one mark up to another.
struct RowRange {
  StarMark start;
  std::uint64_t stop = 0;
};

class StarFiller {
 public:
  StarFiller(const Source& source, const StarBlock& block, const RowRange& range, std::span<StarColumn> columns)
      : block_(block),
        columns_(columns),
        lines_(source, range.start.offset, range.start.line),
        plain_(columns.size(), batch_rows(columns.size())),
        row_(range.start.row),
        stop_(range.stop) {}

  void fill() {
    for (std::string_view line; row_ < stop_;) {
      if (!lines_.next(line))
        throw Error(Fault::truncated, "data_" + block_.name, std::to_string(block_.rows) + " rows",
                    std::to_string(row_));
      if (lines_.number() == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
      take_batch(line);
    }
  }

 private:
  // Cells whose edges stay in L1 and L2 together with the text.
  static std::size_t batch_rows(std::size_t columns) { return std::max<std::size_t>(1, 8192 / columns); }

  bool wanting() const { return row_ + plain_.rows() < stop_ && !plain_.full(); }

  // The lines that the buffer holds, from `line` on: plain ones together, up to the first that is not.
  void take_batch(std::string_view line) {
    plain_.clear(line.data());
    taken_.clear();
    bool more = true;
    while (more && wanting() && plain_.add(line)) {
      taken_.push_back({line, lines_.number()});
      more = wanting() && lines_.next_buffered(line);
    }
    const bool odd = more && wanting();
    const std::uint64_t number = lines_.number();
    if (!fill_columns(columns_, row_, plain_, level_))
      for (std::size_t k = 0; k < taken_.size(); ++k)
        fill_row(block_, columns_, row_ + k, taken_[k].line, taken_[k].number);
    row_ += taken_.size();
    if (odd) take_odd(line, number);
  }

  void take_odd(std::string_view line, std::uint64_t number) {
    std::size_t at = 0;
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size() || line[at] == '#') return;
    fill_row(block_, columns_, row_, line, number);
    ++row_;
  }

  struct Taken {
    std::string_view line;
    std::uint64_t number;
  };

  const StarBlock& block_;
  std::span<StarColumn> columns_;
  Lines lines_;
  PlainRows plain_;
  Level level_ = chosen_level();
  std::vector<Taken> taken_;
  std::uint64_t row_, stop_;
};

// The rows in `parts` ranges of about as many bytes, or in fewer.
inline std::vector<RowRange> row_ranges(const StarBlock& block, std::size_t parts) {
  std::vector<RowRange> ranges{{{0, block.first, block.first_line}, block.rows}};
  for (std::size_t part = 1; part < parts; ++part) {
    const std::size_t place = part * block.marks.size() / parts;
    if (place >= block.marks.size() || block.marks[place].row <= ranges.back().start.row) continue;
    ranges.back().stop = block.marks[place].row;
    ranges.push_back({block.marks[place], block.rows});
  }
  return ranges;
}

// Codes of a range that had a dictionary of its own, made those of the column's: in order of first appearance, as if
// the rows had been read one after the other.
inline void recode(StarColumn& column, const Dictionary& own, const RowRange& range) {
  std::vector<std::int32_t> codes(own.size());
  for (std::size_t code = 0; code < own.size(); ++code) codes[code] = column.dictionary->code(own[code]);
  for (std::uint64_t row = range.start.row; row < range.stop; ++row)
    column.codes[row] = codes[static_cast<std::size_t>(column.codes[row])];
}

// What one range found out about a column.
inline void join_range(StarColumn& column, const StarColumn& part, const RowRange& range) {
  column.failed = column.failed || part.failed;
  column.integral = column.integral && part.integral;
  column.six_digits = column.six_digits && part.six_digits;
  if (part.kind == CellKind::text || part.kind == CellKind::image) recode(column, *part.dictionary, range);
}

}  // namespace detail

// Read the rows of a loop block into `columns`, one per label. `threads` share the rows of a large block; the columns
// do not depend on how many they are.
inline void fill_star(const Source& source, const StarBlock& block, std::span<StarColumn> columns,
                      std::size_t threads = 1) {
  if (columns.size() != block.labels.size())
    throw Error(Fault::format, "columns", std::to_string(block.labels.size()), std::to_string(columns.size()));
  if (block.rows == 0) return;
  const std::vector<detail::RowRange> ranges = detail::row_ranges(block, threads);
  std::vector<std::vector<StarColumn>> parts(ranges.size(), {columns.begin(), columns.end()});
  std::vector<std::vector<Dictionary>> dictionaries(ranges.size(), std::vector<Dictionary>(columns.size()));
  for (std::size_t part = 1; part < ranges.size(); ++part)
    for (std::size_t i = 0; i < columns.size(); ++i) parts[part][i].dictionary = &dictionaries[part][i];
  for_ranges(ranges.size(), ranges.size(), [&](std::size_t start, std::size_t stop, std::size_t) {
    for (std::size_t part = start; part < stop; ++part)
      detail::StarFiller(source, block, ranges[part], parts[part]).fill();
  });
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i] = parts[0][i];
    for (std::size_t part = 1; part < ranges.size(); ++part)
      detail::join_range(columns[i], parts[part][i], ranges[part]);
    if (columns[i].failed) columns[i].kind = CellKind::skip;
  }
}

}  // namespace braggio
