// The rows of one STAR block into the wanted columns, in one pass.
//
// Plain rows, nearly all, are taken some hundreds at a time, column by column; a row that is not plain, and any that a
// column does not take, goes to `fill_row`, which knows the whole grammar and refuses with the line.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/dictionary.hpp"
#include "braggio/error.hpp"
#include "braggio/growing.hpp"
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
  bool guessed = false;            // a cell that does not fit sets `failed` instead of refusing the file
  bool may_be_empty = false;       // as the second of two columns: RELION's job files leave values out
  Growing<std::int64_t> integers;  // where the cells go, by kind; with room for more rows than there are
  Growing<double> reals;
  Growing<std::int32_t> codes, numbers;
  Dictionary dictionary;
  bool failed = false;
  bool integral = true;    // every real was written as an integer
  bool six_digits = true;  // every image number was written with six digits or more, zero-padded
};

namespace detail {

inline constexpr double largest_exact = 9007199254740992.0;  // of the integers that a double holds

inline bool is_missing(std::string_view token) { return token == "<NA>" || token == "nan" || token == "NaN"; }

// What the rows that one thread has read say of a column.
struct ColumnFound {
  bool failed = false, integral = true, six_digits = true;
};

// `token` as number and stack name; a name that is neither keeps the whole token.
inline void store_image(StarColumn& column, ColumnFound& found, std::uint64_t row, std::string_view token) {
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
      if (digits.size() < 6 || (digits.size() > 6 && digits.front() == '0')) found.six_digits = false;
    }
  }
  if (number < 0) found.six_digits = false;
  column.numbers[row] = number;
  column.codes[row] = column.dictionary.code(stack);
}

// False when the token does not fit the kind.
inline bool store_cell(StarColumn& column, ColumnFound& found, std::uint64_t row, std::string_view token, bool quoted) {
  switch (column.kind) {
    case CellKind::skip: return true;
    case CellKind::integer: return !(quoted && column.guessed) && parse_integer(token, column.integers[row]);
    case CellKind::real: {
      if (quoted && column.guessed) return false;
      Real real = parse_real(token);
      if (!real.ok && is_missing(token)) real = {std::numeric_limits<double>::quiet_NaN(), false, true};
      column.reals[row] = real.value;
      found.integral = found.integral && real.integral;
      // A guess must not round: integers that a double does not hold (64-bit uids) stay texts.
      if (column.guessed && real.integral && std::fabs(real.value) > largest_exact) return false;
      return real.ok;
    }
    case CellKind::text: column.codes[row] = column.dictionary.code(token); return true;
    case CellKind::image: store_image(column, found, row, token); return true;
  }
  return true;
}

[[noreturn]] inline void refuse_cell(const StarBlock& block, const StarColumn& column, std::size_t i,
                                     std::string_view token, std::uint64_t number) {
  refuse_line(number, "data_" + block.name + ": " + block.labels[i],
              column.kind == CellKind::integer ? "an integer" : "a number", quoted_token(token));
}

inline void fill_row(const StarBlock& block, std::span<StarColumn> columns, std::span<ColumnFound> found,
                     std::uint64_t row, const StarLine& line) {
  Tokens tokens(line.text, line.number);
  std::string_view token;
  std::size_t i = 0;
  for (; i < columns.size() && tokens.next(token); ++i) {
    if (found[i].failed || store_cell(columns[i], found[i], row, token, tokens.quoted())) continue;
    if (!columns[i].guessed) refuse_cell(block, columns[i], i, token, line.number);
    found[i].failed = true;
  }
  const bool cut = !line.terminated;  // the file may end within this row
  if (i == 1 && columns.size() == 2 && columns[1].may_be_empty && !cut) {
    found[1].failed = found[1].failed || (columns[1].kind != CellKind::text && columns[1].kind != CellKind::skip);
    if (columns[1].kind == CellKind::text) columns[1].codes[row] = columns[1].dictionary.code("");
    return;
  }
  if (i == columns.size() && !tokens.next(token)) return;
  std::size_t count = i;
  if (i == columns.size())
    for (++count; tokens.next(token);) ++count;
  throw Error(cut && i < columns.size() ? Fault::truncated : Fault::format,
              line_field(line.number) + ": data_" + block.name, std::to_string(columns.size()) + " columns",
              std::to_string(count));
}

struct PlainColumn {
  const PlainRows& rows;
  std::size_t column;

  const char* end(std::size_t row) const { return rows.end(row, column); }
  std::string_view text(std::size_t row) const { return rows(row, column); }
};

// Plain cells of a column of texts or images into it, from `row` on.
inline void fill_texts(StarColumn& column, ColumnFound& found, std::uint64_t row, const PlainColumn& cells,
                       std::size_t count) {
  if (column.kind == CellKind::text)
    for (std::size_t k = 0; k < count; ++k) column.codes[row + k] = column.dictionary.code(cells.text(k));
  if (column.kind == CellKind::image)
    for (std::size_t k = 0; k < count; ++k) store_image(column, found, row + k, cells.text(k));
}

