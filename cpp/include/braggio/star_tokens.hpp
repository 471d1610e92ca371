// The tokens of a STAR line: the careful reader, which knows quotes and comments, and the quick one for plain lines.
//
// Grammar: RELION's src/strings.cpp and src/metadata_table.cpp.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/cpu.hpp"
#include "braggio/error.hpp"
#include "braggio/lines.hpp"
#include "braggio/number.hpp"

namespace braggio {

namespace detail {

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

// Of 64 bytes, one bit each: blanks (VT, FF, CR, tab and LF, which are 9 to 13, and space), and what makes a token that
// begins with it anything but plain, or ends the line.
struct CharBits {
  std::uint64_t blank = 0, special = 0;
};

#if defined(__SSE2__)

inline CharBits char_bits(const char* bytes) {
  CharBits bits;
  for (int k = 0; k < 4; ++k) {
    const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16 * k));
    const __m128i control = _mm_sub_epi8(c, _mm_set1_epi8(9));
    const __m128i blank = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(control, _mm_set1_epi8(4)), control),
                                       _mm_cmpeq_epi8(c, _mm_set1_epi8(' ')));
    const __m128i quote = _mm_or_si128(_mm_cmpeq_epi8(_mm_or_si128(c, _mm_set1_epi8(1)), _mm_set1_epi8('#')),  // or "
                                       _mm_cmpeq_epi8(c, _mm_set1_epi8('\'')));
    const __m128i special = _mm_or_si128(quote, _mm_cmpeq_epi8(c, _mm_set1_epi8('\n')));
    bits.blank |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(blank))) << (16 * k);
    bits.special |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(special))) << (16 * k);
  }
  return bits;
}

#else

// The high bit of every byte that equals `c`.
inline std::uint64_t equal_bytes(std::uint64_t word, char c) {
  constexpr std::uint64_t ones = 0x0101010101010101, low = 0x7f * ones;
  const std::uint64_t other = word ^ (static_cast<unsigned char>(c) * ones);
  return ~(((other & low) + low) | other) & ~low;
}

inline CharBits char_bits(const char* bytes) {
  constexpr std::uint64_t ones = 0x0101010101010101, low = 0x7f * ones, high = 0x80 * ones;
  const auto packed = [](std::uint64_t highs) { return (highs >> 7) * 0x0102040810204080 >> 56; };
  CharBits bits;
  for (unsigned k = 0; k < 8; ++k) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + 8 * k, 8);
    if constexpr (std::endian::native == std::endian::big) word = byte_swapped(word);
    const std::uint64_t seven = word & low;
    const std::uint64_t control = (seven + (0x80 - 9) * ones) & ~(seven + (0x80 - 14) * ones) & ~word & high;
    bits.blank |= packed(control | equal_bytes(word, ' ')) << (8 * k);
    bits.special |=
        packed(equal_bytes(word, '"') | equal_bytes(word, '\'') | equal_bytes(word, '#') | equal_bytes(word, '\n'))
        << (8 * k);
  }
  return bits;
}

#endif

// As std::popcount, which is a call where the instruction is not taken for granted.
inline std::uint32_t count_bits(std::uint64_t bits) {
  bits -= (bits >> 1) & 0x5555555555555555;
  bits = (bits & 0x3333333333333333) + ((bits >> 2) & 0x3333333333333333);
  return static_cast<std::uint32_t>(((bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56);
}

struct PlainBits {
  static CharBits of(const char* bytes) { return char_bits(bytes); }
  static std::uint32_t count(std::uint64_t bits) { return count_bits(bits); }
};

#if defined(__x86_64__)
struct WideBits {
  BRAGGIO_AVX2 static CharBits of(const char* bytes) {
    CharBits bits;
    for (int k = 0; k < 2; ++k) {
      const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32 * k));
      const __m256i control = _mm256_sub_epi8(c, _mm256_set1_epi8(9));
      const __m256i blank = _mm256_or_si256(_mm256_cmpeq_epi8(_mm256_min_epu8(control, _mm256_set1_epi8(4)), control),
                                            _mm256_cmpeq_epi8(c, _mm256_set1_epi8(' ')));
      const __m256i quote =
          _mm256_or_si256(_mm256_cmpeq_epi8(_mm256_or_si256(c, _mm256_set1_epi8(1)), _mm256_set1_epi8('#')),
                          _mm256_cmpeq_epi8(c, _mm256_set1_epi8('\'')));
      const __m256i special = _mm256_or_si256(quote, _mm256_cmpeq_epi8(c, _mm256_set1_epi8('\n')));
      bits.blank |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm256_movemask_epi8(blank))) << (32 * k);
      bits.special |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm256_movemask_epi8(special))) << (32 * k);
    }
    return bits;
  }
  BRAGGIO_AVX2 static std::uint32_t count(std::uint64_t bits) {
    return static_cast<std::uint32_t>(std::popcount(bits));
  }
};
#endif

}  // namespace detail

// Plain cells of some rows: where each ends, in bytes from `text`.
class PlainRows {
 public:
  PlainRows(std::size_t columns, std::size_t rows, Level level = chosen_level())
      : columns_(columns), capacity_(rows), edges_((columns + 1) * rows + slack), level_(level) {}

  void clear(const char* text) {
    text_ = text;
    rows_ = 0;
  }
  std::size_t rows() const { return rows_; }
  bool full() const { return rows_ == capacity_; }

  const char* end(std::size_t row, std::size_t column) const {
    return text_ + edges_[row * (columns_ + 1) + column + 1];
  }

