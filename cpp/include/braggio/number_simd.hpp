// Decimal text to doubles, sixteen bytes at once where the processor shuffles bytes: the same values as `parse_real`.
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

// For d digits, a point and f decimals: where in the text the 8 places before the point and the 8 after it stand; 0x80
// gives zero. Both halves then make a number of 8 digits, so that the value is one integer over 10^8.
struct PlaceTable {
  alignas(16) std::array<std::array<std::uint8_t, 16>, 64> places{};  // [8 d + f - 1]

  constexpr PlaceTable() {
    for (unsigned d = 0; d < 8; ++d)
      for (unsigned f = 1; f <= 8; ++f)
        for (unsigned k = 0; k < 8; ++k) {
          auto& row = places[8 * d + f - 1];
          row[k] = static_cast<std::uint8_t>(k + d >= 8 ? k + d - 8 : 0x80);
          row[8 + k] = static_cast<std::uint8_t>(k < f ? d + 1 + k : 0x80);
        }
  }
};

inline constexpr PlaceTable place_table;

// `parse_real` for a text with 16 readable bytes behind it: up to 7 digits, a point and up to 8 decimals by SIMD.
BRAGGIO_AVX2 inline Real parse_shuffled_real(std::string_view text) {
  const bool negative = text.front() == '-';
  const char* const p = text.data() + static_cast<int>(negative);
  const std::size_t size = text.size() - static_cast<std::size_t>(negative);
  if (size > 16) return parse_real(text);
  const __m128i values = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), _mm_set1_epi8('0'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
  const unsigned others = ~static_cast<unsigned>(_mm_movemask_epi8(is_digit)) & ((1u << size) - 1);
  const auto digits = static_cast<unsigned>(std::countr_zero(others | 1u << 16));
  const auto decimals = static_cast<unsigned>(size) - digits - 1;
  if (others != 1u << digits || digits > 7 || decimals - 1 > 7 || p[digits] != '.') return parse_real(text);
  const auto* places = reinterpret_cast<const __m128i*>(place_table.places[8 * digits + decimals - 1].data());
  const __m128i both = _mm_shuffle_epi8(values, _mm_load_si128(places));
  const __m128i twos = _mm_maddubs_epi16(both, _mm_set1_epi16(0x010a));
  const __m128i fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x00010064));
  const __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
  const auto halves = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
  const auto mantissa = static_cast<std::int64_t>((halves & 0xffffffff) * 100000000 + (halves >> 32));  // below 2^53
  const double value = static_cast<double>(mantissa) / 1e8;
  return {std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) | std::uint64_t{negative} << 63), false, true};
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
BRAGGIO_AVX2 bool parse_each_real_shuffled(std::size_t count, const Texts& texts, Take& take) {
  for (std::size_t k = 0; k < count; ++k)
    if (!take(k, parse_shuffled_real(texts(k)))) return false;
  return true;
}
#endif

}  // namespace detail

// take(k, Real) for every texts(k), each with 16 readable bytes behind it; stops, and gives false, when `take` does.
template <class Texts, class Take>
bool parse_reals(Level level, std::size_t count, const Texts& texts, Take take) {
#if defined(__x86_64__)
  if (level != Level::baseline) return detail::parse_each_real_shuffled(count, texts, take);
#endif
  return detail::parse_each_real(count, texts, take);
}

}  // namespace braggio
