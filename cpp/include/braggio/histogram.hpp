// How often values fall between equally spaced limits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace braggio {

struct Histogram {
  double low = 0, high = 0;
  std::vector<std::int64_t> counts{};  // below, one a bin, above

  Histogram() = default;
  Histogram(std::size_t bins, double low, double high) : low(low), high(high), counts(bins == 0 ? 0 : bins + 2) {}

  std::size_t bins() const { return counts.empty() ? 0 : counts.size() - 2; }

  void add(const float* values, std::size_t count, std::vector<std::int64_t>& into) const {
    const auto size = static_cast<double>(bins());
    const double scale = size / (high - low);
    for (std::size_t i = 0; i < count; ++i) {
      const double place = (static_cast<double>(values[i]) - low) * scale + 1.0;
      ++into[static_cast<std::size_t>(std::clamp(place, 0.0, size + 1.0))];
    }
  }
};

}  // namespace braggio
