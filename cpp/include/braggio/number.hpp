// Decimal text to numbers and back, exactly rounded: what the tables are made of.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

namespace braggio {

struct Real {
  double value = 0.0;
  bool integral = false;  // written without '.' and exponent
  bool ok = false;
};

namespace detail {

inline constexpr std::array<double, 23> powers_of_ten{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline constexpr std::array<std::uint64_t, 9> integer_powers{1,      10,      100,      1000,     10000,
                                                             100000, 1000000, 10000000, 100000000};

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// blank, tab, VT, FF, CR and LF: one table look-up, for this is asked of many bytes.
inline constexpr auto blanks = [] {
  std::array<bool, 256> table{};
  for (const char c : {' ', '\t', '\n', '\v', '\f', '\r'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

inline bool is_blank(char c) { return blanks[static_cast<unsigned char>(c)]; }

// The digits from `p` on, added to `mantissa` (modulo 2^64), eight at a time: the bytes of a word that are no digits
// are found at once, the digits before them moved to the word's end behind zeros, and neighbours joined into pairs,
// fours and eights.
inline const char* take_digits(const char* p, const char* end, std::uint64_t& mantissa) {
  if constexpr (std::endian::native == std::endian::little) {
    while (end - p >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, p, 8);
      constexpr std::uint64_t high = 0xf0f0f0f0f0f0f0f0, zeros = 0x3030303030303030, six = 0x0606060606060606;
      const std::uint64_t others = ((word & high) ^ zeros) | (((word + six) & high) ^ zeros);
      const unsigned count = others == 0 ? 8 : static_cast<unsigned>(std::countr_zero(others)) / 8;
      if (count == 0) return p;
      word = (word & 0x0f0f0f0f0f0f0f0f) << (64 - 8 * count);
      word = word * 10 + (word >> 8);
      word = ((word & 0x000000ff000000ff) * 0x000f424000000064 +
              ((word >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
             32;
      mantissa = mantissa * integer_powers[count] + word;
      p += count;
      if (count < 8) return p;
    }
  }
  while (p != end && is_digit(*p)) mantissa = mantissa * 10 + static_cast<std::uint64_t>(*p++ - '0');
  return p;
}

inline bool equals_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != lower[i]) return false;
  }
  return true;
}

// Everything that the fast path leaves: long mantissas, large exponents, nan and inf.
inline Real parse_real_slowly(std::string_view text) {
  std::string_view digits = text;
  const bool negative = !digits.empty() && digits.front() == '-';
  if (!digits.empty() && (digits.front() == '-' || digits.front() == '+')) digits.remove_prefix(1);
  if (equals_lower(digits, "nan")) return {std::numeric_limits<double>::quiet_NaN(), false, true};
  if (equals_lower(digits, "inf") || equals_lower(digits, "infinity")) {
    const double infinity = std::numeric_limits<double>::infinity();
    return {negative ? -infinity : infinity, false, true};
  }
  if (digits.empty() || !(is_digit(digits.front()) || digits.front() == '.')) return {};
  double value = 0.0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return {};
  if (error == std::errc::result_out_of_range) {  // strtod tells underflow (a value) from overflow (none)
    value = std::strtod(std::string(digits).c_str(), nullptr);
    if (!std::isfinite(value)) return {};
  }
  return {negative ? -value : value, digits.find_first_not_of("0123456789") == std::string_view::npos, true};
}

}  // namespace detail

// The double nearest to a whole decimal text; nan and inf by name; not ok for anything else.
//
// Up to 19 digits whose mantissa is below 2^53 and whose power of ten is at most 22 are one exact product or quotient
// of two exact doubles (Clinger, PLDI 1990); the rest goes to from_chars.
inline Real parse_real(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  if (p == end) return {};
  const bool negative = *p == '-';
  p += static_cast<int>(negative) | static_cast<int>(*p == '+');  // no branch: signs come as they like
  std::uint64_t mantissa = 0;
  const char* const start = p;
  p = detail::take_digits(p, end, mantissa);
  std::size_t digits = static_cast<std::size_t>(p - start);
  int decimals = 0;
  const bool integral = p == end;
  if (p != end && *p == '.') {
    const char* const fraction = ++p;
    p = detail::take_digits(p, end, mantissa);
    if (p - fraction > 22) return detail::parse_real_slowly(text);
    decimals = static_cast<int>(p - fraction);
    digits += static_cast<std::size_t>(decimals);
  }
  if (digits == 0 || digits > 19 || mantissa >= (std::uint64_t{1} << 53)) return detail::parse_real_slowly(text);
  int exponent = -decimals;
  if (p != end) {
    if (*p != 'e' && *p != 'E') return {};
    int written = 0;
    if (++p != end && *p == '+' && p + 1 != end && detail::is_digit(p[1])) ++p;
    const auto [last, error] = std::from_chars(p, end, written);
    if (last != end || error != std::errc{} || written > 300 || written < -300) return detail::parse_real_slowly(text);
    exponent += written;
  }
  if (exponent < -22 || exponent > 22) return detail::parse_real_slowly(text);
  auto value = static_cast<double>(mantissa);
  if (exponent < 0)
    value /= detail::powers_of_ten[static_cast<std::size_t>(-exponent)];
  else
    value *= detail::powers_of_ten[static_cast<std::size_t>(exponent)];
  return {std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) | std::uint64_t{negative} << 63), integral, true};
}

// The whole text as an int64; false for anything else, also for what int64 does not hold.
inline bool parse_integer(std::string_view text, std::int64_t& value) {
  if (text.size() > 1 && text.front() == '+' && detail::is_digit(text[1])) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

namespace detail {

// Of the 8 bytes, bits of those that are no digits, up to and including the first of them.
inline std::uint64_t other_bytes(std::uint64_t word) {
  constexpr std::uint64_t high = 0xf0f0f0f0f0f0f0f0, zeros = 0x3030303030303030, six = 0x0606060606060606;
  return ((word & high) ^ zeros) | (((word + six) & high) ^ zeros);
}

// How many of the 8 bytes, from the first, are digits.
inline unsigned leading_digits(std::uint64_t word) {
  return static_cast<unsigned>(std::countr_zero(other_bytes(word))) / 8;
}

// The number that the first `count` bytes, 1 to 8 digits, make: moved to the word's end behind zeros, neighbours joined
// into pairs, fours and eights.
inline std::uint64_t joined_digits(std::uint64_t word, unsigned count) {
  word = (word & 0x0f0f0f0f0f0f0f0f) << (64 - 8 * count);
  word = word * 10 + (word >> 8);
  return ((word & 0x000000ff000000ff) * 0x000f424000000064 +
          ((word >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
         32;
}

inline std::uint64_t eight_bytes(const char* p) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, 8);
  return word;
}

}  // namespace detail

// `parse_real` for a text with 16 readable bytes behind it. What RELION prints, up to 7 digits, a point and up to 8
// decimals, is one exact quotient, found without a branch that depends on the value.
inline Real parse_padded_real(std::string_view text) {
  if constexpr (std::endian::native == std::endian::little) {
    const bool negative = text.front() == '-';
    const char* const p = text.data() + static_cast<int>(negative);
    const auto size = static_cast<unsigned>(std::min<std::size_t>(text.size(), 64)) - static_cast<unsigned>(negative);
    const std::uint64_t whole = detail::eight_bytes(p);
    const unsigned digits = detail::leading_digits(whole);
    const unsigned decimals = size - digits - 1;  // huge where there is no point
    if (digits - 1 < 7 && decimals - 1 < 8 && p[digits] == '.') {
      const std::uint64_t part = detail::eight_bytes(p + digits + 1);
      if (detail::leading_digits(part) >= decimals) {
        const std::uint64_t mantissa = detail::joined_digits(whole, digits) * detail::integer_powers[decimals] +
                                       detail::joined_digits(part, decimals);
        const double value = static_cast<double>(static_cast<std::int64_t>(mantissa)) / detail::powers_of_ten[decimals];
        return {std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) | std::uint64_t{negative} << 63), false,
                true};
      }
    }
  }
  return parse_real(text);
}

// `parse_integer` for a text that ends at `end` and begins behind a blank, with 16 readable bytes before its end: true
// where it is written with up to 7 digits. False says nothing.
inline bool parse_ended_integer(const char* end, std::int64_t& value) {
  if constexpr (std::endian::native == std::endian::little) {
    const std::uint64_t word = detail::eight_bytes(end - 8);
    const auto others = static_cast<unsigned>(std::countl_zero(detail::other_bytes(word) | 1));
    const unsigned digits = others / 8;
    if (digits - 1 >= 7) return false;
    const char* before = end - digits - 1;
    const bool negative = *before == '-';
    before -= static_cast<int>(negative);
    if (!detail::is_blank(*before)) return false;
    const auto size_of = static_cast<std::int64_t>(detail::joined_digits(word >> (64 - 8 * digits), digits));
    value = negative ? -size_of : size_of;
    return true;
  }
  return false;
}

// printf's %.<decimals>f. Where the value allows it, in integers: |x| = m 2^-s, so x 10^d = (m 10^d) >> s, and the bits
// shifted out say how to round (half to even, as printf does). 3x faster than to_chars (bench_star).
inline char* format_fixed(char* out, char* end, double value, int decimals) {
  constexpr std::array<std::uint64_t, 7> scales{1, 10, 100, 1000, 10000, 100000, 1000000};
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff) - 1075;
  const int shift = -exponent;
  if (decimals < 0 || decimals > 6 || shift < 1 || shift > 100) {  // integers above 2^52, tiny values, nan, inf
    return std::to_chars(out, end, value, std::chars_format::fixed, decimals).ptr;
  }
  using Wide = unsigned __int128;
  const std::uint64_t mantissa = (bits & ((std::uint64_t{1} << 52) - 1)) | (std::uint64_t{1} << 52);
  const std::uint64_t scale = scales[static_cast<std::size_t>(decimals)];
  const Wide product = static_cast<Wide>(mantissa) * scale;
  Wide scaled = product >> shift;
  const Wide rest = product - (scaled << shift);
  const Wide half = Wide{1} << (shift - 1);
  if (rest > half || (rest == half && (scaled & 1) != 0)) ++scaled;
  if (scaled >> 63) return std::to_chars(out, end, value, std::chars_format::fixed, decimals).ptr;
  const auto whole = static_cast<std::uint64_t>(scaled);
  if (bits >> 63) *out++ = '-';
  out = std::to_chars(out, end, whole / scale).ptr;
  if (decimals == 0) return out;
  *out++ = '.';
  std::uint64_t fraction = whole % scale;
  for (int i = decimals; i-- > 0; fraction /= 10) out[i] = static_cast<char>('0' + fraction % 10);
  return out + decimals;
}

}  // namespace braggio
