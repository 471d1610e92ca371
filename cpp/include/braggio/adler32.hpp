// Adler-32 (RFC 1950): of runs, a run in constant time, and of bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "braggio/cpu.hpp"

namespace braggio {

// The two sums of a piece: of its bytes, and of its bytes times how many are left from each on.
struct AdlerSums {
  std::uint32_t sum;
  std::uint32_t ramp;
};

struct SumPiece {
  BRAGGIO_INLINE AdlerSums run(const std::uint8_t* data, std::size_t count) {
    std::uint32_t sum = 0, ramp = 0;  // 255 * 4096 * 4097 / 2 < 2^32
    for (std::size_t i = 0; i < count; ++i) {
      sum += data[i];
      ramp += static_cast<std::uint32_t>(count - i) * data[i];
    }
    return {sum, ramp};
  }
};

class Adler32 {
 public:
  // `count` times the bytes of `item`: the first sum grows by theirs, and the second by the first at every byte.
  template <std::size_t size>
  void repeat(const std::array<std::uint8_t, size>& item, std::uint64_t count) {
    std::uint64_t sum = 0, ramp = 0;
    for (std::size_t i = 0; i < size; ++i) {
      sum += item[i];
      ramp += (size - i) * item[i];
    }
    for (; count > longest; count -= longest) advance(size, sum, ramp, longest);
    advance(size, sum, ramp, count);
  }

  void bytes(std::span<const std::uint8_t> data, Level level = Level::baseline) {
    while (!data.empty()) {
      const auto piece = data.first(std::min<std::size_t>(data.size(), longest));
      const AdlerSums sums = on_level<SumPiece>(level, piece.data(), piece.size());
      second_ = (second_ + piece.size() * first_ + sums.ramp) % modulus;
      first_ = (first_ + sums.sum) % modulus;
      data = data.subspan(piece.size());
    }
  }

  std::uint32_t value() const { return static_cast<std::uint32_t>(second_ % modulus << 16 | first_ % modulus); }

  // A piece, and a run that is advanced at once, are of at most so many.
  static constexpr std::uint64_t longest = 4096;

 private:
  // So many runs of so many bytes stay below 2^64 without a division: 2^34 in the first sum, 2^60 in the second.
  static constexpr std::uint64_t modulus = 65521;
  static constexpr unsigned most_waiting = 4096;

  void advance(std::uint64_t size, std::uint64_t sum, std::uint64_t ramp, std::uint64_t count) {
    second_ += count * size * first_ + count * (count - 1) / 2 * sum * size + count * ramp;
    first_ += count * sum;
    if (++waiting_ < most_waiting) return;
    first_ %= modulus;
    second_ %= modulus;
    waiting_ = 0;
  }

  std::uint64_t first_ = 1, second_ = 0;
  unsigned waiting_ = 0;
};

}  // namespace braggio
