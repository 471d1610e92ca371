// scitbx flex buffers: numbers of variable length behind a count (scitbx/serialization, base 256).
//
// An integer is 00 for zero, or a byte with its length (itself included) and sign, and then its digits, least
// significant first. A real is the same with the digits of a fraction in [0.5, 1), most significant first, and then its
// binary exponent as an integer. No item is trusted to lie within the buffer or to fit its type.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"

namespace braggio::flex {

inline constexpr unsigned sign_bit = 0x80;
inline constexpr std::uint64_t high_bit = std::uint64_t{1} << 63;

enum class Element { boolean, i8, u8, i16, u16, i32, u32, i64, u64, f32, f64, text };

struct Type {
  std::string_view module;
  std::string_view name;
  Element element;
  unsigned components;  // numbers per item
};

// Every flex type that cctbx pickles: names as in the pickle, the element, numbers per item. `int` and `int32`, `long`
// and `int64`, `size_t` and `uint64` are the same types under two names.
inline constexpr Type types[] = {
    {"scitbx_array_family_flex_ext", "bool", Element::boolean, 1},
    {"scitbx_array_family_flex_ext", "int", Element::i32, 1},
    {"scitbx_array_family_flex_ext", "int32", Element::i32, 1},
    {"scitbx_array_family_flex_ext", "long", Element::i64, 1},
    {"scitbx_array_family_flex_ext", "int64", Element::i64, 1},
    {"scitbx_array_family_flex_ext", "size_t", Element::u64, 1},
    {"scitbx_array_family_flex_ext", "uint64", Element::u64, 1},
    {"scitbx_array_family_flex_ext", "int8", Element::i8, 1},
    {"scitbx_array_family_flex_ext", "uint8", Element::u8, 1},
    {"scitbx_array_family_flex_ext", "int16", Element::i16, 1},
    {"scitbx_array_family_flex_ext", "uint16", Element::u16, 1},
    {"scitbx_array_family_flex_ext", "uint32", Element::u32, 1},
    {"scitbx_array_family_flex_ext", "float", Element::f32, 1},
    {"scitbx_array_family_flex_ext", "double", Element::f64, 1},
    {"scitbx_array_family_flex_ext", "complex_double", Element::f64, 2},
    {"scitbx_array_family_flex_ext", "vec2_double", Element::f64, 2},
    {"scitbx_array_family_flex_ext", "vec3_double", Element::f64, 3},
    {"scitbx_array_family_flex_ext", "vec3_int", Element::i32, 3},
    {"scitbx_array_family_flex_ext", "mat3_double", Element::f64, 9},
    {"scitbx_array_family_flex_ext", "sym_mat3_double", Element::f64, 6},
    {"scitbx_array_family_flex_ext", "std_string", Element::text, 1},
    {"cctbx_array_family_flex_ext", "miller_index", Element::i32, 3},
    {"cctbx_array_family_flex_ext", "hendrickson_lattman", Element::f64, 4},
    {"dials_array_family_flex_ext", "int6", Element::i32, 6},
};

inline const Type* find_type(std::string_view module, std::string_view name) {
  for (const Type& type : types)
    if (type.module == module && type.name == name) return &type;
  return nullptr;
}

namespace detail {

[[noreturn]] inline void refuse(std::string expected, std::string found, std::size_t at) {
  throw Error(Fault::format, "flex buffer", std::move(expected), std::move(found), at);
}

[[noreturn]] inline void end_at(std::size_t at) {
  throw Error(Fault::truncated, "flex buffer", "another item", "the end", at);
}

inline unsigned byte_at(Bytes bytes, std::size_t at) {
  if (at >= bytes.size()) end_at(at);
  return std::to_integer<unsigned>(bytes[at]);
}

// The eight bytes at `at` as a little-endian number; those beyond the end are zero.
inline std::uint64_t eight_at(Bytes bytes, std::size_t at) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
  return native_order == ByteOrder::little ? word : byte_swapped(word);
}

struct Magnitude {
  std::uint64_t value;
  bool negative;
};

// The integer at `at`, at most `width` bytes wide; `at` moves behind it.
inline Magnitude take_integer(Bytes bytes, std::size_t& at, unsigned width) {
  const unsigned head = byte_at(bytes, at);
  if (head == 0) {
    ++at;
    return {0, false};
  }
  const unsigned digits = (head & ~sign_bit) - 1;
  if (digits - 1 >= width) refuse("1 to " + std::to_string(width) + " digits", std::to_string(digits), at);
  if (bytes.size() - at - 1 < digits) end_at(bytes.size());
  const std::uint64_t value = eight_at(bytes, at + 1) & (~std::uint64_t{0} >> (64 - 8 * digits));
  at += 1 + digits;
  return {value, (head & sign_bit) != 0};
}

template <std::integral T>
T take(Bytes bytes, std::size_t& at) {
  const std::size_t start = at;
  const Magnitude found = take_integer(bytes, at, sizeof(T));
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
  const std::uint64_t limit = found.negative ? (std::is_signed_v<T> ? most + 1 : 0) : most;
  if (found.value > limit)
    refuse("an integer of " + std::to_string(8 * sizeof(T)) + " bits",
           (found.negative ? "-" : "") + std::to_string(found.value), start);
  return static_cast<T>(found.negative ? 0 - found.value : found.value);
}

inline double power_of_two(int exponent) {  // -1022 to 1023
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

template <std::floating_point T>
T take(Bytes bytes, std::size_t& at) {
  const unsigned head = byte_at(bytes, at);
  if (head == 0) {
    ++at;
    return 0;
  }
  const std::size_t start = at;
  const unsigned digits = (head & ~sign_bit) - 1;
  if (digits - 1 >= 8) refuse("1 to 8 digits", std::to_string(digits), at);
  if (bytes.size() - at - 1 < digits) end_at(bytes.size());
  const std::uint64_t fraction = byte_swapped(eight_at(bytes, at + 1)) >> (64 - 8 * digits);
  at += 1 + digits;
  const Magnitude exponent = take_integer(bytes, at, 2);
  if (exponent.value > 1080) refuse("an exponent of a double", std::to_string(exponent.value), start);
  const int power = exponent.negative ? -static_cast<int>(exponent.value) : static_cast<int>(exponent.value);
  const int shift = power - static_cast<int>(8 * digits);
  const auto whole = static_cast<double>(fraction);
  const double value =
      shift >= -1022 && power >= -1021 && shift <= 1023 ? whole * power_of_two(shift) : std::ldexp(whole, shift);
  const auto result = static_cast<T>(value);
  if (!std::isfinite(result)) refuse("a finite number", "an overflow", start);
  return (head & sign_bit) != 0 ? -result : result;
}

// The double at `at`, which has 16 bytes behind it, when it is of the usual kind: at most 7 digits of which the first
// has its top bit set, and an exponent of one digit or none. Its bits are put together without arithmetic.
inline bool take_usual(Bytes bytes, std::size_t& at, double& out) {
  std::uint64_t word;
  std::memcpy(&word, bytes.data() + at, 8);
  const std::uint64_t item = native_order == ByteOrder::little ? byte_swapped(word) : word;
  const auto head = static_cast<unsigned>(item >> 56);
  const unsigned length = head & ~sign_bit;
  if (length < 2 || length > 8) return false;
  const std::uint64_t fraction = (item << 8) & (~std::uint64_t{0} << (72 - 8 * length));
  const unsigned power_head = std::to_integer<unsigned>(bytes[at + length]);
  const unsigned power_length = power_head & ~sign_bit;
  if ((fraction >> 63) == 0 || (fraction & 0x7ff) != 0 || (power_head != 0 && power_length != 2)) return false;
  const auto digit = power_head == 0 ? 0 : std::to_integer<int>(bytes[at + length + 1]);
  const int power = (power_head & sign_bit) != 0 ? -digit : digit;
  const std::uint64_t mantissa = (fraction << 1) >> 12;
  out = std::bit_cast<double>(std::uint64_t{head & sign_bit} << 56 | static_cast<std::uint64_t>(power + 1022) << 52 |
                              mantissa);
  at += length + (power_head == 0 ? 1 : 2);
  return true;
}

// Items of one digit are most of an image: four of them at a time, as long as they follow each other. Gives how many
// were taken; always writes four.
template <class T>
unsigned take_short(std::uint64_t word, T* out) {
  constexpr std::uint64_t length_of_each = 0x007f007f007f007f, one_digit = 0x0002000200020002;
  const std::uint64_t other = (word & length_of_each) ^ one_digit;
  for (unsigned i = 0; i < 4; ++i) {
    const auto item = static_cast<unsigned>(word >> (16 * i)) & 0xffff;
    const auto digit = static_cast<std::int32_t>(item >> 8);
    const std::int32_t negative = -static_cast<std::int32_t>((item >> 7) & 1);
    out[i] = static_cast<T>((digit ^ negative) - negative);
  }
  return other == 0 ? 4 : static_cast<unsigned>(std::countr_zero(other)) / 16;
}

}  // namespace detail

// How many items the buffer says it has; `at` moves behind the count.
inline std::uint64_t take_count(Bytes bytes, std::size_t& at, unsigned components) {
  const std::uint64_t count = detail::take<std::uint64_t>(bytes, at);
  const std::uint64_t smallest = checked_product(count, components, "flex count");  // an item has at least a byte
  if (smallest > bytes.size() - at)
    throw Error(Fault::truncated, "flex count", "at most " + std::to_string(bytes.size() - at) + " items",
                std::to_string(count), 0);
  return count;
}

// Fill `out` from the items at `at`, which must end with the buffer.
template <class T>
void decode_numbers(Bytes bytes, std::size_t at, std::span<T> out) {
  std::size_t i = 0;
  if constexpr (std::is_integral_v<T> && std::is_signed_v<T> && sizeof(T) > 1) {
    while (i + 8 <= out.size() && bytes.size() - at >= 8) {
      const std::uint64_t word = detail::eight_at(bytes, at);
      if ((word & 0xff) == 0) {  // a run of zeros
        std::fill_n(out.data() + i, 8, T{0});
        const std::size_t zeros = word == 0 ? 8 : static_cast<std::size_t>(std::countr_zero(word)) / 8;
        i += zeros;
        at += zeros;
        continue;
      }
      const unsigned taken = detail::take_short(word, out.data() + i);
      i += taken;
      at += std::size_t{2} * taken;
      if (taken == 0) out[i++] = detail::take<T>(bytes, at);
    }
  }
  if constexpr (std::is_same_v<T, double>)
    while (i < out.size() && bytes.size() - at >= 16 && detail::take_usual(bytes, at, out[i])) ++i;
  for (; i < out.size(); ++i) {
    out[i] = detail::take<T>(bytes, at);
    if constexpr (std::is_same_v<T, double>)
      while (i + 1 < out.size() && bytes.size() - at >= 16 && detail::take_usual(bytes, at, out[i + 1])) ++i;
  }
  if (at != bytes.size()) detail::refuse("the end after the last item", "more bytes", at);
}

inline void decode_booleans(Bytes bytes, std::size_t at, std::span<bool> out) {
  if (bytes.size() - at != out.size()) detail::refuse("a byte per item", "another size", at);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned c = std::to_integer<unsigned>(bytes[at + i]);
    if (c != '0' && c != '1') detail::refuse("0 or 1", std::to_string(c), at + i);
    out[i] = c == '1';
  }
}

