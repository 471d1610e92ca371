// The lines of a source, read block by block into one buffer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/error.hpp"
#include "braggio/pixels.hpp"
#include "braggio/source.hpp"

namespace braggio {

inline constexpr std::size_t max_line_bytes = std::size_t{16} << 20;

inline std::string line_field(std::uint64_t number) { return "line " + std::to_string(number); }

class Lines {
 public:
  Lines(const Source& source, std::uint64_t offset = 0, std::uint64_t number = 1)
      : source_(source),
        next_offset_(offset),
        read_offset_(offset),
        next_number_(number),
        buffer_(std::make_shared<std::vector<char>>(lead + block_bytes + padding)) {}

  // The next line without its end (LF or CRLF); it stays valid until the next call. False at the end.
  bool next(std::string_view& line) {
    const void* found = nullptr;
    std::size_t searched = 0;
    while ((found = newline(searched)) == nullptr) {
      searched = filled_ - start_;
      if (!refill()) break;
    }
    if (found == nullptr && start_ == filled_) return false;
    give(line, static_cast<const char*>(found));
    return true;
  }

  // What the buffer holds of the lines not yet given; lines given from it stay valid until it has no whole one left, or
  // as long as somebody keeps it.
  std::string_view buffered() const { return {buffer_->data() + start_, filled_ - start_}; }
  std::shared_ptr<const void> keep() const { return buffer_; }

  // Give the buffered line of so many bytes and its newline.
  void pass(std::size_t size) {
    offset_ = next_offset_;
    number_ = next_number_++;
    terminated_ = true;
    start_ += size + 1;
    next_offset_ += size + 1;
  }

  std::uint64_t offset() const { return offset_; }            // of the line last given
  std::uint64_t number() const { return number_; }            // 1-based
  std::uint64_t next_offset() const { return next_offset_; }  // of the line after it
  bool terminated() const { return terminated_; }             // it ends in a newline, not with the file

 private:
  void give(std::string_view& line, const char* found) {
    const char* begin = buffer_->data() + start_;
    const char* end = found != nullptr ? found : buffer_->data() + filled_;
    pass(static_cast<std::size_t>(end - begin));
    if (found == nullptr) end_here();
    if (end != begin && end[-1] == '\r') --end;
    line = std::string_view(begin, static_cast<std::size_t>(end - begin));
  }

  // The line last given has no newline.
  void end_here() {
    terminated_ = false;
    --start_;
    --next_offset_;
  }

  const void* newline(std::size_t searched) const {
    const std::size_t from = start_ + searched;
    return from == filled_ ? nullptr : std::memchr(buffer_->data() + from, '\n', filled_ - from);
  }

  // Move the beginning of a line to the front, of another buffer where somebody keeps this one.
  void clear_front() {
    const std::size_t count = filled_ - start_;
    const auto from = buffer_;
    if (from.use_count() > 2) buffer_ = std::make_shared<std::vector<char>>(from->size());
    std::atomic_thread_fence(std::memory_order_acquire);  // whoever kept it has read what is written over
    std::memmove(buffer_->data() + lead, from->data() + start_, count);
    filled_ = lead + count;
    start_ = lead;
  }

  // Make room and read on behind the beginning of a line. False at the end of the source.
  bool refill() {
    if (read_offset_ >= source_.size()) return false;
    clear_front();
    if (filled_ == room()) {
      if (room() - lead >= max_line_bytes)
        throw Error(Fault::limit, line_field(next_number_), "a line of at most 16 MiB", "a longer one", next_offset_);
      buffer_->resize(lead + 2 * (room() - lead) + padding);
    }
    const std::size_t count = std::min<std::uint64_t>(room() - filled_, source_.size() - read_offset_);
    char* fresh = buffer_->data() + filled_;
    source_.read(read_offset_, std::as_writable_bytes(std::span(fresh, count)));
    if (const void* nul = std::memchr(fresh, '\0', count)) {
      const auto at = static_cast<std::size_t>(static_cast<const char*>(nul) - buffer_->data());
      const auto before = std::count(buffer_->data() + lead, buffer_->data() + at, '\n');
      throw Error(Fault::format, line_field(next_number_ + static_cast<std::uint64_t>(before)), "text",
                  "a NUL byte (binary data or UTF-16)", next_offset_ + at - lead);
    }
    read_offset_ += count;
    filled_ += count;
    return true;
  }

  // Readable bytes before and after any line, for those who look at words of it.
  static constexpr std::size_t lead = 16, padding = 64;

  std::size_t room() const { return buffer_->size() - padding; }  // where text must end

  const Source& source_;
  std::uint64_t next_offset_;
  std::uint64_t read_offset_;
  std::uint64_t next_number_;
  std::shared_ptr<std::vector<char>> buffer_;
  std::size_t start_ = lead;  // the lines not yet given: [start_, filled_)
  std::size_t filled_ = lead;
  std::uint64_t offset_ = 0;
  std::uint64_t number_ = 0;
  bool terminated_ = true;
};

}  // namespace braggio
