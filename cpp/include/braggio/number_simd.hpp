// Decimal text to doubles, four at once where the processor shuffles bytes: the same values as `parse_real`.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "braggio/cpu.hpp"
#include "braggio/number.hpp"

namespace braggio {

#if defined(__x86_64__)

namespace detail {

// For a point at place 7 to 14 of sixteen bytes that end with the number, and d digits before it: where the 8 places
// before the point and the 8 after it stand; 0x80 gives zero. Both halves then make a number of 8 digits, so that the
// value is one integer over 10^8.
struct PlaceTable {
  alignas(16) std::array<std::array<std::uint8_t, 16>, 64> places{};  // [8 (point - 7) + d]

  constexpr PlaceTable() {
    for (unsigned point = 7; point < 15; ++point)
      for (unsigned d = 0; d < 8; ++d)
        for (unsigned k = 0; k < 8; ++k) {
          auto& row = places[8 * (point - 7) + d];
          row[k] = static_cast<std::uint8_t>(k + d >= 8 ? point + k - 8 : 0x80);
          row[8 + k] = static_cast<std::uint8_t>(point + 1 + k < 16 ? point + 1 + k : 0x80);
        }
  }
};

inline constexpr PlaceTable place_table;

struct SignTable {
  alignas(32) std::array<std::array<std::uint64_t, 4>, 16> signs{};  // [one bit a number]

  constexpr SignTable() {
    for (unsigned bits = 0; bits < 16; ++bits)
      for (unsigned k = 0; k < 4; ++k) signs[bits][k] = std::uint64_t{bits >> k & 1} << 63;
  }
};

inline constexpr SignTable sign_table;

BRAGGIO_AVX2 inline __m256i two_halves(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(low))),
                                 _mm_loadu_si128(static_cast<const __m128i*>(high)), 1);
}

BRAGGIO_AVX2 inline unsigned byte_bits(__m256i equal) { return static_cast<unsigned>(_mm256_movemask_epi8(equal)); }

// Where the digits of one number stand in the sixteen bytes that end with it.
struct Place {
  unsigned row = 0, negative = 0, ok = 0;
};

// `others` are the bytes that are no digits: the last of them must be the point and the one before it the sign or what
// stands before the number (never found for one of more than sixteen bytes). The instruction, for std::countl_zero asks
// first whether there are bits.
BRAGGIO_AVX2 inline Place place_of(unsigned others, unsigned points, unsigned minuses, std::size_t size) {
  const int point = 31 - static_cast<int>(_lzcnt_u32(others));
  const unsigned rest = others & ~(1u << (point & 31));
  const int left = 31 - static_cast<int>(_lzcnt_u32(rest));
  const int blank = 15 - static_cast<int>(size);
  const unsigned digits = static_cast<unsigned>(point - left - 1), from = static_cast<unsigned>(point - 7);
  const unsigned negative = static_cast<unsigned>(left == blank + 1) & minuses >> (left & 31);
  const unsigned ok = (points >> (point & 31)) & (negative | static_cast<unsigned>(left == blank)) &
                      static_cast<unsigned>((digits | from) < 8);
  return {(8 * from + digits) & 63, negative & 1, ok & 1};
}