// The same for a column of numbers; false where a cell is not one that is written as usual.
inline bool fill_numbers(const StarColumn& column, ColumnFound& found, std::uint64_t row, const PlainColumn& cells,
                         std::size_t count, Level level) {
  if (column.kind == CellKind::integer) {
    for (std::size_t k = 0; k < count; ++k)
      if (!parse_ended_integer(cells.end(k), column.integers[row + k]) &&
          !parse_integer(cells.text(k), column.integers[row + k]))
        return false;
  }
  if (column.kind == CellKind::real) {
    bool integral = true;
    const auto take = [&](const Real& real) {
      integral &= real.integral;
      return real.ok && !(column.guessed && real.integral && std::fabs(real.value) > largest_exact);
    };
    if (!parse_reals(level, count, cells, column.reals.data() + row, take)) return false;
    found.integral = found.integral && integral;
  }
  return true;
}

// Plain rows that follow one another, on their way into the columns.
struct StarBatch {
  explicit StarBatch(std::size_t columns) : plain(columns, rows_of(columns)) {}

  // Cells whose edges stay in L1 and L2 together with the text.
  static std::size_t rows_of(std::size_t columns) { return std::max<std::size_t>(1, 8192 / columns); }

  PlainRows plain;
  std::shared_ptr<const void> text;            // keeps the lines
  std::uint64_t order = 0, row = 0, line = 0;  // among all batches; the first row and its line
};

// Threads take batches of rows in turn. Under a lock, in the order of the file: finding rows, coding texts, and the
// rows that are not plain; beside one another: numbers.
class StarFiller {
 public:
  StarFiller(StarScanner& scanner, std::span<StarColumn> columns)
      : scanner_(scanner), block_(scanner.block()), columns_(columns) {}

  void fill(std::size_t threads) {
    if (!work(batches_alone)) {
      const std::uint64_t left = scanner_.source().size() - scanner_.lines().next_offset();
      const auto shares = static_cast<std::size_t>(std::min<std::uint64_t>(threads, 1 + left / bytes_shared));
      for_ranges(shares, shares, [&](std::size_t, std::size_t, std::size_t) { work(~std::size_t{0}); });
    }
    if (error_) std::rethrow_exception(error_);
    finish();
  }

 private:
  // A thread is not worth its start for less than these.
  static constexpr std::size_t batches_alone = 8;
  static constexpr std::uint64_t bytes_shared = std::uint64_t{1} << 20;
  static constexpr double most_growth = 64.0;

