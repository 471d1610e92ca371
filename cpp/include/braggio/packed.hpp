// CBF_PACKED and CBF_PACKED_V2: each value as the difference from an average of its decoded neighbours, in chunks of 1
// to 128 differences of one width. Reals are packed as integers of their width.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/cpu.hpp"
#include "braggio/error.hpp"

namespace braggio::packed {

struct Layout {
  std::size_t fast = 0, mid = 1, slow = 1;
  bool v2 = false;
  bool flat = false;          // differences from the value before
  bool uncorrelated = false;  // sections do not look at each other

  std::size_t count() const { return fast * mid * slow; }
};

inline constexpr std::size_t header_bytes = 32;  // count, minimum, maximum, reserved

namespace detail {

inline unsigned size_bits(bool v2) { return v2 ? 4 : 3; }

// Bits per difference of a size code; `full` is the last one's.
inline unsigned width_of(unsigned size, bool v2, unsigned full) {
  constexpr unsigned v1[] = {0, 4, 5, 6, 7, 8, 16};
  if (size == (v2 ? 15u : 7u)) return full;
  return v2 ? (size == 0 ? 0 : size + 2) : v1[size];
}

inline unsigned full_width(unsigned element_bits, bool flat) { return flat ? 65 : element_bits; }

inline std::uint64_t word_at(Bytes data, std::size_t at) {
  std::uint64_t word = 0;
  if (data.size() >= 8 && at <= data.size() - 8) [[likely]]
    std::memcpy(&word, data.data() + at, 8);
  else if (at < data.size())
    std::memcpy(&word, data.data() + at, data.size() - at);
  return native_order == ByteOrder::little ? word : byte_swapped(word);
}

// `bits` bits from bit `at` on, sign-extended; bits above 64 are dropped.
inline std::int64_t bits_at(Bytes data, std::uint64_t at, unsigned bits) {
  bits = std::min(bits, 64u);
  const auto byte = static_cast<std::size_t>(at / 8);
  const unsigned shift = at % 8;
  std::uint64_t word = word_at(data, byte) >> shift;
  if (shift != 0 && shift + bits > 64) word |= word_at(data, byte + 8) << (64 - shift);
  return static_cast<std::int64_t>(word << (64 - bits)) >> (64 - bits);
}

// The stream of differences, chunk after chunk.
template <class Word>
class Differences {
 public:
  Differences(Bytes data, const Layout& layout)
      : data_(data), v2_(layout.v2), full_(full_width(8 * sizeof(Word), layout.flat)) {}

  void take(Word* out, std::size_t count) {
    while (count > 0) {
      if (left_ == 0) open_chunk();
      const std::size_t n = std::min<std::size_t>(count, left_);
      take_from_chunk(out, n);
      out += n;
      count -= n;
      left_ -= static_cast<unsigned>(n);
    }
  }

 private:
  // Differences of at most 57 bits, all at least 8 bytes before the end.
  void unpack(Word* out, std::size_t count) const {
    const std::byte* data = data_.data();
    const unsigned unused = 64 - width_;
    std::uint64_t at = at_;
    for (std::size_t i = 0; i < count; ++i, at += width_) {
      std::uint64_t word;
      std::memcpy(&word, data + at / 8, 8);
      if constexpr (native_order == ByteOrder::big) word = byte_swapped(word);
      out[i] = static_cast<Word>(static_cast<std::int64_t>(word << (unused - at % 8)) >> unused);
    }
  }

  void require(std::uint64_t bits) const {
    const std::uint64_t all = std::uint64_t{8} * data_.size();
    if (at_ > all || all - at_ < bits) [[unlikely]]
      throw Error(Fault::truncated, "packed data", std::to_string(bits) + " bits",
                  std::to_string(all - std::min(at_, all)), at_ / 8);
  }

  void open_chunk() {
    const unsigned bits = 3 + size_bits(v2_);
    require(bits);
    const auto code = static_cast<unsigned>(bits_at(data_, at_, bits)) & ((1u << bits) - 1);
    at_ += bits;
    left_ = 1u << (code & 7);
    width_ = width_of(code >> 3, v2_, full_);
  }

  void take_from_chunk(Word* out, std::size_t n) {
    require(std::uint64_t{width_} * n);
    const std::uint64_t end = at_ + std::uint64_t{width_} * n;
    if (width_ == 0) {
      std::fill_n(out, n, Word{0});
    } else if (width_ <= 57 && end / 8 + 8 <= data_.size()) {
      unpack(out, n);
    } else {
      for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<Word>(bits_at(data_, at_ + i * width_, width_));
    }
    at_ = end;
  }

