// The blocks of a STAR file as RELION writes it: found, their rows counted, in one pass over the lines.
//
// Where peers lose rows in silence, this refuses with a line number: rows after the blank line that ends a loop, blocks
// and labels that stand twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "braggio/error.hpp"
#include "braggio/lines.hpp"
#include "braggio/source.hpp"
#include "braggio/star_tokens.hpp"

namespace braggio {

// A row from which reading can begin.
struct StarMark {
  std::uint64_t row = 0, offset = 0, line = 0;
};

inline constexpr std::uint64_t mark_bytes = std::uint64_t{1} << 20;  // between two marks, at least

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
  bool terminated = true;       // the last row ends in a newline
  std::vector<StarMark> marks;  // rows further and further on, for those who share the work
};

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
      next_mark_ = offset + mark_bytes;
    } else if (offset >= next_mark_) {
      block.marks.push_back({block.rows - 1, offset, number});
      next_mark_ = offset + mark_bytes;
    }
    block.end = next_offset;
    block.terminated = terminated;
    state_ = State::rows;
  }

  std::vector<StarBlock> blocks_;
  std::unordered_set<std::string> known_;  // labels of the block
  std::optional<Held> held_;
  std::uint64_t next_mark_ = 0;
  State state_ = State::start;
};

}  // namespace detail

// Every block of a file in order. Rows are counted, not read.
inline std::vector<StarBlock> scan_star(const Source& source) { return detail::StarScanner().scan(source); }

}  // namespace braggio
