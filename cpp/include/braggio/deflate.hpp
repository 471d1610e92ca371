// zlib streams (RFC 1950, RFC 1951) of data that consists of runs: masks, label images, planes of bytes.
//
// A run is a literal and a copy of what stands 1 or 4 bytes before; nothing else is searched for. So a run of zeros
// costs the same whatever its length until it is cut into copies of 258 bytes, and a producer that knows its runs never
// makes the bytes. Each block has Huffman codes of its own. On masks and label images this is smaller than zlib's level
// 1, and no block grows by more than its header.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "braggio/adler32.hpp"
#include "braggio/bytes.hpp"
#include "braggio/cpu.hpp"
#include "braggio/deflate_codes.hpp"

namespace braggio {

namespace deflate {

inline constexpr std::size_t symbols = 286;  // literals, the end of the block, lengths

inline constexpr std::array<std::uint8_t, 256> length_index = [] {  // of a length less 3
  std::array<std::uint8_t, 256> index{};
  for (unsigned i = 0; i < 29; ++i)
    for (unsigned length = length_codes[i].base; length <= max_copy; ++length)
      index[length - min_copy] = static_cast<std::uint8_t>(i);
  return index;
}();

// Lengths of a prefix code for symbols that occur so often, none longer than `limit`; 0 for those that do not occur.
template <std::size_t n>
std::array<std::uint8_t, n> code_lengths(std::array<std::uint32_t, n> counts, unsigned limit) {
  std::array<std::uint16_t, n> leaves{};
  std::size_t used = 0;
  for (std::size_t symbol = 0; symbol < n; ++symbol)
    if (counts[symbol] != 0) leaves[used++] = static_cast<std::uint16_t>(symbol);
  std::array<std::uint8_t, n> lengths{};
  if (used == 1) lengths[leaves[0]] = 1;
  while (used > 1) {
    std::sort(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(used),
              [&](std::uint16_t a, std::uint16_t b) { return counts[a] != counts[b] ? counts[a] < counts[b] : a < b; });
    // Nodes in order of weight: the sorted leaves, and the joined ones, which come out sorted.
    std::array<std::uint64_t, 2 * n> weight{};
    std::array<std::uint16_t, 2 * n> parent{};
    for (std::size_t i = 0; i < used; ++i) weight[i] = counts[leaves[i]];
    std::size_t leaf = 0, joined = used;
    const std::size_t root = 2 * used - 2;
    for (std::size_t node = used; node <= root; ++node)
      for (int child = 0; child < 2; ++child) {
        const bool take_leaf = leaf < used && (joined == node || weight[leaf] <= weight[joined]);
        const std::size_t least = take_leaf ? leaf++ : joined++;
        weight[node] += weight[least];
        parent[least] = static_cast<std::uint16_t>(node);
      }
    std::array<std::uint16_t, 2 * n> depth{};
    unsigned deepest = 0;
    for (std::size_t node = root; node-- > 0;) {
      depth[node] = static_cast<std::uint16_t>(depth[parent[node]] + 1);
      deepest = std::max<unsigned>(deepest, depth[node]);
    }
    if (deepest <= limit) {
      for (std::size_t i = 0; i < used; ++i) lengths[leaves[i]] = static_cast<std::uint8_t>(depth[i]);
      break;
    }
    for (std::uint32_t& count : counts) count = (count + 1) / 2;  // flatter, in the end all alike
  }
  return lengths;
}

// Bits as they go into the stream, first bit lowest.
struct Code {
  std::uint32_t bits = 0;
  std::uint32_t count = 0;
};

// The canonical code of those lengths.
template <std::size_t n>
std::array<Code, n> codes_of(const std::array<std::uint8_t, n>& lengths) {
  std::array<std::uint32_t, 16> used{}, next{};
  for (const std::uint8_t length : lengths) ++used[length];
  used[0] = 0;
  for (std::size_t length = 1; length < 16; ++length) next[length] = (next[length - 1] + used[length - 1]) << 1;
  std::array<Code, n> codes{};
  for (std::size_t symbol = 0; symbol < n; ++symbol) {
    const unsigned length = lengths[symbol];
    if (length == 0) continue;
    std::uint32_t code = next[length]++, reversed = 0;
    for (unsigned i = 0; i < length; ++i, code >>= 1) reversed = reversed << 1 | (code & 1);
    codes[symbol] = {reversed, length};
  }
  return codes;
}

}  // namespace deflate

// One zlib stream after another, in buffers that are kept.
class RunDeflater {
 public:
  void begin() {
    out_.clear();
    out_.push_back(0x78);
    out_.push_back(0x01);
    adler_ = {};
    held_ = 0;
    held_bits_ = 0;
    used_ = 0;
    last_ = -1;
  }

