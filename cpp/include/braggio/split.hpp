// Merged components into one per local maximum: every pixel climbs to the maximum it leads to.
//
// A pixel climbs to its highest neighbour within the component. A pixel higher than its neighbours climbs on to the
// highest pixel within `reach` of it, if that is higher, so that ripples are no maxima; else it is the top of a part.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "braggio/label.hpp"

namespace braggio {

class Climb {
 public:
  Climb(const double* heights, const std::int32_t* labels, std::size_t height, std::size_t width, std::ptrdiff_t reach)
      : heights_(heights),
        labels_(labels),
        height_(static_cast<std::ptrdiff_t>(height)),
        width_(static_cast<std::ptrdiff_t>(width)),
        reach_(reach) {}

  // The top that pixel i leads to; heights strictly rise on the way (equal ones: towards the lower index), so it ends.
  std::size_t top(std::size_t i) {
    std::vector<std::size_t> way;
    while (true) {
      const auto known = tops_.find(i);
      const std::size_t next = known != tops_.end() ? known->second : step(i);
      if (next == i || known != tops_.end()) {
        for (const std::size_t passed : way) tops_[passed] = next;
        tops_[i] = next;
        return next;
      }
      way.push_back(i);
      i = next;
    }
  }

 private:
  std::size_t step(std::size_t i) const {
    const std::size_t near = highest(i, 1);
    return near != i ? near : highest(i, reach_);
  }

  std::size_t highest(std::size_t i, std::ptrdiff_t reach) const {
    const auto y = static_cast<std::ptrdiff_t>(i) / width_, x = static_cast<std::ptrdiff_t>(i) % width_;
    std::size_t best = i;
    for (std::ptrdiff_t v = std::max(y - reach, std::ptrdiff_t{0}); v <= std::min(y + reach, height_ - 1); ++v)
      for (std::ptrdiff_t u = std::max(x - reach, std::ptrdiff_t{0}); u <= std::min(x + reach, width_ - 1); ++u) {
        const auto other = static_cast<std::size_t>(v * width_ + u);
        if (labels_[other] != labels_[i]) continue;
        if (heights_[other] > heights_[best] || (heights_[other] == heights_[best] && other < best)) best = other;
      }
    return best;
  }

  const double* heights_;
  const std::int32_t* labels_;
  std::ptrdiff_t height_;
  std::ptrdiff_t width_;
  std::ptrdiff_t reach_;
  std::unordered_map<std::size_t, std::size_t> tops_{};
};

// Split the components at the maxima of `heights`; how many there are then. Numbers stay in raster order.
inline std::size_t split(Components& components, const double* heights, std::ptrdiff_t reach) {
  std::vector<std::int32_t> labels(components.height() * components.width());
  components.fill(labels.data(), true);
  Climb climb(heights, labels.data(), components.height(), components.width(), reach);
  return components.divide([&](std::size_t i) { return climb.top(i); });
}

}  // namespace braggio
