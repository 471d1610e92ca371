// From the frames of one mask to its spots: exact threshold, packed bits, erosions and dilations, the union over the
// frames, components in raster order. What a thread works in is kept from mask to mask.
#pragma once

#include <cstddef>
#include <cstdint>

#include "braggio/label.hpp"
#include "braggio/mask.hpp"
#include "braggio/runs.hpp"

namespace braggio {

struct Sieve {
  std::size_t erosions = 0, dilations = 0;
  Structure filter = Structure::square;
  Structure label = Structure::square;
  std::int64_t min_pixels = 1;
};

class SpotPass {
 public:
  SpotPass(std::size_t height, std::size_t width, const Sieve& sieve)
      : sieve_(sieve), frame_(height, width), union_(height, width) {}

  // The next mask; `add`, `filter` for each of its frames, and `label` follow.
  void begin() { frames_ = 0; }

  // The pixels of a frame that reach their limit and are allowed; how many there are.
  template <class T>
  std::uint64_t add(const T* frame, const T* limits, const BitMask& allowed, Level level) {
    ++frames_;
    threshold(frame, limits, current(), level);
    intersect(current(), allowed, level);
    return count(current(), level);
  }

  // `detector`, where there is one, has the pixels that dilations may reach.
  void filter(const BitMask* detector, Level level) {
    erode(current(), sieve_.erosions, sieve_.filter, level);
    dilate(current(), sieve_.dilations, sieve_.filter, level);
    if (detector != nullptr) intersect(current(), *detector, level);
    if (frames_ > 1) unite(union_, frame_, level);
  }

  std::size_t label() { return components_.label(union_, sieve_.label, sieve_.min_pixels); }

  // The mask of the frame added last.
  const BitMask& mask() const { return frames_ > 1 ? frame_ : union_; }
  const BitMask& united() const { return union_; }
  Components& components() { return components_; }

 private:
  BitMask& current() { return frames_ > 1 ? frame_ : union_; }

  Sieve sieve_;
  BitMask frame_;
  BitMask union_;
  Components components_{};
  std::size_t frames_ = 0;
};

}  // namespace braggio