  // `count` times one byte.
  void repeat(std::uint8_t value, std::uint64_t count) {
    if (count == 0) return;
    adler_.repeat(std::array<std::uint8_t, 1>{value}, count);
    tokens_of(value, count);
  }

  // `count` times four bytes: a number of a label image.
  void repeat(const std::array<std::uint8_t, 4>& item, std::uint64_t count) {
    if (count == 0) return;
    adler_.repeat(item, count);
    for (const std::uint8_t byte : item) push(byte);
    last_ = item[3];
    if (count > 1) copy(4 * (count - 1), 1);
  }

  // Every `stride`-th byte, `count` of them: a plane of bytes of an array of numbers, as HDF5's shuffle has it.
  void plane(const std::uint8_t* data, std::size_t count, std::size_t stride) {
    std::array<std::uint8_t, Adler32::longest> piece;
    for (std::size_t done = 0; done < count; done += piece.size()) {
      const std::size_t size = std::min(piece.size(), count - done);
      for (std::size_t i = 0; i < size; ++i) piece[i] = data[(done + i) * stride];
      adler_.bytes(std::span(piece).first(size));
      for (std::size_t i = 0; i < size;) {
        std::size_t end = i + 1;
        while (end < size && piece[end] == piece[i]) ++end;
        tokens_of(piece[i], end - i);
        i = end;
      }
    }
  }

  // The stream; it holds until the next `begin`.
  std::span<const std::uint8_t> finish() {
    write_block(true);
    while (held_bits_ > 0) {
      out_.push_back(static_cast<std::uint8_t>(held_));
      held_ >>= 8;
      held_bits_ -= std::min(held_bits_, 8u);
    }
    for (int shift = 24; shift >= 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(adler_.value() >> shift));
    return out_;
  }

 private:
  // A token: a literal, or 256 + the length less 3 of a copy from 1 byte before, or 512 + that from 4 bytes before.
  static constexpr std::size_t block_tokens = std::size_t{1} << 15, token_kinds = 768, end_of_block = 256;

  void tokens_of(std::uint8_t value, std::uint64_t count) {
    if (last_ != value) {
      last_ = value;
      push(value);
      --count;
    }
    if (count >= deflate::min_copy) return copy(count, 0);
    for (; count > 0; --count) push(value);
  }

  void push(unsigned token) {
    if (used_ == block_tokens) [[unlikely]]
      write_block(false);
    tokens_[used_++] = static_cast<std::uint16_t>(token);
  }

  // `count` is at least 3.
  void copy(std::uint64_t count, unsigned far) {
    while (count > 0) {
      const std::uint64_t rest = count <= deflate::max_copy ? 0 : std::max<std::uint64_t>(count - deflate::max_copy, 3);
      push(256 + 256 * far + static_cast<unsigned>(count - rest - deflate::min_copy));
      count = rest;
    }
  }

  void put(std::uint64_t bits, unsigned count) {
    held_ |= bits << held_bits_;
    held_bits_ += count;
    if (held_bits_ < 32) return;
    const std::uint64_t little = native_order == ByteOrder::little ? held_ : byte_swapped(held_);
    const std::size_t at = out_.size();
    out_.resize(at + 4);
    std::memcpy(out_.data() + at, &little, 4);
    held_ >>= 32;
    held_bits_ -= 32;
  }

  void write_block(bool last) {
    // Two counters of each, so that one token need not wait for the same one before it.
    std::array<std::uint32_t, token_kinds> kinds{}, more{};
    for (std::size_t i = 0; i + 1 < used_; i += 2) {
      ++kinds[tokens_[i]];
      ++more[tokens_[i + 1]];
    }
    if (used_ % 2 != 0) ++kinds[tokens_[used_ - 1]];
    for (std::size_t kind = 0; kind < token_kinds; ++kind) kinds[kind] += more[kind];
    std::array<std::uint32_t, deflate::symbols> counts{};
    std::copy_n(kinds.begin(), 256, counts.begin());
    counts[end_of_block] = 1;
    for (std::size_t length = 0; length < 256; ++length)
      counts[257 + deflate::length_index[length]] += kinds[256 + length] + kinds[512 + length];
    const auto lengths = deflate::code_lengths(counts, 15);
    put(last ? 1 : 0, 1);
    put(2, 2);  // Huffman codes of its own
    write_code_lengths(lengths);
    write_tokens(deflate::codes_of(lengths));
    used_ = 0;
  }

