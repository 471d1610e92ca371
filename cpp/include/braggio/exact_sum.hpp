// Exact sums of many values and of their squares, one pixel after another.
//
// The sums are integers of two words, so they do not depend on the order, the batches or the shards in which values
// arrive: merging partial results gives the very bits of one run. A value v is split as
//   v = high * 2^-20 + low * 2^-71,   v^2 = high * 2^-16 + low * 2^-67,
// both parts rounded to integers by adding 1.5 * 2^52 units, whose float64 then holds the integer in its low bits. What
// is below 2^-72 (2^-68 of the square) is rounded away, value by value.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace braggio {

__extension__ using WideInteger = __int128;

inline constexpr float max_correlation = 131072.0f;         // 2^17: the high part of its square is below 2^51 units
inline constexpr std::size_t max_update = 4096;             // correlograms at once: their low parts sum to below 2^62
inline constexpr double max_square_sum = 70368744177664.0;  // 2^46, in units of 2^-16 below 2^63
inline constexpr std::int64_t max_count = std::int64_t{1} << 36;  // with it a sum is below 2^41 (Cauchy and Schwarz)
inline constexpr int carry_bits = 51;                             // one high unit is 2^51 low ones
inline constexpr std::int64_t half_carry = std::int64_t{1} << (carry_bits - 1);

// What is added to a float64 to leave a multiple of the unit of its high part and of its low one.
struct Grid {
  double high, low;  // 1.5 * 2^52 units
  int exponent;      // of a low unit
};

inline constexpr Grid value_grid{0x1.8p32, 0x1.8p-19, -71}, square_grid{0x1.8p36, 0x1.8p-15, -67};

// Add the bits of both parts to `highs` and `lows`, which hold those of `grid` with them each time. One float64 or a
// vector of them. `high + low` is exact, and so is all that follows but for the rounding to the two grids.
template <class Value, class Word>
[[gnu::always_inline]] inline void add_parts(const Value& value, const Grid& grid, Word& highs, Word& lows) {
  const Value raised = value + grid.high;
  highs += __builtin_bit_cast(Word, raised);
  const Value rest = value - (raised - (grid.high + grid.low));
  lows += __builtin_bit_cast(Word, rest);
}

// The exact sum of one pixel.
struct ExactSum {
  std::int64_t high = 0, low = 0;  // low is in [-2^50, 2^50)

  bool canonical() const { return low >= -half_carry && low < half_carry; }

  double value(const Grid& grid) const {
    const WideInteger whole = static_cast<WideInteger>(high) * (WideInteger{1} << carry_bits) + low;
    return std::ldexp(static_cast<double>(whole), grid.exponent);
  }

  // The other's parts need not be canonical; its low one is below 2^62.
  void add(const ExactSum& other) {
    const std::int64_t sum = low + other.low;
    const std::int64_t carry = (sum + half_carry) >> carry_bits;
    low = sum - carry * (std::int64_t{1} << carry_bits);
    high += other.high + carry;
  }
};

}  // namespace braggio
