// STAR tables as RELION writes them: a scan that finds the blocks and counts their rows, and a fill that reads the
// wanted columns of one of them, streamed.
//
// Grammar: RELION's src/strings.cpp and src/metadata_table.cpp. Where peers lose rows in silence, this refuses with a
// line number: rows after the blank line that ends a loop, short and long rows, blocks and labels that stand twice.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/dictionary.hpp"
#include "braggio/error.hpp"
#include "braggio/lines.hpp"
#include "braggio/number.hpp"
#include "braggio/source.hpp"

namespace braggio {

struct StarBlock {
  std::string name;  // without "data_"
  bool loop = false;
  std::vector<std::string> labels;  // without the leading underscore
  std::vector<std::string> values;  // of a list block, one per label
  std::vector<bool> quoted;         // which of those stood in quotes
  std::uint64_t line = 0;           // where the block begins
  std::uint64_t first = 0;          // byte of the first row of a loop
  std::uint64_t end = 0;            // byte after its last row
  std::uint64_t first_line = 0;     // line of its first row
  std::uint64_t rows = 0;
  bool terminated = true;  // the last row ends in a newline
};

namespace detail {

// blank, tab, VT, FF, CR: one table look-up, for this is asked of nearly every byte.
inline constexpr auto blanks = [] {
  std::array<bool, 256> table{};
  for (const char c : {' ', '\t', '\v', '\f', '\r'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

inline bool is_blank(char c) { return blanks[static_cast<unsigned char>(c)]; }

inline std::string quoted_token(std::string_view token) {
  constexpr std::size_t longest = 80;
  return "'" + std::string(token.substr(0, longest)) + (token.size() > longest ? "..." : "") + "'";
}

[[noreturn]] inline void refuse_line(std::uint64_t number, const std::string& what, const std::string& expected,
                                     const std::string& found, std::optional<std::uint64_t> offset = std::nullopt) {
  throw Error(Fault::format, line_field(number) + (what.empty() ? "" : ": " + what), expected, found, offset);
}

}  // namespace detail

// The tokens of one line. A '#' begins a comment only where a token could begin; a token that begins with a quote ends
// with the same quote before a blank, and BEL inside it keeps the character after it (RELION's escape).
class Tokens {
 public:
  Tokens(std::string_view line, std::uint64_t number) : p_(line.data()), end_(p_ + line.size()), number_(number) {}

  bool next(std::string_view& token) {
    while (p_ != end_ && detail::is_blank(*p_)) ++p_;
    if (p_ == end_ || *p_ == '#') return false;
    quoted_ = *p_ == '"' || *p_ == '\'';
    if (quoted_) {
      token = quoted_token();
      return true;
    }
    const char* start = p_;
    while (p_ != end_ && !detail::is_blank(*p_)) ++p_;
    token = std::string_view(start, static_cast<std::size_t>(p_ - start));
    return true;
  }

  bool quoted() const { return quoted_; }  // the token last given

 private:
  std::string_view quoted_token() {
    const char quote = *p_++;
    unescaped_.clear();
    for (; p_ != end_; ++p_) {
      if (*p_ == quote && (p_ + 1 == end_ || detail::is_blank(p_[1]))) {
        ++p_;
        return unescaped_;
      }
      if (*p_ == '\a' && p_ + 1 != end_) ++p_;
      unescaped_ += *p_;
    }
    detail::refuse_line(number_, "", std::string("a closing ") + quote, "the end of the line");
  }

  const char* p_;
  const char* end_;
  std::uint64_t number_;
  bool quoted_ = false;
  std::string unescaped_;
};

namespace detail {

// Bit i set where byte i of 64 is blank: VT, FF, CR, tab (9..13 with LF, which no line holds) or space. Eight bytes at
// a time in plain words: a tenth of the time of asking byte by byte.
inline std::uint64_t blank_bits(const char* bytes) {
  constexpr std::uint64_t ones = 0x0101010101010101, low = 0x7f * ones, high = 0x80 * ones;
  std::uint64_t bits = 0;
  for (unsigned k = 0; k < 8; ++k) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + 8 * k, 8);
    if constexpr (std::endian::native == std::endian::big) word = byte_swapped(word);
    const std::uint64_t seven = word & low;
    const std::uint64_t control = (seven + (0x80 - 9) * ones) & ~(seven + (0x80 - 14) * ones) & ~word;
    const std::uint64_t other = word ^ (0x20 * ones);
    const std::uint64_t space = ~(((other & low) + low) | other);
    bits |= ((((control | space) & high) >> 7) * 0x0102040810204080 >> 56) << (8 * k);
  }
  return bits;
}

// The tokens of a line in one go, at most `most` of them. False where a quote or '#' begins one: then `Tokens` must
// look.
inline bool split_plain(std::string_view line, std::size_t most, std::vector<std::string_view>& tokens) {
  tokens.clear();
  std::uint64_t before = 1;  // the byte before the line is as good as a blank
  std::size_t start = 0;
  for (std::size_t at = 0; at < line.size(); at += 64) {
    const std::size_t count = std::min<std::size_t>(64, line.size() - at);
    std::uint64_t bits = 0;
    if (count == 64) {
      bits = blank_bits(line.data() + at);
    } else {
      std::array<char, 64> rest;
      rest.fill(' ');
      std::memcpy(rest.data(), line.data() + at, count);
      bits = blank_bits(rest.data());
    }
    for (std::uint64_t edges = bits ^ (bits << 1 | before); edges != 0; edges &= edges - 1) {
      const std::size_t place = at + static_cast<std::size_t>(std::countr_zero(edges));
      if (before == 0) {
        tokens.push_back(line.substr(start, place - start));
        if (tokens.size() == most) return true;
      } else {
        start = place;
        if (line[place] == '"' || line[place] == '\'' || line[place] == '#') return false;
      }
      before ^= 1;
    }
  }
  if (before == 0) tokens.push_back(line.substr(start));
  return true;
}

}  // namespace detail

// The name after "data_" when `token` is that keyword, in any case.
inline std::optional<std::string_view> data_keyword(std::string_view token) {
  if (token.size() < 5 || !detail::equals_lower(token.substr(0, 5), "data_")) return std::nullopt;
  return token.substr(5);
}

namespace detail {

class StarScanner {
 public:
  std::vector<StarBlock> scan(const Source& source) {
    Lines lines(source);
    std::string_view line;
    while (lines.next(line)) {
      if (lines.number() == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
      take(line, lines);
    }
    if (held_) hold_as_row();
    if (blocks_.empty())
      throw Error(Fault::format, "block", "a data_ line",
                  source.size() == 0 ? "an empty file" : "none in " + std::to_string(lines.number()) + " lines");
    if (const StarBlock& last = blocks_.back(); !last.loop && last.labels.empty())
      throw Error(Fault::truncated, line_field(last.line) + ": data_" + last.name, "labels", "the end of the file");
    if (state_ == State::loop && blocks_.back().labels.empty())
      throw Error(Fault::truncated, line_field(lines.number()) + ": loop_", "labels", "the end of the file");
    return std::move(blocks_);
  }

 private:
  // head: after data_; items: in a list; loop: among the labels; rows; done: after the blank line that ended the rows.
  enum class State { start, head, items, loop, rows, done };

  // A line that could be a row of one column or the head of a block; the next line that says something decides.
  struct Held {
    std::string name;
    std::uint64_t offset, next_offset, number;
    bool terminated, blank_after;
  };

  void take(std::string_view line, const Lines& lines) {
    std::size_t at = 0;
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size()) return take_blank();
    const char c = line[at];
    if (c == '#') return;
    if (held_) decide(line.substr(at));
    if (state_ == State::rows && c != 'd' && c != 'D' && c != 'l' && c != 'L')
      return take_row(lines);  // nearly every line
    take_line(line, c, lines);
  }

