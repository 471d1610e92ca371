// zlib streams (RFC 1950, RFC 1951) of known size decoded, as chunks of HDF5 are.
//
// While input and output are far from their ends eight bytes are read at a time and copies may write beyond their own
// end, within the target; near the ends every byte is counted. Entries for several literals at once gained nothing on
// frames (370 MB/s and 380 without), to look up a symbol before more bits are loaded a tenth.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "braggio/adler32.hpp"
#include "braggio/bytes.hpp"
#include "braggio/cpu.hpp"
#include "braggio/deflate_codes.hpp"
#include "braggio/error.hpp"
#include "braggio/inflate_table.hpp"

namespace braggio {

// One stream after another; the tables are kept.
class Inflater {
 public:
  // Fill `target` with what `stream` holds, which must be as much, under a checksum that fits.
  void inflate(Bytes stream, MutableBytes target, Level level) {
    in_ = reinterpret_cast<const std::uint8_t*>(stream.data());
    in_end_ = in_ + stream.size();
    begin_ = out_ = reinterpret_cast<std::uint8_t*>(target.data());
    out_end_ = begin_ + target.size();
    held_ = 0;
    bits_ = 0;
    read_header();
    Adler32 adler;
    for (bool last = false; !last;) {
      const std::uint8_t* start = out_;
      last = take(1) != 0;
      read_block(take(2), level);
      adler.bytes({start, out_}, level);
    }
    if (out_ != out_end_) refuse_size(std::to_string(out_ - begin_));
    take(bits_ % 8);
    std::uint32_t stored = 0;
    for (int i = 0; i < 4; ++i) stored = stored << 8 | take(8);
    if (stored != adler.value()) inflate::refuse("a checksum that fits", "another");
  }

 private:
  // 2^11 + the longest second tables of 286 symbols, and 2^8 + those of 30 (the bounds of zlib's enough.c).
  using Symbols = inflate::Table<11, 2342>;
  using Distances = inflate::Table<8, 402>;
  static constexpr std::ptrdiff_t in_margin = 8,
                                  out_margin = 288;  // a copy of 258 in steps of 16, after 2 literals

  void read_header() {
    const unsigned method = take(8), flags = take(8);
    if (method % 16 != 8 || method / 16 > 7 || (256 * method + flags) % 31 != 0)
      inflate::refuse("a header of deflate", std::to_string(256 * method + flags));
    if ((flags & 32) != 0) throw Error(Fault::unsupported, "zlib stream", "no preset dictionary", "one");
  }

  void read_block(unsigned type, Level level) {
    if (type == 0) return read_stored();
    if (type == 3) inflate::refuse("block type 0, 1 or 2", "3");
    std::array<std::uint8_t, 288 + 32> code_lengths{};
    std::size_t literals = 288, distances = 30;
    if (type == 1)
      fixed_lengths(code_lengths);
    else
      read_lengths(code_lengths, literals, distances);
    build(std::span(code_lengths).first(literals), std::span(code_lengths).subspan(literals, distances), type == 1);
    read_symbols(level);
  }

  void read_stored() {
    take(bits_ % 8);
    const unsigned size = take(16);
    if (take(16) != (size ^ 0xffffu)) inflate::refuse("a stored block with its size twice", "two sizes");
    // What was read ahead is whole bytes.
    in_ -= bits_ / 8;
    held_ = 0;
    bits_ = 0;
    if (in_end_ - in_ < static_cast<std::ptrdiff_t>(size)) refuse_end();
    if (out_end_ - out_ < static_cast<std::ptrdiff_t>(size)) refuse_size("more");
    if (size != 0) std::memcpy(out_, in_, size);
    in_ += size;
    out_ += size;
  }

  static void fixed_lengths(std::array<std::uint8_t, 288 + 32>& lengths) {
    const auto fill = [&](std::size_t from, std::size_t to, std::uint8_t value) {
      std::fill(lengths.begin() + static_cast<std::ptrdiff_t>(from), lengths.begin() + static_cast<std::ptrdiff_t>(to),
                value);
    };
    fill(0, 144, 8);
    fill(144, 256, 9);
    fill(256, 280, 7);
    fill(280, 288, 8);
    fill(288, 320, 5);
  }

