// Texts of a pickle: Latin-1 within UTF-8, escapes, and literals of Python 2.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/error.hpp"
#include "braggio/pickle_graph.hpp"

namespace braggio::pickle {

namespace detail {

// Of UTF-8 bytes that are all ASCII, or C2 or C3 and what follows them: the characters below 256. Every byte but C2 and
// C3 is one, after C3 with 0x40 more. Without branches: half of the bytes of an image are above 127, and no processor
// guesses which.
inline std::size_t squeeze(const unsigned char* from, std::size_t size, unsigned char* to, unsigned char before = 0) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned char c = from[i];
    to[used] = static_cast<unsigned char>(c | (before == 0xc3 ? 0x40 : 0));
    used += c < 0xc0;
    before = c;
  }
  return used;
}

#if defined(__x86_64__)
// The same eight bytes at a time; `to` has room for `size` bytes.
BRAGGIO_AVX2 inline std::size_t squeeze_words(const unsigned char* from, std::size_t size, unsigned char* to) {
  constexpr std::uint64_t tops = 0x8080808080808080;
  std::uint64_t carry = 0;
  std::size_t i = 0, used = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, from + i, 8);
    const std::uint64_t leads = word & (word << 1) & tops, higher = leads & (word << 7);
    word |= ((higher << 8) | carry) >> 1;
    carry = higher >> 56;
    const std::uint64_t kept = ~((leads >> 7) * 0xff);
    const std::uint64_t squeezed = __builtin_ia32_pext_di(word, kept);
    std::memcpy(to + used, &squeezed, 8);
    used += 8 - static_cast<std::size_t>(__builtin_popcountll(leads));
  }
  return used + squeeze(from + i, size - i, to + used, i > 0 ? from[i - 1] : 0);
}
#endif

}  // namespace detail

// UTF-8 that holds only characters below 256, as those bytes: what _codecs.encode(text, "latin1") gives.
inline Text to_latin1(std::string_view utf8, std::uint64_t offset, Level level = chosen_level()) {
  const auto* from = reinterpret_cast<const unsigned char*>(utf8.data());
  const std::size_t size = utf8.size();
  const auto leads = [](unsigned char c) { return static_cast<unsigned char>((c & 0xfe) == 0xc2); };
  unsigned char wrong = 0;
  for (std::size_t i = 1; i < size; ++i) {
    const unsigned char c = from[i];
    wrong |= static_cast<unsigned char>(((c & 0xc0) == 0x80) != (leads(from[i - 1]) != 0));
    wrong |= static_cast<unsigned char>((c >= 0xc0) != (leads(c) != 0));
  }
  const bool ends = size == 0 || ((from[0] < 0x80 || leads(from[0])) && !leads(from[size - 1]));
  if (wrong != 0 || !ends)
    throw Error(Fault::format, "_codecs.encode", "characters below 256 in UTF-8", "another text", offset);
  Text out{std::make_unique_for_overwrite<char[]>(size), 0};
  auto* to = reinterpret_cast<unsigned char*>(out.bytes.get());
#if defined(__x86_64__)
  out.size = level == Level::baseline ? detail::squeeze(from, size, to) : detail::squeeze_words(from, size, to);
#else
  out.size = detail::squeeze(from, size, to);
#endif
  return out;
}

namespace detail {

inline void put_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// `count` hexadecimal digits at `at`, or a refusal.
inline std::uint32_t hexadecimal(std::string_view text, std::size_t at, std::size_t count, std::uint64_t offset) {
  std::uint32_t value = 0;
  const char* const begin = text.data() + std::min(at, text.size());
  const char* const end = text.data() + std::min(at + count, text.size());
  const auto [stop, error] = std::from_chars(begin, end, value, 16);
  if (error != std::errc{} || stop != begin + count)
    throw Error(Fault::format, "pickle string", std::to_string(count) + " hexadecimal digits", "others", offset);
  return value;
}

// The text of UNICODE: Latin-1 with \uXXXX and \UXXXXXXXX, as UTF-8.
inline std::string from_raw_unicode(std::string_view raw, std::uint64_t offset) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    std::size_t digits = 0;
    if (raw[i] == '\\' && i + 1 < raw.size()) digits = raw[i + 1] == 'u' ? 4 : raw[i + 1] == 'U' ? 8 : 0;
    if (digits == 0) {
      put_utf8(out, static_cast<unsigned char>(raw[i]));
      continue;
    }
    const std::uint32_t c = hexadecimal(raw, i + 2, digits, offset);
    if (c > 0x10ffff) throw Error(Fault::format, "pickle string", "a character", std::to_string(c), offset);
    put_utf8(out, c);
    i += 1 + digits;
  }
  return out;
}

// The bytes of a decimal number, little-endian in two's complement, as LONG1 holds them; empty where it is none.
inline std::string from_decimal(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.empty()) return {};
  std::vector<std::uint32_t> limbs{0};
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return {};
    std::uint64_t carry = static_cast<std::uint64_t>(digit - '0');
    for (std::uint32_t& limb : limbs) {
      carry += std::uint64_t{limb} * 10;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) limbs.push_back(static_cast<std::uint32_t>(carry));
  }
  limbs.push_back(0);  // of the sign
  std::uint64_t carry = 1;
  for (std::uint32_t& limb : limbs) {
    if (!negative) break;
    carry += static_cast<std::uint32_t>(~limb);
    limb = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  std::string bytes;
  for (const std::uint32_t limb : limbs)
    for (unsigned shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(limb >> shift & 255);
  return bytes;
}

// The bytes of STRING: a Python 2 literal in quotes.
inline std::string from_literal(std::string_view literal, std::uint64_t offset) {
  const bool quoted =
      literal.size() >= 2 && (literal.front() == '\'' || literal.front() == '"') && literal.back() == literal.front();
  if (!quoted) throw Error(Fault::format, "STRING", "a quoted literal", "none", offset);
  literal = literal.substr(1, literal.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\') {
      out += literal[i];
      continue;
    }
    if (++i == literal.size()) throw Error(Fault::format, "STRING", "an escape", "the end", offset);
    constexpr std::string_view letters = "\\'\"abfnrtv", meanings = "\\'\"\a\b\f\n\r\t\v";
    const auto known = letters.find(literal[i]);
    if (known != std::string_view::npos) {
      out += meanings[known];
    } else if (literal[i] == 'x') {
      out += static_cast<char>(hexadecimal(literal, i + 1, 2, offset));
      i += 2;
    } else if (literal[i] >= '0' && literal[i] <= '7') {
      unsigned value = 0;
      std::size_t end = i;
      while (end < literal.size() && end < i + 3 && literal[end] >= '0' && literal[end] <= '7')
        value = value * 8 + static_cast<unsigned>(literal[end++] - '0');
      out += static_cast<char>(value);
      i = end - 1;
    } else {
      out += '\\';
      out += literal[i];
    }
  }
  return out;
}

}  // namespace detail

}  // namespace braggio::pickle
