// The blocks of a STAR file as RELION writes it, one after the other in one pass over its lines, and the rows of each.
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

struct StarBlock {
  std::string name;  // without "data_"
  bool loop = false;
  std::vector<std::string> labels;  // without the leading underscore
  std::vector<std::string> values;  // of a list block, one per label
  std::vector<bool> quoted;         // which of those stood in quotes
  std::uint64_t line = 0;           // where the block begins
  std::uint64_t first = 0;          // byte of the first row of a loop
  std::uint64_t first_line = 0;     // line of its first row
  std::uint64_t rows = 0;           // so far
  bool terminated = true;           // the last row ends in a newline
};

// A line that is a row of a loop, without its end.
struct StarLine {
  std::string_view text;
  std::uint64_t offset = 0, number = 0;
  bool terminated = true;  // it ends in a newline, not with the file
};

class StarScanner {
 public:
  explicit StarScanner(const Source& source) : source_(source), lines_(source) {}

  // The rows of a loop once more.
  StarScanner(const Source& source, const StarBlock& block)
      : source_(source), lines_(source, block.first, block.first_line), blocks_{block}, given_(1), state_(State::rows) {
    blocks_.back().rows = 0;
  }

  // On to the next block, over the rows that are left of this one: a list with its values, or a loop up to its first
  // row. False after the last.
  bool next_block() {
    while (next_row()) {
    }
    while (!ended_ && !(blocks_.size() > given_ && (row_ || blocks_.size() > given_ + 1))) step();
    if (blocks_.size() == given_) return false;
    ++given_;
    return true;
  }

  const StarBlock& block() const { return blocks_[given_ - 1]; }
  const std::vector<StarBlock>& blocks() const { return blocks_; }
  const Source& source() const { return source_; }

  // The row that comes next, where next_block() has found one; and it taken, until the next call.
  const std::optional<StarLine>& first_row() const { return row_; }
  std::optional<StarLine> next_row() {
    while (!ended_ && !row_ && blocks_.size() == given_ && given_ > 0) step();
    std::optional<StarLine> row;
    if (blocks_.size() == given_ && row_) {
      row.swap(row_);
      count_row(*row);
    }
    return row;
  }

  // Whether the lines that the buffer holds are rows, but for those that have the tokens of no row (and, in a table of
  // one column, those that look like a keyword); such may be passed over by `pass_row`.
  bool in_rows() const { return state_ == State::rows && !row_ && !held_ && !again_ && blocks_.size() == given_; }
  const Lines& lines() const { return lines_; }
  void pass_row(std::size_t size) {
    lines_.pass(size);
    ++blocks_.back().rows;
  }

 private:
  // head: after data_; items: in a list; loop: among the labels; rows; done: after the blank line that ended the rows.
  enum class State { start, head, items, loop, rows, done };

  // A line that could be a row of one column or the head of a block; the next line that says something decides.
  struct Held {
    std::string text, name;
    StarLine line;
    bool blank_after = false;
  };

  // Take one line, or the end of the file.
  void step() {
    if (!again_ && !lines_.next(line_)) return finish();
    again_ = false;
    if (lines_.number() == 1 && line_.starts_with("\xef\xbb\xbf")) line_.remove_prefix(3);
    take(line_);
  }

  void finish() {
    if (held_) return hold_as_row();
    ended_ = true;
    if (blocks_.empty())
      throw Error(Fault::format, "block", "a data_ line",
                  source_.size() == 0 ? "an empty file" : "none in " + std::to_string(lines_.number()) + " lines");
    if (const StarBlock& last = blocks_.back(); !last.loop && last.labels.empty())
      throw Error(Fault::truncated, line_field(last.line) + ": data_" + last.name, "labels", "the end of the file");
    if (state_ == State::loop && blocks_.back().labels.empty())
      throw Error(Fault::truncated, line_field(lines_.number()) + ": loop_", "labels", "the end of the file");
  }

  void take(std::string_view line) {
    std::size_t at = 0;
    while (at < line.size() && detail::is_blank(line[at])) ++at;
    if (at == line.size()) return take_blank();
    const char c = line[at];
    if (c == '#') return;
    if (held_ && decide(line.substr(at))) {
      again_ = true;
      return;
    }
    if (state_ == State::rows && c != 'd' && c != 'D' && c != 'l' && c != 'L') return take_row();  // nearly every line
    take_line(line, c);
  }

  void take_blank() {
    if (held_)
      held_->blank_after = true;
    else if (state_ == State::rows)
      state_ = State::done;
  }

  void take_line(std::string_view line, char c) {
    Tokens tokens(line, lines_.number());
    std::string_view word, more;
    if ((state_ == State::rows || state_ == State::loop) && c != '_' && c != 'd' && c != 'D' && c != 'l' && c != 'L')
      return take_row();
    if (c == '"' || c == '\'') return stray(line, lines_.number());
    tokens.next(word);
    const std::string first(word);
    const bool alone = !tokens.next(more);
    if (const auto name = data_keyword(first); name && alone) return take_data(line, std::string(*name));
    if (alone && detail::equals_lower(first, "loop_")) return take_loop(lines_.number());
    if (c == '_' && state_ != State::rows && state_ != State::done)
      return take_label(first, alone, std::string(alone ? "" : more), tokens);
    if (state_ == State::rows || state_ == State::loop) return take_row();
    stray(line, lines_.number());
  }