  Bytes data_;
  bool v2_;
  unsigned full_;
  std::uint64_t at_ = 0;
  unsigned left_ = 0, width_ = 0;
};

// The average of 2^shift values from their sum, which wraps as the element does.
template <class Word>
Word average(Word sum, unsigned shift) {
  using Signed = std::make_signed_t<Word>;
  const Word half = static_cast<Word>((Word{1} << shift) >> 1);
  if constexpr (sizeof(Word) < 8)
    return static_cast<Word>((std::int64_t{static_cast<Signed>(sum)} + static_cast<std::int64_t>(half)) >> shift);
  else
    return static_cast<Word>(static_cast<Signed>(sum + half) >> shift);
}

// The rows that a row is predicted from; those of the section before are null when there is none to look at.
template <class Word>
struct Neighbours {
  const Word* up;
  const Word* below;
  const Word* below_up;
};

// sums[x] of what the prediction of pixel x adds up, but for the pixel on its left.
template <class Word>
struct SumNeighbours {
  BRAGGIO_INLINE void run(Neighbours<Word> near, std::size_t fast, Word* sums) {
    const Word* up = near.up;
    const Word* below = near.below;
    const Word* below_up = near.below_up;
    if (below == nullptr) {
      for (std::size_t x = 1; x + 1 < fast; ++x) sums[x] = static_cast<Word>(up[x - 1] + up[x] + up[x + 1]);
    } else {
      for (std::size_t x = 1; x + 1 < fast; ++x)
        sums[x] = static_cast<Word>(up[x - 1] + up[x] + up[x + 1] + below[x] + below_up[x - 1] + below_up[x] +
                                    below_up[x + 1]);
    }
  }
};

template <class Word>
Neighbours<Word> neighbours(const Word* row, std::size_t y, std::size_t z, const Layout& layout) {
  const std::size_t section = layout.fast * layout.mid;
  const bool correlated = z > 0 && !layout.uncorrelated;
  if (y == 0) return {nullptr, nullptr, nullptr};
  return {row - layout.fast, correlated ? row - section : nullptr, correlated ? row - section - layout.fast : nullptr};
}

template <class Word>
Word first_of_row(const Word* row, std::size_t y, std::size_t z, const Layout& layout) {
  if (y == 0) return z > 0 ? row[-static_cast<std::ptrdiff_t>(layout.fast * layout.mid)] : Word{0};
  const auto near = neighbours(row, y, z, layout);
  const std::size_t right = layout.fast > 1 ? 1 : 0;
  Word sum = static_cast<Word>(near.up[0] + near.up[right]);
  if (near.below != nullptr) sum = static_cast<Word>(sum + near.below_up[0] + near.below_up[right]);
  return average(sum, near.below != nullptr ? 2 : 1);
}

template <class Word>
Word last_of_row(Word left, const Neighbours<Word>& near, std::size_t x) {
  Word sum = static_cast<Word>(left + near.up[x]);
  if (near.below != nullptr) sum = static_cast<Word>(sum + near.below[x] + near.below_up[x]);
  return average(sum, near.below != nullptr ? 2 : 1);
}

// The values between the first and the last of a row. Each waits for the one before, so that what counts is the length
// of that chain: add, shift, add, with half of the divisor already in the sum. Of 32-bit sums the last few before 2^31
// would wrap by that half; the row is then done once more, as it is defined. Gives the last value.
template <class Word>
Word decode_between(Word* row, Word left, const Word* sums, const Word* differences, std::size_t fast, unsigned shift) {
  using Signed = std::make_signed_t<Word>;
  const Word first = left;
  if constexpr (sizeof(Word) >= 4) {
    const Word half = static_cast<Word>((Word{1} << shift) >> 1);
    constexpr Word lowest = static_cast<Word>(std::numeric_limits<Signed>::min());
    bool wraps = false;
    for (std::size_t x = 1; x + 1 < fast; ++x) {
      const Word sum = left + (sums[x] + half);
      if constexpr (sizeof(Word) == 4) wraps |= (sum ^ lowest) < half;
      row[x] = left = static_cast<Word>(static_cast<Signed>(sum) >> shift) + differences[x];
    }
    if (!wraps) return left;
    left = first;
  }
  for (std::size_t x = 1; x + 1 < fast; ++x)
    row[x] = left = static_cast<Word>(average(static_cast<Word>(left + sums[x]), shift) + differences[x]);
  return left;
}

// values = predictions + differences
template <class Word>
void decode_row(Word* row, std::size_t y, std::size_t z, const Layout& layout, const Word* differences, Word* sums) {
  const std::size_t fast = layout.fast;
  Word left = row[0] = static_cast<Word>(differences[0] + first_of_row(row, y, z, layout));
  if (y == 0) {
    for (std::size_t x = 1; x < fast; ++x) row[x] = left = static_cast<Word>(left + differences[x]);
    return;
  }
  const auto near = neighbours(row, y, z, layout);
  SumNeighbours<Word>::run(near, fast, sums);
  left = decode_between(row, left, sums, differences, fast, near.below != nullptr ? 3 : 2);
  if (fast > 1) row[fast - 1] = static_cast<Word>(differences[fast - 1] + last_of_row(left, near, fast - 1));
}

template <class Word>
void differences_of_row(const Word* row, std::size_t y, std::size_t z, const Layout& layout, Word* sums, Word* out,
                        Level level) {
  const std::size_t fast = layout.fast;
  out[0] = static_cast<Word>(row[0] - first_of_row(row, y, z, layout));
  if (y == 0) {
    for (std::size_t x = 1; x < fast; ++x) out[x] = static_cast<Word>(row[x] - row[x - 1]);
    return;
  }
  const auto near = neighbours(row, y, z, layout);
  on_level<SumNeighbours<Word>>(level, near, fast, sums);
  const unsigned shift = near.below != nullptr ? 3 : 2;
  for (std::size_t x = 1; x + 1 < fast; ++x)
    out[x] = static_cast<Word>(row[x] - average(static_cast<Word>(row[x - 1] + sums[x]), shift));
  if (fast > 1) out[fast - 1] = static_cast<Word>(row[fast - 1] - last_of_row(row[fast - 2], near, fast - 1));
}

// All rows; `rows` has room for two.
template <class Word>
struct DecodeRows {
  BRAGGIO_INLINE void run(Bytes data, Layout layout, Word* out, Word* rows) {
    Differences<Word> differences(data, layout);
    if (layout.flat) {
      Word value = 0;
      differences.take(out, layout.count());
      for (std::size_t i = 0; i < layout.count(); ++i) out[i] = value = static_cast<Word>(value + out[i]);
      return;
    }
    for (std::size_t z = 0; z < layout.slow; ++z)
      for (std::size_t y = 0; y < layout.mid; ++y, out += layout.fast) {
        differences.take(rows, layout.fast);
        decode_row(out, y, z, layout, rows, rows + layout.fast);
      }
  }
};

// Writes bits, least significant first.
class Bits {
 public:
  explicit Bits(std::vector<std::byte>& out) : out_(out) {}

