// Decimal text to doubles, four at once where the processor shuffles bytes: the same values as `parse_real`.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>

#include "braggio/cpu.hpp"
#include "braggio/number.hpp"

namespace braggio {

#if defined(__x86_64__)

namespace detail {

// By the leading zeros of 32 bits that have the points of sixteen bytes in their low half: where the 8 bytes before the
// last point stand, the nearest first, and the 8 after it; 0x80, which gives NUL, for what lies outside, and for all
// of them where there is no point or more than 8 bytes behind it.
struct PlaceTable {
  alignas(16) std::array<std::array<std::uint8_t, 16>, 33> places{};

  constexpr PlaceTable() {
    for (unsigned zeros = 0; zeros <= 32; ++zeros) {
      places[zeros].fill(0x80);
      const unsigned point = 31 - zeros;
      if (point < 7 || point > 15) continue;
      for (unsigned k = 0; k < 8; ++k) {
        if (k < point) places[zeros][k] = static_cast<std::uint8_t>(point - 1 - k);
        if (point + 1 + k < 16) places[zeros][8 + k] = static_cast<std::uint8_t>(point + 1 + k);
      }
    }
  }
};

inline constexpr PlaceTable place_table;

BRAGGIO_AVX2 inline __m256i two_halves(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(low))),
                                 _mm_loadu_si128(static_cast<const __m128i*>(high)), 1);
}

// Two numbers, one in each half of a register: 64 bits of the digits before the point, from it outwards, and 64 of
// those behind it.
struct TwoReals {
  __m256i digits;    // 0 where there is none
  __m256i negative;  // 64 bits that are not all zero where the number is, for the first half
  __m256i good;      // the high bits of all bytes are set, unless the text is written otherwise
};

// The numbers whose texts end with these sixteen bytes and begin behind a blank.
BRAGGIO_AVX2 inline TwoReals two_reals(const char* first, const char* second) {
  const __m256i text = two_halves(first, second);
  const auto points = static_cast<unsigned>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, _mm256_set1_epi8('.'))));
  const __m256i places = two_halves(place_table.places[_lzcnt_u32(points & 0xffff)].data(),
                                    place_table.places[_lzcnt_u32(points >> 16)].data());
  const __m256i bytes = _mm256_shuffle_epi8(text, places);
  const __m256i values = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0')), nine = _mm256_set1_epi8(9);
  const __m256i numeric = _mm256_cmpeq_epi8(_mm256_min_epu8(values, nine), values);
  // One added to the bytes before the point runs over those of digits and stops at the first that is none.
  const __m256i after = _mm256_add_epi64(numeric, _mm256_set_epi64x(0, 1, 0, 1));
  const __m256i run = _mm256_blend_epi32(_mm256_andnot_si256(after, numeric), numeric, 0b11001100);
  const __m256i stop = _mm256_and_si256(_mm256_andnot_si256(numeric, after), _mm256_set_epi64x(0, ~0xffll, 0, ~0xffll));
  const __m256i control = _mm256_sub_epi8(bytes, nine), four = _mm256_set1_epi8(4);
  const __m256i blank = _mm256_or_si256(_mm256_cmpeq_epi8(_mm256_min_epu8(control, four), control),
                                        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' ')));
  const __m256i minus = _mm256_and_si256(stop, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('-')));
  const __m256i begun =
      _mm256_or_si256(_mm256_and_si256(stop, blank), _mm256_and_si256(minus, _mm256_srli_epi64(blank, 8)));
  const __m256i good = _mm256_blend_epi32(_mm256_cmpgt_epi64(begun, _mm256_setzero_si256()),
                                          _mm256_or_si256(numeric, places), 0b11001100);
  return {_mm256_and_si256(values, run), minus, good};
}

// Four digits and four in each half of it, as 32 bits.
BRAGGIO_AVX2 inline __m256i joined_fours(__m256i digits) {
  constexpr long long inwards = 0x0a010a010a010a01, onwards = 0x010a010a010a010a;
  const __m256i twos = _mm256_maddubs_epi16(digits, _mm256_set_epi64x(onwards, inwards, onwards, inwards));
  constexpr long long inward_twos = 0x0064000100640001, onward_twos = 0x0001006400010064;
  return _mm256_madd_epi16(twos, _mm256_set_epi64x(onward_twos, inward_twos, onward_twos, inward_twos));
}

// Four numbers of up to 7 digits, a point and up to 8 decimals at once; false where one of them is written otherwise.
// Each ends at `ends[k]`, follows a blank, and has 16 readable bytes before its end.
BRAGGIO_AVX2 inline bool parse_four_reals(const std::array<const char*, 4>& ends, double* values) {
  const TwoReals even = two_reals(ends[0] - 16, ends[2] - 16), odd = two_reals(ends[1] - 16, ends[3] - 16);
  if (_mm256_movemask_epi8(_mm256_and_si256(even.good, odd.good)) != -1) return false;
  const __m256i packed = _mm256_packus_epi32(joined_fours(even.digits), joined_fours(odd.digits));
  const __m256i eights =  // 32 bits of what stands before the point, 32 of what stands behind it
      _mm256_madd_epi16(packed, _mm256_set1_epi64x(0x0001271027100001));
  const __m256i mantissas = _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)),
                                             _mm256_srli_epi64(eights, 32));  // below 10^15
  const __m256d power = _mm256_set1_pd(4503599627370496.0);                   // 2^52: its lowest bit is worth one
  const __m256d exact =
      _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(mantissas, _mm256_castpd_si256(power))), power);
  const __m256i minus = _mm256_unpacklo_epi64(even.negative, odd.negative);
  const __m256i positive = _mm256_cmpeq_epi64(minus, _mm256_setzero_si256());
  const __m256d sign = _mm256_andnot_pd(_mm256_castsi256_pd(positive), _mm256_set1_pd(-0.0));
  _mm256_storeu_pd(values, _mm256_or_pd(_mm256_div_pd(exact, _mm256_set1_pd(1e8)), sign));
  return true;
}

}  // namespace detail

#endif

namespace detail {

template <class Cells, class Take>
bool parse_each_real(std::size_t start, std::size_t count, const Cells& cells, double* values, Take& take) {
  for (std::size_t k = start; k < count; ++k) {
    const Real real = parse_padded_real(cells.text(k));
    values[k] = real.value;
    if (!take(real)) return false;
  }
  return true;
}

#if defined(__x86_64__)
template <class Cells, class Take>
BRAGGIO_AVX2 bool parse_each_real_by_fours(std::size_t count, const Cells& cells, double* values, Take& take) {
  std::size_t k = 0;
  for (; k + 4 <= count; k += 4) {
    if (parse_four_reals({cells.end(k), cells.end(k + 1), cells.end(k + 2), cells.end(k + 3)}, values + k)) {
      take(Real{0.0, false, true});
    } else if (!parse_each_real(k, k + 4, cells, values, take)) {
      return false;
    }
  }
  return parse_each_real(k, count, cells, values, take);
}
#endif

}  // namespace detail

// The numbers of some cells into `values`: cells.text(k) ends at cells.end(k), follows a blank, and has 16 readable
// bytes before its end and behind it. `take` is asked about every Real, about those written as RELION writes them once
// for four; where it says no, parsing stops and gives false.
template <class Cells, class Take>
bool parse_reals(Level level, std::size_t count, const Cells& cells, double* values, Take take) {
#if defined(__x86_64__)
  if (level != Level::baseline) return detail::parse_each_real_by_fours(count, cells, values, take);
#endif
  return detail::parse_each_real(0, count, cells, values, take);
}

}  // namespace braggio