  // Up to `most` batches; true where there are no more, be it for an error.
  bool work(std::size_t most) {
    StarBatch batch(columns_.size());
    std::vector<ColumnFound> found(columns_.size());
    bool more = true;
    try {
      for (; most > 0 && (more = next(batch, found)); --most) {
        const std::shared_lock lock(moving_);
        fill_numbers(batch, found);
        batch.text.reset();
      }
    } catch (...) {
      more = false;
      const std::scoped_lock lock(taking_);
      stopped_ = true;
      if (!error_ || batch.order < error_order_) {
        error_ = std::current_exception();
        error_order_ = batch.order;
      }
    }
    const std::scoped_lock lock(taking_);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      columns_[i].failed = columns_[i].failed || found[i].failed;
      columns_[i].integral = columns_[i].integral && found[i].integral;
      columns_[i].six_digits = columns_[i].six_digits && found[i].six_digits;
    }
    return !more;
  }

  // The rows that come next: plain ones, or one that is not, which is read here. False behind the last.
  bool next(StarBatch& batch, std::span<ColumnFound> found) {
    const std::scoped_lock lock(taking_);
    batch.order = taken_++;
    if (stopped_) return false;
    const std::uint64_t row = scanner_.block().rows;
    batch.row = row;
    batch.line = scanner_.lines().number() + 1;
    batch.plain.clear(scanner_.lines().buffered().data());
    if (scanner_.in_rows()) take_plain(batch.plain);
    if (const std::size_t count = batch.plain.rows(); count > 0) {
      batch.text = scanner_.lines().keep();
      make_room(row, count);
      for (std::size_t i = 0; i < columns_.size(); ++i) fill_texts(columns_[i], found[i], row, {batch.plain, i}, count);
      return true;
    }
    const std::optional<StarLine> line = scanner_.next_row();
    stopped_ = !line;
    if (!line) return false;
    make_room(row, 1);
    fill_row(block_, columns_, found, row, *line);
    return true;
  }

  void take_plain(PlainRows& plain) {
    while (!plain.full()) {
      const std::string_view lines = scanner_.lines().buffered();
      if (columns_.size() == 1 && may_be_keyword(lines)) return;
      const std::optional<std::size_t> size = plain.add(lines);
      if (!size) return;
      scanner_.pass_row(*size);
    }
  }

  static bool may_be_keyword(std::string_view lines) {
    std::size_t at = 0;
    while (at < lines.size() && is_blank(lines[at])) ++at;
    return at == lines.size() || lines[at] == 'd' || lines[at] == 'D' || lines[at] == 'l' || lines[at] == 'L';
  }

  // Room for `count` rows more: some at first, then for as many as the rest of the file would hold of such rows. It may
  // hold other blocks, so not for wildly more than there are.
  void make_room(std::uint64_t rows, std::size_t count) {
    if (rows + count <= room_) return;
    std::uint64_t room = std::max<std::uint64_t>(rows + count, StarBatch::rows_of(columns_.size()));
    if (rows > 0) {
      const double bytes = static_cast<double>(scanner_.lines().next_offset() - scanner_.block().first);
      const double left = static_cast<double>(scanner_.source().size() - scanner_.lines().next_offset());
      const double more = static_cast<double>(rows + count) * (left / bytes);
      const double rest = std::min(more * 1.02, static_cast<double>(rows + count) * most_growth);
      room = rows + count + std::max(rows / 2, static_cast<std::uint64_t>(rest));
    }
    move_columns(static_cast<std::size_t>(room), static_cast<std::size_t>(rows));
  }

  void move_columns(std::size_t room, std::size_t rows) {
    const std::unique_lock lock(moving_);
    for (StarColumn& column : columns_) {
      if (column.kind == CellKind::integer) column.integers.move_to(room, rows);
      if (column.kind == CellKind::real) column.reals.move_to(room, rows);
      if (column.kind == CellKind::text || column.kind == CellKind::image) column.codes.move_to(room, rows);
      if (column.kind == CellKind::image) column.numbers.move_to(room, rows);
    }
    room_ = room;
  }

  void fill_numbers(const StarBatch& batch, std::span<ColumnFound> found) {
    const std::size_t count = batch.plain.rows();
    std::size_t bad_row = count, bad_column = 0;
    for (std::size_t i = 0; i < columns_.size() && count > 0; ++i) {
      const PlainColumn cells{batch.plain, i};
      if (found[i].failed || detail::fill_numbers(columns_[i], found[i], batch.row, cells, count, level_)) continue;
      const std::size_t bad = fill_singly(columns_[i], found[i], batch.row, cells, count);
      found[i].failed = bad < count;
      if (columns_[i].guessed || bad >= bad_row) continue;
      bad_row = bad;
      bad_column = i;
    }
    if (bad_row < count)
      refuse_cell(block_, columns_[bad_column], bad_column, batch.plain(bad_row, bad_column), batch.line + bad_row);
  }

  // The first cell that does not fit, or their number.
  static std::size_t fill_singly(StarColumn& column, ColumnFound& found, std::uint64_t row, const PlainColumn& cells,
                                 std::size_t count) {
    for (std::size_t k = 0; k < count; ++k)
      if (!store_cell(column, found, row + k, cells.text(k), false)) return k;
    return count;
  }

  void finish() {
    const std::uint64_t rows = scanner_.block().rows;
    if (room_ - rows > rows / 8) move_columns(static_cast<std::size_t>(rows), static_cast<std::size_t>(rows));
    for (StarColumn& column : columns_)
      if (column.failed) column.kind = CellKind::skip;
  }

  StarScanner& scanner_;
  const StarBlock block_;  // its name and labels
  std::span<StarColumn> columns_;
  Level level_ = chosen_level();
  std::mutex taking_;         // the scanner, the dictionaries and what follows
  std::shared_mutex moving_;  // where the columns are
  std::uint64_t taken_ = 0, room_ = 0, error_order_ = 0;
  std::exception_ptr error_;  // of the first batch that has one
  bool stopped_ = false;
};

}  // namespace detail

// What the cells of a row look like: integer, real or text, one per label; text where there is no row.
inline std::vector<CellKind> guess_kinds(std::size_t columns, const std::optional<StarLine>& row) {
  std::vector<CellKind> kinds(columns, CellKind::text);
  if (!row) return kinds;
  Tokens tokens(row->text, row->number);
  std::string_view token;
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

// Read the rows of the loop that the scanner has come to into `columns`, one per label. `threads` share those of a
// large block; the columns do not depend on how many they are.
inline void fill_star(StarScanner& scanner, std::span<StarColumn> columns, std::size_t threads = 1) {
  if (columns.size() != scanner.block().labels.size())
    throw Error(Fault::format, "columns", std::to_string(scanner.block().labels.size()),
                std::to_string(columns.size()));
  if (!columns.empty()) detail::StarFiller(scanner, columns).fill(threads);
}

}  // namespace braggio