  void put(std::uint64_t value, unsigned bits) {  // at most 64
    if (bits < 64) value &= (std::uint64_t{1} << bits) - 1;
    held_ |= value << used_;
    const unsigned before = used_;
    used_ += bits;
    if (used_ < 64) return;
    flush(8);
    used_ -= 64;
    held_ = used_ == 0 ? 0 : value >> (64 - before);
  }
  void finish() { flush((used_ + 7) / 8); }

 private:
  void flush(unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out_.push_back(static_cast<std::byte>(held_ >> (8 * i)));
  }

  std::vector<std::byte>& out_;
  std::uint64_t held_ = 0;
  unsigned used_ = 0;
};

// Splits up to 128 differences where that saves bits, and writes them.
template <class Word>
class Chunks {
 public:
  Chunks(Bits& bits, bool v2) : bits_(bits), v2_(v2) {
    unsigned size = 0;
    for (unsigned needed = 0; needed <= element_bits; ++needed) {
      while (width(size) < needed) ++size;
      smallest_[needed] = static_cast<unsigned char>(size);
    }
  }

  void write(const Word* differences, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = static_cast<std::make_signed_t<Word>>(differences[i]);
      const auto magnitude = static_cast<Word>(value < 0 ? ~differences[i] : differences[i]);
      sizes_[i] =
          smallest_[differences[i] == 0
                        ? 0
                        : std::min<unsigned>(element_bits, 1 + static_cast<unsigned>(std::bit_width(magnitude)))];
    }
    while (count > 0) {
      const auto power = static_cast<unsigned>(std::bit_width(count)) - 1;
      const std::size_t block = std::min<std::size_t>(std::size_t{1} << power, 128);
      const std::size_t start = done_;
      plan(start, static_cast<unsigned>(std::bit_width(block)) - 1);
      emit(differences, start, static_cast<unsigned>(std::bit_width(block)) - 1);
      done_ += block;
      count -= block;
    }
    done_ = 0;
  }