  [[noreturn]] void stray(std::string_view line, std::uint64_t number) const {
    const std::string found = detail::quoted_token(line);
    if (state_ == State::done)
      detail::refuse_line(number, "data_" + blocks_.back().name, "no rows after the blank line that ended the loop",
                          found);
    if (state_ == State::start) detail::refuse_line(number, "", "a data_ line", found);
    detail::refuse_line(number, "data_" + blocks_.back().name, "a label", found);
  }

  void take_data(std::string_view line, std::string name) {
    const bool one_column = (state_ == State::rows || state_ == State::loop) && blocks_.back().labels.size() == 1;
    if (!one_column) return begin_block(std::move(name), lines_.number());
    held_ = Held{std::string(line), std::move(name), here()};
  }

  // What follows a held line: a label or loop_ makes it the head of a block, anything else a row. True where the row is
  // to be taken first.
  bool decide(std::string_view rest) {
    const bool head = rest.front() == '_' || (rest.size() >= 5 && detail::equals_lower(rest.substr(0, 5), "loop_"));
    if (!head) {
      hold_as_row();
      return true;
    }
    Held held = std::move(*held_);
    held_.reset();
    begin_block(std::move(held.name), held.line.number);
    return false;
  }

  void hold_as_row() {
    held_text_ = std::move(held_->text);
    row_ = held_->line;
    row_->text = held_text_;
    state_ = held_->blank_after ? State::done : State::rows;
    held_.reset();
  }

  void begin_block(std::string name, std::uint64_t number) {
    if (state_ == State::loop && blocks_.back().labels.empty())
      detail::refuse_line(number, "loop_", "labels", "data_" + name);
    for (const StarBlock& block : blocks_)
      if (block.name == name)
        detail::refuse_line(number, "data_" + name, "a block name that is new",
                            "the same name in line " + std::to_string(block.line));
    StarBlock block;
    block.name = std::move(name);
    block.line = number;
    blocks_.push_back(std::move(block));
    known_.clear();
    state_ = State::head;
  }

  void take_loop(std::uint64_t number) {
    if (state_ == State::start) detail::refuse_line(number, "loop_", "a data_ line before it", "none");
    if (state_ != State::head)
      detail::refuse_line(number, "data_" + blocks_.back().name, "one table in a block", "another loop_");
    blocks_.back().loop = true;
    state_ = State::loop;
  }

  void take_label(const std::string& token, bool alone, std::string value, Tokens& tokens) {
    const std::uint64_t number = lines_.number();
    if (state_ == State::start) detail::refuse_line(number, "", "a data_ line", detail::quoted_token(token));
    StarBlock& block = blocks_.back();
    if (state_ == State::loop && !alone && block.labels.size() > 1)
      return take_row();  // a first row that begins with '_'
    if (state_ == State::loop && !alone)
      detail::refuse_line(number, "loop_", "a label alone on its line", detail::quoted_token(token + " " + value));
    if (token.size() == 1) detail::refuse_line(number, "data_" + block.name, "a label", "'_'");
    if (!known_.insert(token).second)
      detail::refuse_line(number, "data_" + block.name, "every label once", token + " again");
    block.labels.push_back(token.substr(1));
    if (state_ == State::loop) return;
    state_ = State::items;
    if (alone) detail::refuse_line(number, token, "a value", "none");
    block.quoted.push_back(tokens.quoted());
    std::string_view more;
    if (tokens.next(more))
      detail::refuse_line(number, token, "one value (quotes keep blanks together)",
                          detail::quoted_token(value + " " + std::string(more)));
    block.values.push_back(std::move(value));
  }

  StarLine here() const { return {line_, lines_.offset(), lines_.number(), lines_.terminated()}; }

  void take_row() {
    if (blocks_.back().labels.empty()) detail::refuse_line(lines_.number(), "loop_", "labels", "a row");
    row_ = here();
    state_ = State::rows;
  }

  void count_row(const StarLine& row) {
    StarBlock& block = blocks_.back();
    if (block.rows++ == 0) {
      block.first = row.offset;
      block.first_line = row.number;
    }
    block.terminated = row.terminated;
  }

  const Source& source_;
  Lines lines_;
  std::string_view line_;  // the line last given
  std::vector<StarBlock> blocks_;
  std::size_t given_ = 0;                  // of the blocks
  std::optional<StarLine> row_;            // found but not given
  std::unordered_set<std::string> known_;  // labels of the block
  std::optional<Held> held_;
  std::string held_text_;  // of the row that was held
  bool again_ = false;     // the line is to be taken once more, behind the row that was held
  bool ended_ = false;
  State state_ = State::start;
};

// Every block of a file in order. Rows are counted, not read.
inline std::vector<StarBlock> scan_star(const Source& source) {
  StarScanner scanner(source);
  while (scanner.next_block()) {
  }
  return scanner.blocks();
}

}  // namespace braggio