  void read_lengths(std::array<std::uint8_t, 288 + 32>& lengths, std::size_t& literals, std::size_t& distances) {
    literals = 257 + take(5);
    distances = 1 + take(5);
    if (literals > 286 || distances > 30) inflate::refuse("at most 286 symbols and 30 distances", "more");
    std::array<std::uint8_t, 19> of_lengths{};
    const std::size_t given = 4 + take(4);
    for (std::size_t i = 0; i < given; ++i) of_lengths[deflate::length_order[i]] = static_cast<std::uint8_t>(take(3));
    inflate::Table<7, 128> table;
    table.build(of_lengths, false, [](std::size_t symbol, unsigned bits) {
      return inflate::Entry::number(bits, {static_cast<std::uint16_t>(symbol), 0});
    });
    for (std::size_t i = 0; i < literals + distances;) {
      refill();
      const inflate::Entry entry = table.at(held_);
      drop(entry.bits());
      const std::uint32_t symbol = entry.value();
      if (symbol < 16) {
        lengths[i++] = static_cast<std::uint8_t>(symbol);
        continue;
      }
      if (symbol == 16 && i == 0) inflate::refuse("a code length to repeat", "none before");
      const std::size_t run = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7);
      if (run > literals + distances - i) inflate::refuse("as many code lengths as symbols", "more");
      std::fill_n(lengths.begin() + static_cast<std::ptrdiff_t>(i), run,
                  symbol == 16 ? lengths[i - 1] : std::uint8_t{0});
      i += run;
    }
    if (lengths[256] == 0) inflate::refuse("a code for the end of a block", "none");
  }

  void build(std::span<const std::uint8_t> literals, std::span<const std::uint8_t> distances, bool fixed) {
    using inflate::Entry;
    symbols_.build(literals, true, [](std::size_t symbol, unsigned bits) {
      if (symbol < 256) return Entry::literal(bits, symbol);
      if (symbol == 256) return Entry::end(bits);
      if (symbol > 285) return Entry::none();  // in the fixed code
      return Entry::number(bits, deflate::length_codes[symbol - 257]);
    });
    // Two of the 32 distances of the fixed code do not exist.
    distances_.build(fixed ? std::span(fixed_distances) : distances, true, [](std::size_t symbol, unsigned bits) {
      if (symbol >= deflate::distance_codes.size()) return Entry::none();
      return Entry::number(bits, deflate::distance_codes[symbol]);
    });
  }

  void read_symbols(Level level) {
    while (in_end_ - in_ >= in_margin && out_end_ - out_ >= out_margin)
      if (on_level<ReadFast>(level, this)) return;
    while (!read_careful()) continue;
  }

  // Symbols while both ends are far; true at the end of the block. At a level with shifts by any register.
  struct ReadFast {
    BRAGGIO_INLINE bool run(Inflater* self) { return self->read_fast(); }
  };

  [[gnu::always_inline]] inline bool read_fast() {
    using inflate::Entry, inflate::Kind;
    const std::uint8_t* const last_in = in_end_ - in_margin;
    std::uint8_t* const last_out = out_end_ - out_margin;
    const std::uint8_t* in = in_;
    std::uint8_t* out = out_;
    std::uint64_t held = held_;
    unsigned bits = bits_;
    const auto load_more = [&]() __attribute__((always_inline)) {  // at least 56 bits are held then
      std::uint64_t word = 0;
      std::memcpy(&word, in, 8);
      held |= (native_order == ByteOrder::little ? word : byte_swapped(word)) << bits;
      in += (63 - bits) >> 3;
      bits |= 56;
    };
    const auto use = [&](Entry entry) __attribute__((always_inline)) {
      held >>= entry.bits();
      bits -= entry.bits();
    };
    const auto write = [&](Entry entry) __attribute__((always_inline)) {
      *out++ = static_cast<std::uint8_t>(entry.value());
      use(entry);
    };
    bool end = false;
    load_more();
    while (in <= last_in && out <= last_out) {
      Entry entry = symbols_.at(held);  // of the 64 bits loaded last at most 48 are used up
      load_more();
      if (entry.is(Kind::literal)) {
        write(entry);
        entry = symbols_.at(held);
        if (entry.is(Kind::literal)) {
          write(entry);
          entry = symbols_.at(held);
          if (entry.is(Kind::literal)) {
            write(entry);
            continue;
          }
        }
        if (in > last_in) break;  // the look is taken again
        load_more();
      }
      if (entry.is(Kind::number)) [[likely]] {  // 15 + 5 + 15 + 13 bits
        const std::size_t length = entry.number(held);
        use(entry);
        const Entry far = distances_.at(held);
        if (!far.is(Kind::number)) inflate::refuse("a distance", "a code of none");
        const std::size_t distance = far.number(held);
        use(far);
        if (distance > static_cast<std::size_t>(out - begin_)) inflate::refuse("a copy of what is there", "more");
        copy(out, distance, length);
        out += length;
      } else if (entry.is(Kind::end)) {
        use(entry);
        end = true;
        break;
      } else {
        inflate::refuse("a symbol", "a code of none");
      }
    }
    in_ = in;
    out_ = out;
    bits_ = bits;
    held_ = held & ((std::uint64_t{1} << bits) - 1);  // more than is counted may have been loaded
    return end;
  }