 private:
  static constexpr unsigned element_bits = 8 * sizeof(Word);

  unsigned width(unsigned size) const { return width_of(size, v2_, element_bits); }
  unsigned code_bits() const { return 3 + size_bits(v2_); }

  struct Plan {
    unsigned cost;
    unsigned char size;
    bool split;
  };

  // Blocks of 2^power differences from `start`: the tree of halves is numbered as a heap is.
  Plan plan(std::size_t start, unsigned power, unsigned index = 1) {
    Plan& mine = plans_[index];
    if (power == 0) return mine = {code_bits() + width(sizes_[start]), sizes_[start], false};
    const Plan left = plan(start, power - 1, 2 * index);
    const Plan right = plan(start + (std::size_t{1} << (power - 1)), power - 1, 2 * index + 1);
    const unsigned char size = std::max(left.size, right.size);
    const unsigned whole = code_bits() + (width(size) << power);
    const bool split = left.cost + right.cost < whole;
    return mine = {split ? left.cost + right.cost : whole, size, split};
  }

  void emit(const Word* differences, std::size_t start, unsigned power, unsigned index = 1) {
    const Plan mine = plans_[index];
    if (mine.split) {
      emit(differences, start, power - 1, 2 * index);
      return emit(differences, start + (std::size_t{1} << (power - 1)), power - 1, 2 * index + 1);
    }
    bits_.put(std::uint64_t{mine.size} << 3 | power, code_bits());
    const unsigned bits = width(mine.size);
    if (bits == 0) return;
    for (std::size_t i = 0; i < std::size_t{1} << power; ++i)
      bits_.put(static_cast<std::uint64_t>(
                    static_cast<std::int64_t>(static_cast<std::make_signed_t<Word>>(differences[start + i]))),
                bits);
  }

  Bits& bits_;
  bool v2_;
  std::size_t done_ = 0;
  unsigned char smallest_[element_bits + 1] = {};
  unsigned char sizes_[128] = {};
  Plan plans_[256] = {};
};

}  // namespace detail

// Fill `out`, the words of layout.count() elements, from a whole packed section.
template <class Word>
void decode(Bytes data, const Layout& layout, Word* out, Level level = chosen_level()) {
  const auto stated = load<std::uint64_t>(data, 0, ByteOrder::little, "packed count");
  if (data.size() < header_bytes)
    throw Error(Fault::truncated, "packed header", "32 bytes", std::to_string(data.size()));
  if (stated != layout.count())
    throw Error(Fault::format, "packed count", std::to_string(layout.count()), std::to_string(stated), 0);
  std::vector<Word> rows(2 * layout.fast);
  on_level<detail::DecodeRows<Word>>(level, data.subspan(header_bytes), layout, out, rows.data());
}

// The packed section of layout.count() elements (never flat).
template <class Word>
std::vector<std::byte> encode(const Word* values, const Layout& layout, Level level = chosen_level()) {
  std::vector<std::byte> out(header_bytes);
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(std::uint64_t{layout.count()} >> (8 * i));
  out.reserve(header_bytes + layout.count() * sizeof(Word) / 2);
  detail::Bits bits(out);
  detail::Chunks<Word> chunks(bits, layout.v2);
  std::vector<Word> sums(layout.fast), held(layout.fast + 128);
  std::size_t waiting = 0;
  const Word* row = values;
  for (std::size_t z = 0; z < layout.slow; ++z)
    for (std::size_t y = 0; y < layout.mid; ++y, row += layout.fast) {
      detail::differences_of_row(row, y, z, layout, sums.data(), held.data() + waiting, level);
      waiting += layout.fast;
      std::size_t start = 0;
      for (; waiting - start >= 128; start += 128) chunks.write(held.data() + start, 128);
      std::copy(held.data() + start, held.data() + waiting, held.data());
      waiting -= start;
    }
  if (waiting > 0) chunks.write(held.data(), waiting);
  bits.finish();
  return out;
}

}  // namespace braggio::packed
