// A batch of correlograms on its way into the statistics.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "braggio/accumulate_pixels.hpp"
#include "braggio/cpu.hpp"
#include "braggio/exact_sum.hpp"
#include "braggio/parallel.hpp"

namespace braggio {

// The largest size of a value, as its bits: these rise with the value, and those of infinity and NaN are above them
// all.
struct LargestSize {
  BRAGGIO_INLINE std::uint32_t run(const float* values, std::size_t count) {
    std::uint32_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      std::uint32_t bits;
      std::memcpy(&bits, values + i, sizeof bits);
      largest = std::max(largest, bits & 0x7fffffffu);
    }
    return largest;
  }
};

class CorrelogramBatch {
 public:
  // indices.size() correlograms of so many pixels, one after the other; they are taken in order of their indices.
  CorrelogramBatch(const float* values, std::size_t pixels, std::span<const std::int64_t> indices, std::size_t parts,
                   Level level)
      : first_(values), pixels_(pixels), parts_(parts), level_(level) {
    std::vector<std::size_t> order(indices.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return indices[a] < indices[b]; });
    for (const std::size_t k : order) {
      values_.push_back(values + k * pixels);
      indices_.push_back(indices[k]);
    }
  }

  std::size_t size() const { return values_.size(); }

  // Of all values; NaN or infinity where one is that.
  float largest() const {
    std::vector<std::uint32_t> largest(parts_);
    for_ranges(size() * pixels_, parts_, [&](std::size_t start, std::size_t stop, std::size_t part) {
      largest[part] = on_level<LargestSize>(level_, first_ + start, stop - start);
    });
    return std::bit_cast<float>(*std::max_element(largest.begin(), largest.end()));
  }

  struct Result {
    float largest = 0;
    std::size_t changed = 0;  // times that the best values of four pixels changed
  };

  // Add values that are known to be good.
  Result add(AccumulatorState& state) const { return result(take(state, {}), state); }

  // Add values, looking at each as it is added: this spares a way through all of them, which is a quarter of the time.
  // When one may not be, or best values change more than `changes` times, all is taken back and the answer is false.
  bool try_add(AccumulatorState& state, std::size_t changes, Result& found) const {
    if (tail_largest() > AccumulateEight::allowed) return false;
    std::vector<Journal> journals;
    for (std::size_t part = 0; part < parts_; ++part) journals.emplace_back(changes / parts_ + 1);
    const std::vector<Taken> taken = take(state, journals);
    if (std::all_of(taken.begin(), taken.end(), [](const Taken& part) { return part.whole; })) {
      found = result(taken, state);
      return true;
    }
    for (std::size_t part = 0; part < parts_; ++part) {
      take_back(state, start_of(part), start_of(part + 1), taken[part]);
      journals[part].restore(state);
    }
    return false;
  }

 private:
  std::size_t eights() const { return pixels_ / accumulate_lanes; }
  std::size_t start_of(std::size_t part) const { return eights() * part / parts_ * accumulate_lanes; }  // of for_ranges

  // All pixels but the last, fewer than eight.
  std::vector<Taken> take(AccumulatorState& state, std::span<Journal> journals) const {
    std::vector<Taken> taken(parts_);
    for_ranges(eights(), parts_, [&](std::size_t start, std::size_t stop, std::size_t part) {
      taken[part] =
          on_level<AccumulateEight>(level_, values_.data(), start * accumulate_lanes, stop * accumulate_lanes, size(),
                                    indices_.data(), &state, journals.empty() ? nullptr : &journals[part]);
    });
    return taken;
  }

  Result result(const std::vector<Taken>& taken, AccumulatorState& state) const {
    add_tail(state);
    std::uint32_t largest = tail_largest();
    std::size_t changed = 0;
    for (const Taken& part : taken) {
      largest = std::max(largest, part.largest);
      changed += part.changed;
    }
    return {std::bit_cast<float>(largest), changed};
  }

  // What take() has added to the pixels first..stop.
  void take_back(AccumulatorState& state, std::size_t first, std::size_t stop, const Taken& taken) const {
    subtract(state, first, taken.tile, size());
    subtract(state, taken.tile, taken.at, std::min(taken.group + accumulate_group, size()));
    subtract(state, taken.at, std::min(taken.tile + accumulate_tile, stop), taken.group);
  }

  void subtract(AccumulatorState& state, std::size_t first, std::size_t stop, std::size_t correlograms) const {
    for (std::size_t i = first; i < stop; ++i) {
      std::uint64_t high = 0, low = 0, square_high = 0, square_low = 0;
      for (std::size_t k = 0; k < correlograms; ++k) {
        const auto value = static_cast<double>(values_[k][i]);
        add_parts(value, value_grid, high, low);
        add_parts(value * value, square_grid, square_high, square_low);
      }
      state.add(i, less(value_grid, high, low, correlograms), less(square_grid, square_high, square_low, correlograms));
    }
  }

  static ExactSum less(const Grid& grid, std::uint64_t high, std::uint64_t low, std::size_t count) {
    return {static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(grid.high) * count - high),
            static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(grid.low) * count - low)};
  }

  // ---- the last pixels

  std::uint32_t tail_largest() const {
    std::uint32_t largest = 0;
    for (const float* values : values_)
      largest = std::max(largest, LargestSize::run(values + start_of(parts_), pixels_ - start_of(parts_)));
    return largest;
  }

  // They are copied to where eight can be read.
  void add_tail(AccumulatorState& state) const {
    const std::size_t first = start_of(parts_), rest = pixels_ - first;
    if (rest == 0) return;
    std::vector<float> copies(size() * accumulate_lanes);
    std::vector<const float*> shifted;
    AccumulatorState last(accumulate_lanes);
    for (std::size_t k = 0; k < size(); ++k) {
      std::copy_n(values_[k] + first, rest, copies.data() + k * accumulate_lanes);
      shifted.push_back(copies.data() + k * accumulate_lanes);
    }
    last.copy_pixels(0, state, first, rest);
    on_level<AccumulateEight>(level_, static_cast<const float* const*>(shifted.data()), std::size_t{0},
                              accumulate_lanes, size(), indices_.data(), &last, static_cast<Journal*>(nullptr));
    state.copy_pixels(first, last, 0, rest);
  }

  const float* first_;
  std::size_t pixels_, parts_;
  Level level_;
  std::vector<const float*> values_{};
  std::vector<std::int64_t> indices_{};
};

}  // namespace braggio