  void take_blank() {
    if (held_)
      held_->blank_after = true;
    else if (state_ == State::rows)
      state_ = State::done;
  }

  void take_line(std::string_view line, char c, const Lines& lines) {
    Tokens tokens(line, lines.number());
    std::string_view word, more;
    if ((state_ == State::rows || state_ == State::loop) && c != '_' && c != 'd' && c != 'D' && c != 'l' && c != 'L')
      return take_row(lines);
    if (c == '"' || c == '\'') return stray(line, lines.number());
    tokens.next(word);
    const std::string first(word);
    const bool alone = !tokens.next(more);
    if (const auto name = data_keyword(first); name && alone) return take_data(std::string(*name), lines);
    if (alone && equals_lower(first, "loop_")) return take_loop(lines.number());
    if (c == '_' && state_ != State::rows && state_ != State::done)
      return take_label(first, alone, std::string(alone ? "" : more), tokens, lines);
    if (state_ == State::rows || state_ == State::loop) return take_row(lines);
    stray(line, lines.number());
  }

  [[noreturn]] void stray(std::string_view line, std::uint64_t number) const {
    const std::string found = quoted_token(line);
    if (state_ == State::done)
      refuse_line(number, "data_" + blocks_.back().name, "no rows after the blank line that ended the loop", found);
    if (state_ == State::start) refuse_line(number, "", "a data_ line", found);
    refuse_line(number, "data_" + blocks_.back().name, "a label", found);
  }

  void take_data(std::string name, const Lines& lines) {
    const bool one_column = (state_ == State::rows || state_ == State::loop) && blocks_.back().labels.size() == 1;
    if (one_column) {
      held_ = Held{std::move(name), lines.offset(), lines.next_offset(), lines.number(), lines.terminated(), false};
      return;
    }
    begin_block(std::move(name), lines.number());
  }

  // What follows a held line: a label or loop_ makes it the head of a block, anything else a row.
  void decide(std::string_view rest) {
    const bool head = rest.front() == '_' || (rest.size() >= 5 && equals_lower(rest.substr(0, 5), "loop_"));
    if (!head) return hold_as_row();
    Held held = std::move(*held_);
    held_.reset();
    begin_block(std::move(held.name), held.number);
  }