  std::string_view operator()(std::size_t row, std::size_t column) const {
    const std::uint32_t* edge = edges_.data() + row * (columns_ + 1) + column;
    const char* begin = text_ + edge[0];
    while (detail::is_blank(*begin)) ++begin;
    return {begin, static_cast<std::size_t>(text_ + edge[1] - begin)};
  }

  // One more row, the first line of `lines`: its size without the newline; or nothing, and nothing added, unless it has
  // just as many tokens as there are columns, all plain, and a newline. The 64 bytes after `lines` must be readable.
  std::optional<std::size_t> add(std::string_view lines) {
#if defined(__x86_64__)
    if (level_ != Level::baseline) return add_wide(lines);
#endif
    return add_by<detail::PlainBits>(lines);
  }

 private:
#if defined(__x86_64__)
  BRAGGIO_AVX2 std::optional<std::size_t> add_wide(std::string_view lines) { return add_by<detail::WideBits>(lines); }
#endif

  template <class Bits>
  [[gnu::always_inline]] std::optional<std::size_t> add_by(std::string_view lines) {
    if (size_ < lines.size() && lines[size_] == '\n' && add_like_last<Bits>(lines.data())) return size_;
    const void* end = std::memchr(lines.data(), '\n', lines.size());
    if (end == nullptr) return std::nullopt;
    const auto size = static_cast<std::size_t>(static_cast<const char*>(end) - lines.data());
    if (!add_other<Bits>(lines.substr(0, size))) return std::nullopt;
    return size;
  }

  // Of the 64 bytes from `at` on, bits of those behind the last of a token, and of those within tokens.
  struct Edges {
    std::uint64_t ends, inside;
  };

  // Bits of the bytes that are left of a line.
  [[gnu::always_inline]] static std::uint64_t within(std::size_t left) {
    return left < 64 ? (std::uint64_t{1} << left) - 1 : ~std::uint64_t{0};
  }

  [[gnu::always_inline]] static Edges edges_of(const detail::CharBits& bits, std::uint64_t mask, std::uint64_t before) {
    const std::uint64_t inside = ~bits.blank & mask;
    return {~inside & (inside << 1 | before), inside};
  }

  // RELION pads its columns: rows that are as long as the row before have nearly always the same ends.
  template <class Bits>
  [[gnu::always_inline]] bool add_like_last(const char* line) {
    std::uint64_t before = 0, other = 0;
    for (std::size_t at = 0, word = 0; at <= size_; at += 64, ++word) {
      const detail::CharBits bits = Bits::of(line + at);
      const std::uint64_t mask = within(size_ - at);
      const Edges edges = edges_of(bits, mask, before);
      other |= (edges.ends ^ ends_[word]) | (bits.special & mask);
      before = edges.inside >> 63;
    }
    if (other != 0) return false;
    const auto offset = static_cast<std::uint32_t>(line - text_);
    std::uint32_t* const edge = edges_.data() + rows_ * (columns_ + 1);
    for (std::size_t i = 0; i <= columns_; ++i) edge[i] = like_[i] + offset;
    ++rows_;
    return true;
  }

  // A token ends where a blank follows what is none. Eight ends are put at a time: some numbers after them are
  // nonsense.
  template <class Bits>
  [[gnu::always_inline]] bool add_other(std::string_view line) {
    const auto offset = static_cast<std::uint32_t>(line.data() - text_);
    std::uint32_t* const first = edges_.data() + rows_ * (columns_ + 1);
    std::uint32_t* edge = first;
    *edge++ = offset;
    std::uint64_t before = 0;  // the byte before the line is as good as a blank
    size_ = none;
    ends_.clear();
    for (std::size_t at = 0; at <= line.size(); at += 64) {
      const detail::CharBits bits = Bits::of(line.data() + at);
      const Edges edges = edges_of(bits, within(line.size() - at), before);
      const std::uint64_t begins = edges.inside & ~(edges.inside << 1 | before);
      if ((begins & bits.special) != 0) return false;
      const std::uint32_t base = offset + static_cast<std::uint32_t>(at), count = Bits::count(edges.ends);
      std::uint64_t ends = edges.ends;
      ends_.push_back(ends);
      for (std::uint32_t k = 0; k < 8; ++k, ends &= ends - 1)
        edge[k] = base + static_cast<std::uint32_t>(std::countr_zero(ends));
      for (std::uint32_t k = 8; k < count; ++k, ends &= ends - 1)
        edge[k] = base + static_cast<std::uint32_t>(std::countr_zero(ends));
      edge += count;
      before = edges.inside >> 63;
      if (static_cast<std::size_t>(edge - first) > columns_ + 1) return false;
    }
    if (static_cast<std::size_t>(edge - first) != columns_ + 1) return false;
    for (std::size_t i = 0; i <= columns_; ++i) like_[i] = first[i] - offset;
    size_ = line.size();
    ++rows_;
    return true;
  }

  static constexpr std::size_t slack = 80;  // what one word may add too much
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  std::size_t columns_, capacity_, rows_ = 0;
  const char* text_ = nullptr;
  std::vector<std::uint32_t> edges_;  // of each row, where it begins and its cells end
  Level level_;
  std::size_t size_ = none;                                                     // of the row last added
  std::vector<std::uint64_t> ends_;                                             // one bit a byte of it
  std::vector<std::uint32_t> like_ = std::vector<std::uint32_t>(columns_ + 1);  // its edges, from its own beginning
};

// The name after "data_" when `token` is that keyword, in any case.
inline std::optional<std::string_view> data_keyword(std::string_view token) {
  if (token.size() < 5 || !detail::equals_lower(token.substr(0, 5), "data_")) return std::nullopt;
  return token.substr(5);
}

}  // namespace braggio