  // Distances 1 and 4 are symbols 0 and 3, one bit each.
  void write_code_lengths(const std::array<std::uint8_t, deflate::symbols>& lengths) {
    constexpr std::array<std::uint8_t, 4> distances{1, 0, 0, 1};
    std::size_t literals = deflate::symbols;
    while (literals > 257 && lengths[literals - 1] == 0) --literals;
    std::array<std::uint8_t, deflate::symbols + 4> all{};
    std::copy_n(lengths.begin(), literals, all.begin());
    std::copy(distances.begin(), distances.end(), all.begin() + static_cast<std::ptrdiff_t>(literals));

    struct Piece {
      std::uint8_t symbol, extra, extra_bits;
    };
    std::array<Piece, deflate::symbols + 4> pieces{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < literals + distances.size();) {
      const std::uint8_t value = all[i];
      std::size_t run = 1;
      while (i + run < literals + distances.size() && all[i + run] == value && run < 138) ++run;
      if (value == 0 && run >= 3) {
        pieces[count++] = run < 11 ? Piece{17, static_cast<std::uint8_t>(run - 3), 3}
                                   : Piece{18, static_cast<std::uint8_t>(run - 11), 7};
        i += run;
        continue;
      }
      pieces[count++] = {value, 0, 0};
      ++i;
      for (--run; value != 0 && run >= 3;) {
        const std::size_t part = std::min<std::size_t>(run, 6);
        pieces[count++] = {16, static_cast<std::uint8_t>(part - 3), 2};
        i += part;
        run -= part;
      }
    }
    std::array<std::uint32_t, 19> counts{};
    for (std::size_t i = 0; i < count; ++i) ++counts[pieces[i].symbol];
    const auto code_lengths = deflate::code_lengths(counts, 7);
    const auto codes = deflate::codes_of(code_lengths);
    put(literals - 257, 5);
    put(distances.size() - 1, 5);
    put(deflate::length_order.size() - 4, 4);
    for (const std::uint8_t symbol : deflate::length_order) put(code_lengths[symbol], 3);
    for (std::size_t i = 0; i < count; ++i) {
      put(codes[pieces[i].symbol].bits, codes[pieces[i].symbol].count);
      put(pieces[i].extra, pieces[i].extra_bits);
    }
  }

  void write_tokens(const std::array<deflate::Code, deflate::symbols>& codes) {
    std::array<deflate::Code, token_kinds> whole{};  // with the extra bits and the distance: at most 15 + 5 + 1 bits
    std::copy_n(codes.begin(), 256, whole.begin());
    for (unsigned length = 0; length < 256; ++length) {
      const unsigned index = deflate::length_index[length];
      const deflate::NumberCode kind = deflate::length_codes[index];
      deflate::Code code = codes[257 + index];
      code.bits |= (length + deflate::min_copy - kind.base) << code.count;
      code.count += kind.extra;
      whole[256 + length] = {code.bits, code.count + 1};
      whole[512 + length] = {code.bits | 1u << code.count, code.count + 1};
    }
    const std::size_t at = out_.size();
    out_.resize(at + used_ * 3 + 16);
    std::uint8_t* next = out_.data() + at;
    std::uint64_t held = held_;
    unsigned bits = held_bits_;
    const auto flush = [&] {
      const std::uint64_t little = native_order == ByteOrder::little ? held : byte_swapped(held);
      std::memcpy(next, &little, 8);
      next += bits / 8;
      held >>= bits / 8 * 8;
      bits %= 8;
    };
    flush();
    std::size_t i = 0;
    for (; i + 1 < used_; i += 2) {  // 7 bits left over and two tokens of 21
      const deflate::Code one = whole[tokens_[i]], two = whole[tokens_[i + 1]];
      held |= (one.bits | std::uint64_t{two.bits} << one.count) << bits;
      bits += one.count + two.count;
      flush();
    }
    if (i < used_) {
      const deflate::Code one = whole[tokens_[i]];
      held |= std::uint64_t{one.bits} << bits;
      bits += one.count;
      flush();
    }
    held_ = held;
    held_bits_ = bits;
    out_.resize(static_cast<std::size_t>(next - out_.data()));
    put(codes[end_of_block].bits, codes[end_of_block].count);
  }

  std::vector<std::uint8_t> out_{};
  std::array<std::uint16_t, block_tokens> tokens_{};
  std::size_t used_ = 0;
  int last_ = -1;  // the byte before, if there is one
  std::uint64_t held_ = 0;
  unsigned held_bits_ = 0;
  Adler32 adler_{};
};

}  // namespace braggio