  // Writes up to 15 bytes too many.
  [[gnu::always_inline]] static void copy(std::uint8_t* out, std::size_t distance, std::size_t length) {
    constexpr std::size_t step = 16;
    std::size_t i = 0;
    if (distance == 1) return static_cast<void>(std::memset(out, out[-1], length));
    const std::uint8_t* const from = out - distance;
    if (distance < step) {  // what repeats is copied from a whole number of repeats before
      for (; i < step; ++i) out[i] = from[i];
      distance *= step / distance;
      for (; i < length; i += step / 2) std::memcpy(out + i, out + (i - distance), step / 2);
      return;
    }
    for (; i < length; i += step) std::memcpy(out + i, from + i, step);
  }

  // One literal or copy, every byte counted; true at the end of the block.
  bool read_careful() {
    using inflate::Entry, inflate::Kind;
    refill();
    const std::uint64_t held = held_;
    const Entry entry = symbols_.at(held);
    if (entry.is(Kind::none)) inflate::refuse("a symbol", "a code of none");
    drop(entry.bits());
    if (entry.is(Kind::end)) return true;
    if (entry.is(Kind::literal)) {
      if (out_ == out_end_) refuse_size("more");
      *out_++ = static_cast<std::uint8_t>(entry.value());
      return false;
    }
    const std::size_t length = entry.number(held);
    refill();
    const Entry far = distances_.at(held_);
    if (!far.is(Kind::number)) inflate::refuse("a distance", "a code of none");
    const std::size_t distance = far.number(held_);
    drop(far.bits());
    if (distance > static_cast<std::size_t>(out_ - begin_)) inflate::refuse("a copy of what is there", "more");
    if (length > static_cast<std::size_t>(out_end_ - out_)) refuse_size("more");
    for (std::size_t i = 0; i < length; ++i, ++out_) *out_ = *(out_ - distance);
    return false;
  }

  // Byte by byte; zeros stand behind the end, which `drop` does not let pass.
  void refill() {
    while (bits_ < 56 && in_ != in_end_) {
      held_ |= std::uint64_t{*in_++} << bits_;
      bits_ += 8;
    }
  }

  void drop(unsigned count) {
    if (count > bits_) refuse_end();
    held_ >>= count;
    bits_ -= count;
  }

  unsigned take(unsigned count) {
    refill();
    const auto value = static_cast<unsigned>(held_ & ((std::uint64_t{1} << count) - 1));
    drop(count);
    return value;
  }

  [[noreturn]] void refuse_end() const {
    throw Error(Fault::truncated, "zlib stream", "more bytes", "its end after " + std::to_string(out_ - begin_));
  }

  [[noreturn]] void refuse_size(const std::string& found) const {
    throw Error(Fault::truncated, "zlib stream", std::to_string(out_end_ - begin_) + " bytes", found);
  }

  static constexpr std::array<std::uint8_t, 32> fixed_distances = [] {
    std::array<std::uint8_t, 32> lengths{};
    lengths.fill(5);
    return lengths;
  }();

  const std::uint8_t* in_ = nullptr;
  const std::uint8_t* in_end_ = nullptr;
  std::uint8_t* begin_ = nullptr;
  std::uint8_t* out_ = nullptr;
  std::uint8_t* out_end_ = nullptr;
  std::uint64_t held_ = 0;
  unsigned bits_ = 0;
  Symbols symbols_;
  Distances distances_;
};

}  // namespace braggio