// Four numbers of up to 7 digits, a point and up to 8 decimals at once; false where one of them is written otherwise.
BRAGGIO_AVX2 inline bool parse_four_reals(const std::array<std::string_view, 4>& texts, double* values) {
  const auto end = [&](std::size_t k) { return texts[k].data() + texts[k].size() - 16; };
  const __m256i even = two_halves(end(0), end(2)), odd = two_halves(end(1), end(3));  // the order after the packing
  const __m256i zero = _mm256_set1_epi8('0'), nine = _mm256_set1_epi8(9);
  const __m256i evens = _mm256_sub_epi8(even, zero), odds = _mm256_sub_epi8(odd, zero);
  const unsigned even_others = ~byte_bits(_mm256_cmpeq_epi8(_mm256_min_epu8(evens, nine), evens));
  const unsigned odd_others = ~byte_bits(_mm256_cmpeq_epi8(_mm256_min_epu8(odds, nine), odds));
  const __m256i point = _mm256_set1_epi8('.'), minus = _mm256_set1_epi8('-');
  const unsigned even_points = byte_bits(_mm256_cmpeq_epi8(even, point));
  const unsigned odd_points = byte_bits(_mm256_cmpeq_epi8(odd, point));
  const unsigned even_minuses = byte_bits(_mm256_cmpeq_epi8(even, minus));
  const unsigned odd_minuses = byte_bits(_mm256_cmpeq_epi8(odd, minus));
  const Place a = place_of(even_others & 0xffff, even_points & 0xffff, even_minuses & 0xffff, texts[0].size());
  const Place b = place_of(odd_others & 0xffff, odd_points & 0xffff, odd_minuses & 0xffff, texts[1].size());
  const Place c = place_of(even_others >> 16, even_points >> 16, even_minuses >> 16, texts[2].size());
  const Place d = place_of(odd_others >> 16, odd_points >> 16, odd_minuses >> 16, texts[3].size());
  if ((a.ok & b.ok & c.ok & d.ok) == 0) return false;
  const auto fours = [&](__m256i digits, const Place& low, const Place& high) BRAGGIO_AVX2 {
    const __m256i places = two_halves(place_table.places[low.row].data(), place_table.places[high.row].data());
    const __m256i twos = _mm256_maddubs_epi16(_mm256_shuffle_epi8(digits, places), _mm256_set1_epi16(0x010a));
    return _mm256_madd_epi16(twos, _mm256_set1_epi32(0x00010064));
  };
  const __m256i packed = _mm256_packus_epi32(fours(evens, a, c), fours(odds, b, d));
  const __m256i eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(0x00012710));  // whole, part of a, b; of c, d
  const __m256i sorted = _mm256_permute4x64_epi64(_mm256_shuffle_epi32(eights, 0xd8), 0xd8);
  const __m256d whole = _mm256_cvtepi32_pd(_mm256_castsi256_si128(sorted));
  const __m256d part = _mm256_cvtepi32_pd(_mm256_extracti128_si256(sorted, 1));
  const __m256d scale = _mm256_set1_pd(1e8);
  const __m256d mantissas = _mm256_add_pd(_mm256_mul_pd(whole, scale), part);  // exact: below 2^53
  const std::size_t signs = a.negative | b.negative << 1 | c.negative << 2 | d.negative << 3;
  const auto* sign = reinterpret_cast<const double*>(sign_table.signs[signs].data());
  _mm256_storeu_pd(values, _mm256_or_pd(_mm256_div_pd(mantissas, scale), _mm256_loadu_pd(sign)));
  return true;
}

}  // namespace detail

#endif

namespace detail {

template <class Texts, class Take>
bool parse_each_real(std::size_t count, const Texts& texts, Take& take) {
  for (std::size_t k = 0; k < count; ++k)
    if (!take(k, parse_padded_real(texts(k)))) return false;
  return true;
}

#if defined(__x86_64__)
template <class Texts, class Take>
BRAGGIO_AVX2 bool parse_each_real_by_fours(std::size_t count, const Texts& texts, Take& take) {
  std::size_t k = 0;
  for (; k + 4 <= count; k += 4) {
    const std::array<std::string_view, 4> four{texts(k), texts(k + 1), texts(k + 2), texts(k + 3)};
    std::array<double, 4> values;
    const bool plain = parse_four_reals(four, values.data());
    for (std::size_t i = 0; i < 4; ++i)
      if (!take(k + i, plain ? Real{values[i], false, true} : parse_real(four[i]))) return false;
  }
  for (; k < count; ++k)
    if (!take(k, parse_padded_real(texts(k)))) return false;
  return true;
}
#endif

}  // namespace detail

// take(k, Real) for every texts(k), each with 16 readable bytes before its end and behind it; stops, and gives false,
// when `take` does.
template <class Texts, class Take>
bool parse_reals(Level level, std::size_t count, const Texts& texts, Take take) {
#if defined(__x86_64__)
  if (level != Level::baseline) return detail::parse_each_real_by_fours(count, texts, take);
#endif
  return detail::parse_each_real(count, texts, take);
}

}  // namespace braggio
