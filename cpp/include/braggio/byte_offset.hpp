// CBF byte_offset: each value as the difference from the one before, in 1, 3, 7 or 15 bytes.
//
// Differences are taken modulo 2^N of the element. A difference of -2^31 is written in the 8-byte form, as the 4-byte
// form reserves that value for the escape (CBFlib, dxtbx and fabio get it wrong, each in its own way).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"

namespace braggio::byte_offset {

namespace detail {

template <class Stored>
Stored stored_at(Bytes data, std::size_t at) {
  if (data.size() - at < sizeof(Stored))
    throw Error(Fault::truncated, "byte_offset", std::to_string(sizeof(Stored)) + " bytes of a difference",
                std::to_string(data.size() - at), at);
  Stored value;
  std::memcpy(&value, data.data() + at, sizeof(Stored));
  return native_order == ByteOrder::little ? value : byte_swapped(value);
}

// The difference at `at`, which moves behind it.
inline std::int64_t take(Bytes data, std::size_t& at) {
  const auto one = stored_at<std::int8_t>(data, at++);
  if (one != std::numeric_limits<std::int8_t>::min()) return one;
  const auto two = stored_at<std::int16_t>(data, at);
  at += 2;
  if (two != std::numeric_limits<std::int16_t>::min()) return two;
  const auto four = stored_at<std::int32_t>(data, at);
  at += 4;
  if (four != std::numeric_limits<std::int32_t>::min()) return four;
  const auto eight = stored_at<std::int64_t>(data, at);
  at += 8;
  return eight;
}

#if defined(__x86_64__)
// Sixteen one-byte differences at a time, up to the first escape. Gives the last value.
inline std::uint32_t decode_runs(Bytes data, std::size_t& at, std::uint32_t* out, std::size_t count, std::size_t& done,
                                 std::uint32_t value) {
  const __m128i escape = _mm_set1_epi8(-128);
  __m128i last = _mm_set1_epi32(static_cast<int>(value));
  std::size_t i = done, from = at;
  const auto sums = [](__m128i x) {  // of 8 int16
    x = _mm_add_epi16(x, _mm_slli_si128(x, 2));
    x = _mm_add_epi16(x, _mm_slli_si128(x, 4));
    return _mm_add_epi16(x, _mm_slli_si128(x, 8));
  };
  const auto store = [&](__m128i sum, std::uint32_t* to) {
    const __m128i low = _mm_add_epi32(last, _mm_srai_epi32(_mm_unpacklo_epi16(sum, sum), 16));
    const __m128i high = _mm_add_epi32(last, _mm_srai_epi32(_mm_unpackhi_epi16(sum, sum), 16));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), low);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), high);
    last = _mm_shuffle_epi32(high, 0xff);
  };
  for (; count - i >= 16 && data.size() - from >= 16; i += 16, from += 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data.data() + from));
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(x, escape)) != 0) break;
    store(sums(_mm_srai_epi16(_mm_unpacklo_epi8(x, x), 8)), out + i);
    store(sums(_mm_srai_epi16(_mm_unpackhi_epi8(x, x), 8)), out + i + 8);
  }
  at = from;
  done = i;
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(last));
}

// Sixteen values whose differences all need one byte, at a time. Gives how many values were written.
inline std::size_t encode_runs(const std::int32_t* values, std::size_t count, std::byte* out) {
  const __m128i highest = _mm_set1_epi8(127), lowest = _mm_set1_epi8(-128);
  std::size_t i = 0;
  for (; count - i >= 16; i += 16) {  // values[-1] is there
    const auto difference = [&](std::size_t k) {
      const auto* at = values + i + k;
      return _mm_sub_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)),
                           _mm_loadu_si128(reinterpret_cast<const __m128i*>(at - 1)));
    };
    const __m128i x =
        _mm_packs_epi16(_mm_packs_epi32(difference(0), difference(4)), _mm_packs_epi32(difference(8), difference(12)));
    const __m128i saturated = _mm_or_si128(_mm_cmpeq_epi8(x, highest), _mm_cmpeq_epi8(x, lowest));
    if (_mm_movemask_epi8(saturated) != 0) break;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), x);
  }
  return i;
}
#endif

template <class Stored>
std::byte* put(std::byte* out, Stored value) {
  if (native_order != ByteOrder::little) value = byte_swapped(value);
  std::memcpy(out, &value, sizeof(Stored));
  return out + sizeof(Stored);
}

inline std::byte* put_difference(std::byte* out, std::int64_t d) {
  if (d >= -127 && d <= 127) return put(out, static_cast<std::int8_t>(d));
  out = put(out, std::numeric_limits<std::int8_t>::min());
  if (d >= -32767 && d <= 32767) return put(out, static_cast<std::int16_t>(d));
  out = put(out, std::numeric_limits<std::int16_t>::min());
  if (d > std::numeric_limits<std::int32_t>::min() && d <= std::numeric_limits<std::int32_t>::max())
    return put(out, static_cast<std::int32_t>(d));
  out = put(out, std::numeric_limits<std::int32_t>::min());
  return put(out, d);
}

inline constexpr std::size_t longest = 15;

}  // namespace detail

// Fill `out`; gives how many bytes of `data` that took.
template <class T>
std::size_t decode(Bytes data, std::span<T> out) {
  using Word = std::make_unsigned_t<T>;
  if (out.size() > data.size())  // a value takes at least a byte
    throw Error(Fault::truncated, "byte_offset", std::to_string(out.size()) + " values",
                std::to_string(data.size()) + " bytes");
  auto* words = reinterpret_cast<Word*>(out.data());
  std::size_t at = 0, i = 0;
  Word value = 0;
  while (i < out.size()) {
#if defined(__x86_64__)
    if constexpr (sizeof(T) == 4) value = detail::decode_runs(data, at, words, out.size(), i, value);
#endif
    for (std::size_t stop = std::min(out.size(), i + 16); i < stop; ++i) {
      value = static_cast<Word>(value + static_cast<Word>(detail::take(data, at)));
      words[i] = value;
    }
  }
  return at;
}

template <class T>
std::vector<std::byte> encode(std::span<const T> values) {
  using Word = std::make_unsigned_t<T>;
  using Signed = std::make_signed_t<T>;
  std::vector<std::byte> out;
  constexpr std::size_t block = 1 << 14;
  Word before = 0;
  for (std::size_t start = 0; start < values.size(); start += block) {
    const std::size_t stop = std::min(values.size(), start + block), used = out.size();
    if (out.capacity() < used + block * detail::longest)
      out.reserve(2 * used + values.size() + block * detail::longest);
    out.resize(used + (stop - start) * detail::longest);
    std::byte* at = out.data() + used;
    for (std::size_t i = start; i < stop;) {
#if defined(__x86_64__)
      if constexpr (sizeof(T) == 4) {
        if (i > 0) {
          const std::size_t run =
              detail::encode_runs(reinterpret_cast<const std::int32_t*>(values.data()) + i, stop - i, at);
          i += run;
          at += run;
          if (run > 0) before = static_cast<Word>(values[i - 1]);
        }
      }
#endif
      for (const std::size_t end = std::min(stop, i + 16); i < end; ++i) {
        const auto value = static_cast<Word>(values[i]);
        at = detail::put_difference(at, static_cast<Signed>(static_cast<Word>(value - before)));
        before = value;
      }
    }
    out.resize(static_cast<std::size_t>(at - out.data()));
  }
  return out;
}

}  // namespace braggio::byte_offset
