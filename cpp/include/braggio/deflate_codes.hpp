// What encoder and decoder of deflate (RFC 1951) share: lengths and distances of copies, and the order of code lengths.
#pragma once

#include <array>
#include <cstdint>

namespace braggio::deflate {

inline constexpr unsigned max_copy = 258, min_copy = 3;

// What a symbol stands for: the base, to which so many extra bits are added.
struct NumberCode {
  std::uint16_t base;
  std::uint8_t extra;
};

// The symbols 257 to 285.
inline constexpr std::array<NumberCode, 29> length_codes = [] {
  std::array<NumberCode, 29> codes{};
  unsigned base = min_copy;
  for (unsigned i = 0; i < 28; ++i) {
    const unsigned extra = i < 8 ? 0 : i / 4 - 1;
    codes[i] = {static_cast<std::uint16_t>(base), static_cast<std::uint8_t>(extra)};
    base += 1u << extra;
  }
  codes[28] = {max_copy, 0};
  return codes;
}();

inline constexpr std::array<NumberCode, 30> distance_codes = [] {
  std::array<NumberCode, 30> codes{};
  unsigned base = 1;
  for (unsigned i = 0; i < 30; ++i) {
    const unsigned extra = i < 4 ? 0 : i / 2 - 1;
    codes[i] = {static_cast<std::uint16_t>(base), static_cast<std::uint8_t>(extra)};
    base += 1u << extra;
  }
  return codes;
}();

// In which the lengths of the codes for code lengths stand.
inline constexpr std::array<std::uint8_t, 19> length_order{16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                           11, 4,  12, 3, 13, 2, 14, 1, 15};

}  // namespace braggio::deflate