inline std::vector<std::string_view> decode_texts(Bytes bytes, std::size_t at, std::uint64_t count) {
  std::vector<std::string_view> texts;
  texts.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto size = detail::take<std::uint64_t>(bytes, at);
    if (size > bytes.size() - at) detail::end_at(bytes.size());
    texts.emplace_back(reinterpret_cast<const char*>(bytes.data()) + at, size);
    at += size;
  }
  if (at != bytes.size()) detail::refuse("the end after the last item", "more bytes", at);
  return texts;
}

namespace detail {

inline std::byte* put_magnitude(std::byte* out, std::uint64_t value, bool negative) {
  if (value == 0) {
    *out = std::byte{0};
    return out + 1;
  }
  const auto digits = static_cast<unsigned>((71 - std::countl_zero(value)) / 8);
  *out++ = static_cast<std::byte>((digits + 1) | (negative ? sign_bit : 0));
  for (unsigned i = 0; i < digits; ++i) *out++ = static_cast<std::byte>(value >> (8 * i));
  return out;
}

template <std::integral T>
std::byte* put(std::byte* out, T value, std::size_t) {
  const bool negative = value < 0;
  const auto wide = static_cast<std::uint64_t>(value);
  return put_magnitude(out, negative ? 0 - wide : wide, negative);
}

template <std::floating_point T>
std::byte* put(std::byte* out, T value, std::size_t index) {
  if (!std::isfinite(value))
    throw Error(Fault::limit, "flex item " + std::to_string(index), "a finite number (a flex buffer holds no other)",
                std::isnan(value) ? "NaN" : "infinity");
  if (value == 0) return put_magnitude(out, 0, false);
  int exponent = 0;
  const double fraction = std::frexp(std::abs(static_cast<double>(value)), &exponent);
  auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53)) << 11;  // the top bit is set
  const unsigned digits = 8 - static_cast<unsigned>(std::countr_zero(mantissa)) / 8;
  *out++ = static_cast<std::byte>((digits + 1) | (value < 0 ? sign_bit : 0));
  for (unsigned i = 0; i < digits; ++i, mantissa <<= 8) *out++ = static_cast<std::byte>(mantissa >> 56);
  return put_magnitude(out, static_cast<std::uint64_t>(std::abs(exponent)), exponent < 0);
}

}  // namespace detail

// The buffer of `values`, `components` numbers per item.
template <class T>
std::vector<std::byte> encode_numbers(std::span<const T> values, unsigned components) {
  constexpr std::size_t longest = std::is_floating_point_v<T> ? 12 : sizeof(T) + 1;
  std::vector<std::byte> out(9);
  out.resize(
      static_cast<std::size_t>(detail::put_magnitude(out.data(), values.size() / components, false) - out.data()));
  constexpr std::size_t block = 1 << 14;
  for (std::size_t start = 0; start < values.size(); start += block) {
    const std::size_t stop = std::min(values.size(), start + block), used = out.size();
    out.resize(used + (stop - start) * longest);
    std::byte* at = out.data() + used;
    for (std::size_t i = start; i < stop; ++i) at = detail::put(at, values[i], i);
    out.resize(static_cast<std::size_t>(at - out.data()));
  }
  return out;
}

inline std::vector<std::byte> encode_booleans(std::span<const bool> values) {
  std::vector<std::byte> out(9);
  out.resize(static_cast<std::size_t>(detail::put_magnitude(out.data(), values.size(), false) - out.data()));
  for (const bool value : values) out.push_back(static_cast<std::byte>(value ? '1' : '0'));
  return out;
}

}  // namespace braggio::flex
