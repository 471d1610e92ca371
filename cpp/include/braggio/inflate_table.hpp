// Prefix codes of deflate (RFC 1951) looked up: a code of at most `primary` bits at once, a longer one in a second
// look.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "braggio/deflate_codes.hpp"
#include "braggio/error.hpp"

namespace braggio {

namespace inflate {

inline constexpr unsigned max_length = 15;  // bits of a code

// What the next bits stand for, in 32 bits, so laid out that all they use up can be shifted out at once:
//   0-5    how many bits, extra bits included
//   6-8    the kind
//   9-12   number: bits of the code without the extra ones; longer: bits that are the index of the second table
//   13-31  literal: the byte; number: the base of a length or distance; longer: where the second table begins
enum class Kind : std::uint32_t { literal, number, end, longer, none };

struct Entry {
  std::uint32_t packed;

  static Entry literal(unsigned bits, std::size_t byte) { return make(Kind::literal, bits, 0, byte); }
  static Entry number(unsigned bits, deflate::NumberCode code) {
    return make(Kind::number, bits + code.extra, bits, code.base);
  }
  static Entry end(unsigned bits) { return make(Kind::end, bits, 0, 0); }
  static Entry longer(unsigned index_bits, std::size_t start) { return make(Kind::longer, 0, index_bits, start); }
  static Entry none() { return make(Kind::none, 0, 0, 0); }

  unsigned bits() const { return packed & 63; }
  bool is(Kind kind) const { return (packed & 0x1c0) == static_cast<std::uint32_t>(kind) << 6; }
  unsigned index_bits() const { return packed >> 9 & 15; }
  std::uint32_t value() const { return packed >> 13; }
  // Base and extra bits, which are among the bits that are held.
  std::size_t number(std::uint64_t held) const {
    return value() + ((held & ((std::uint64_t{1} << bits()) - 1)) >> (packed >> 9 & 15));
  }

 private:
  static Entry make(Kind kind, unsigned bits, unsigned more, std::size_t value) {
    return {bits | static_cast<std::uint32_t>(kind) << 6 | more << 9 | static_cast<std::uint32_t>(value) << 13};
  }
};

[[noreturn]] inline void refuse(const char* expected, std::string found) {
  throw Error(Fault::format, "zlib stream", expected, std::move(found));
}

// Lookup of a prefix code: `primary` bits at once, then the rest.
template <unsigned primary, std::size_t size>
class Table {
 public:
  Entry at(std::uint64_t bits) const {
    const Entry entry = entries_[bits & mask];
    if (!entry.is(Kind::longer)) [[likely]]
      return entry;
    return entries_[entry.value() + (bits >> primary & ((1u << entry.index_bits()) - 1))];
  }

  // From the lengths of all codes; entry_of(symbol, bits). An incomplete code is refused, but for a single one of one
  // bit, and none at all where that is `allowed`.
  template <class EntryOf>
  void build(std::span<const std::uint8_t> code_lengths, bool allowed, EntryOf&& entry_of) {
    std::array<std::uint16_t, max_length + 2> counts{};
    for (const std::uint8_t length : code_lengths) ++counts[length];
    const auto used = static_cast<unsigned>(code_lengths.size()) - counts[0];
    counts[0] = 0;
    std::array<std::uint32_t, max_length + 2> next{};
    std::uint32_t left = 1;
    for (unsigned length = 1; length <= max_length; ++length) {
      next[length + 1] = (next[length] + counts[length]) << 1;
      left <<= 1;
      if (counts[length] > left) refuse("a prefix code", "more codes than their lengths allow");
      left -= counts[length];
    }
    if (left != 0 && !(allowed && (used == 0 || (used == 1 && counts[1] == 1))))
      refuse("a prefix code", "an incomplete one");
    if (left != 0) entries_.fill(Entry::none());
    place(code_lengths, next, entry_of);
  }

 private:
  static constexpr std::uint32_t mask = (1u << primary) - 1;

  template <class EntryOf>
  void place(std::span<const std::uint8_t> code_lengths, std::array<std::uint32_t, max_length + 2>& next,
             EntryOf& entry_of) {
    std::array<std::uint16_t, 288> codes;
    std::array<std::uint8_t, mask + 1> longest{};  // of the codes that share their first bits
    bool any_longer = false;
    for (std::size_t symbol = 0; symbol < code_lengths.size(); ++symbol) {
      const unsigned length = code_lengths[symbol];
      if (length == 0) continue;
      codes[symbol] = reversed(next[length]++, length);
      if (length > primary) {
        std::uint8_t& most = longest[codes[symbol] & mask];
        most = std::max(most, static_cast<std::uint8_t>(length - primary));
        any_longer = true;
      }
    }
    if (any_longer) {
      std::size_t end = mask + 1;
      for (std::size_t start = 0; start <= mask; ++start) {
        if (longest[start] == 0) continue;
        entries_[start] = Entry::longer(longest[start], end);
        end += std::size_t{1} << longest[start];
      }
      if (end > size) refuse("a prefix code", "one beyond the tables");  // a complete one never is
    }
    for (std::size_t symbol = 0; symbol < code_lengths.size(); ++symbol) {
      const unsigned length = code_lengths[symbol];
      if (length == 0) continue;
      const Entry entry = entry_of(symbol, length);
      if (length <= primary) {
        for (std::size_t i = codes[symbol]; i <= mask; i += std::size_t{1} << length) entries_[i] = entry;
      } else {
        const Entry longer = entries_[codes[symbol] & mask];
        for (std::size_t i = codes[symbol] >> primary; i < std::size_t{1} << longer.index_bits();
             i += std::size_t{1} << (length - primary))
          entries_[longer.value() + i] = entry;
      }
    }
  }

  static std::uint16_t reversed(std::uint32_t code, unsigned length) {
    std::uint32_t bits = 0;
    for (unsigned i = 0; i < length; ++i, code >>= 1) bits = bits << 1 | (code & 1);
    return static_cast<std::uint16_t>(bits);
  }

  std::array<Entry, size> entries_;
};

}  // namespace inflate

}  // namespace braggio