  void hold_as_row() {
    const Held held = std::move(*held_);
    held_.reset();
    count_row(held.offset, held.next_offset, held.number, held.terminated);
    if (held.blank_after) state_ = State::done;
  }

  void begin_block(std::string name, std::uint64_t number) {
    if (state_ == State::loop && blocks_.back().labels.empty()) refuse_line(number, "loop_", "labels", "data_" + name);
    for (const StarBlock& block : blocks_)
      if (block.name == name)
        refuse_line(number, "data_" + name, "a block name that is new",
                    "the same name in line " + std::to_string(block.line));
    StarBlock block;
    block.name = std::move(name);
    block.line = number;
    blocks_.push_back(std::move(block));
    known_.clear();
    state_ = State::head;
  }

  void take_loop(std::uint64_t number) {
    if (state_ == State::start) refuse_line(number, "loop_", "a data_ line before it", "none");
    if (state_ != State::head)
      refuse_line(number, "data_" + blocks_.back().name, "one table in a block", "another loop_");
    blocks_.back().loop = true;
    state_ = State::loop;
  }

  void take_label(const std::string& token, bool alone, std::string value, Tokens& tokens, const Lines& lines) {
    const std::uint64_t number = lines.number();
    if (state_ == State::start) refuse_line(number, "", "a data_ line", quoted_token(token));
    StarBlock& block = blocks_.back();
    if (state_ == State::loop && !alone && block.labels.size() > 1)
      return take_row(lines);  // a first row that begins with '_'
    if (state_ == State::loop && !alone)
      refuse_line(number, "loop_", "a label alone on its line", quoted_token(token + " " + value));
    if (token.size() == 1) refuse_line(number, "data_" + block.name, "a label", "'_'");
    if (!known_.insert(token).second) refuse_line(number, "data_" + block.name, "every label once", token + " again");
    block.labels.push_back(token.substr(1));
    if (state_ == State::loop) return;
    state_ = State::items;
    if (alone) refuse_line(number, token, "a value", "none");
    block.quoted.push_back(tokens.quoted());
    std::string_view more;
    if (tokens.next(more))
      refuse_line(number, token, "one value (quotes keep blanks together)",
                  quoted_token(value + " " + std::string(more)));
    block.values.push_back(std::move(value));
  }

  void take_row(const Lines& lines) {
    if (blocks_.back().labels.empty()) refuse_line(lines.number(), "loop_", "labels", "a row");
    count_row(lines.offset(), lines.next_offset(), lines.number(), lines.terminated());
  }

  void count_row(std::uint64_t offset, std::uint64_t next_offset, std::uint64_t number, bool terminated) {
    StarBlock& block = blocks_.back();
    if (block.rows++ == 0) {
      block.first = offset;
      block.first_line = number;
    }
    block.end = next_offset;
    block.terminated = terminated;
    state_ = State::rows;
  }

  std::vector<StarBlock> blocks_;
  std::unordered_set<std::string> known_;  // labels of the block
  std::optional<Held> held_;
  State state_ = State::start;
};

}  // namespace detail

// Every block of a file in order. Rows are counted, not read.
inline std::vector<StarBlock> scan_star(const Source& source) { return detail::StarScanner().scan(source); }

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
      if (column.guessed && real.integral && std::fabs(real.value) > 9007199254740992.0) return false;
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

// A row of as many plain tokens as there are columns, nearly every one; false leaves the line to `fill_row`.
inline bool fill_plain(const StarBlock& block, std::span<StarColumn> columns, std::uint64_t row, std::string_view line,
                       std::uint64_t number, std::vector<std::string_view>& tokens) {
  if (!split_plain(line, columns.size() + 1, tokens) || tokens.size() != columns.size()) return false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    StarColumn& column = columns[i];
    if (column.kind == CellKind::skip || store_cell(column, row, tokens[i], false)) continue;
    if (!column.guessed) refuse_cell(block, column, i, tokens[i], number);
    fail_guess(column);
  }
  return true;
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

// Read the rows of a loop block into `columns`, one per label.
inline void fill_star(const Source& source, const StarBlock& block, std::span<StarColumn> columns) {
  if (columns.size() != block.labels.size())
    throw Error(Fault::format, "columns", std::to_string(block.labels.size()), std::to_string(columns.size()));
  Lines lines(source, block.first, block.first_line);
  std::string_view line;
  std::vector<std::string_view> tokens;
  tokens.reserve(columns.size() + 1);
  for (std::uint64_t row = 0; row < block.rows;) {
    if (!lines.next(line))
      throw Error(Fault::truncated, "data_" + block.name, std::to_string(block.rows) + " rows", std::to_string(row));
    if (row == 0 && lines.number() == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    std::size_t at = 0;
    while (at < line.size() && detail::is_blank(line[at])) ++at;
    if (at == line.size() || line[at] == '#') continue;
    line.remove_prefix(at);
    if (!detail::fill_plain(block, columns, row, line, lines.number(), tokens))
      detail::fill_row(block, columns, row, line, lines.number());
    ++row;
  }
}

}  // namespace braggio
