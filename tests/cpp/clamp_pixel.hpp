// The plain definition of the clamp, one pixel at a time in 64 bits: what the kernel is compared with.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "braggio/clamp.hpp"

namespace braggio::testing {

template <class T>
std::uint16_t clamp_pixel(T value, std::int64_t offset, ClampCounts& counts) {
  if constexpr (std::is_floating_point_v<T>) {
    const double sum = static_cast<double>(value) + static_cast<double>(offset);
    const double whole = std::nearbyint(sum);                    // half to even
    if (!(whole >= 0.0)) return ++counts.low, std::uint16_t{0};  // NaN too
    if (whole > 65535.0) return ++counts.high, std::uint16_t{65535};
    if (whole != sum) ++counts.rounded;
    return static_cast<std::uint16_t>(whole);
  } else {
    const std::int64_t sum = static_cast<std::int64_t>(value) + offset;
    if (sum < 0) return ++counts.low, std::uint16_t{0};
    if (sum > 65535) return ++counts.high, std::uint16_t{65535};
    return static_cast<std::uint16_t>(sum);
  }
}

inline bool same(const ClampCounts& a, const ClampCounts& b) {
  return a.low == b.low && a.high == b.high && a.rounded == b.rounded;
}

}  // namespace braggio::testing
