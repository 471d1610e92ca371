// The statistics of every pixel, and the loop that adds correlograms to them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/exact_sum.hpp"
#include "braggio/memory.hpp"

namespace braggio {

// Everything that is kept, one element a pixel.
struct AccumulatorState {
  LargeVector<float> best{};
  LargeVector<std::int64_t> index{}, sum_high{}, sum_low{}, square_high{}, square_low{};

  AccumulatorState() = default;
  explicit AccumulatorState(std::size_t pixels)
      : best(pixels, -std::numeric_limits<float>::infinity()),
        index(pixels, -1),
        sum_high(pixels),
        sum_low(pixels),
        square_high(pixels),
        square_low(pixels) {}

  ExactSum sum(std::size_t i) const { return {sum_high[i], sum_low[i]}; }
  ExactSum square(std::size_t i) const { return {square_high[i], square_low[i]}; }

  void add(std::size_t i, const ExactSum& sums, const ExactSum& squares) {
    ExactSum first = sum(i), second = square(i);
    first.add(sums);
    second.add(squares);
    sum_high[i] = first.high, sum_low[i] = first.low;
    square_high[i] = second.high, square_low[i] = second.low;
  }

  void copy_pixels(std::size_t to, const AccumulatorState& other, std::size_t from, std::size_t count) {
    std::copy_n(other.best.data() + from, count, best.data() + to);
    std::copy_n(other.index.data() + from, count, index.data() + to);
    std::copy_n(other.sum_high.data() + from, count, sum_high.data() + to);
    std::copy_n(other.sum_low.data() + from, count, sum_low.data() + to);
    std::copy_n(other.square_high.data() + from, count, square_high.data() + to);
    std::copy_n(other.square_low.data() + from, count, square_low.data() + to);
  }
};

// The best values that an update has replaced, four pixels each, so that it can be taken back. It does not grow: a full
// one stops the update.
class Journal {
 public:
  struct Entry {
    std::size_t at;
    float best[4];
    std::int64_t index[4];
  };

  explicit Journal(std::size_t capacity) : capacity_(capacity) { entries_.reserve(capacity); }

  bool full() const { return entries_.size() == capacity_; }
  void add(const Entry& entry) { entries_.push_back(entry); }

  void restore(AccumulatorState& state) const {
    for (std::size_t i = entries_.size(); i-- > 0;) {
      std::copy_n(entries_[i].best, 4, state.best.data() + entries_[i].at);
      std::copy_n(entries_[i].index, 4, state.index.data() + entries_[i].at);
    }
  }

 private:
  std::size_t capacity_;
  LargeVector<Entry> entries_{};
};

inline constexpr std::size_t accumulate_lanes = 8;  // float32 in 256 bits

// Batches are gone through so many pixels and correlograms at a time: the state of those pixels stays in the cache.
inline constexpr std::size_t accumulate_tile = 256, accumulate_group = 16;

// How far an update has come: all correlograms before the pixel `tile`, `group` of them from there on, and
// accumulate_group more before the pixel `at`.
struct Taken {
  std::size_t tile, group, at;
  std::uint32_t largest = 0;  // size of a value, as its bits
  std::size_t changed = 0;    // times that the best values of four pixels changed
  bool whole = false;         // false: a value that may not be was met, or the journal was full
};

// Eight pixels at a time of a batch; `values[k]` are theirs in the k-th correlogram, in order of its index.
struct AccumulateEight {
  using Eight = float __attribute__((vector_size(32)));
  using EightInts = std::int32_t __attribute__((vector_size(32)));
  using Floats = float __attribute__((vector_size(16)));
  using Ints = std::int32_t __attribute__((vector_size(16)));
  using Doubles = double __attribute__((vector_size(32)));
  using Words = std::uint64_t __attribute__((vector_size(32)));
  using Longs = std::int64_t __attribute__((vector_size(32)));

  static constexpr std::size_t half = 4;  // float64 in 256 bits

  // As bits: 2^17, the smallest value that is a multiple of 2^-71 whatever its digits are, and a factor of 2^25. Values
  // that lie so near together add up in float64 without rounding: 25 bits, their 24 digits, 4 bits for 16 of them.
  static constexpr std::int32_t allowed = 0x48000000, exact = (127 - 48) << 23, near = 25 << 23;

  // Of four pixels.
  struct Sums {
    Doubles plain{};
    Words high{}, low{}, squares_high{}, squares_low{};
  };

  BRAGGIO_INLINE Taken run(const float* const* values, std::size_t first, std::size_t stop, std::size_t count,
                           const std::int64_t* indices, AccumulatorState* state, Journal* journal) {
    Taken taken{.tile = first, .group = 0, .at = first};
    EightInts largest{};
    for (; taken.tile < stop; taken.tile = std::min(taken.tile + accumulate_tile, stop)) {
      const std::size_t end = std::min(taken.tile + accumulate_tile, stop);
      for (taken.group = 0; taken.group < count; taken.group += accumulate_group) {
        const std::size_t number = std::min(accumulate_group, count - taken.group);
        for (taken.at = taken.tile; taken.at < end; taken.at += accumulate_lanes)
          if (!eight(values + taken.group, number, indices + taken.group, state, journal, largest, taken)) return taken;
      }
    }
    for (std::size_t l = 0; l < accumulate_lanes; ++l)
      taken.largest = std::max(taken.largest, static_cast<std::uint32_t>(largest[l]));
    taken.group = 0;
    taken.at = stop;
    taken.whole = true;
    return taken;
  }

  BRAGGIO_INLINE bool eight(const float* const* values, std::size_t count, const std::int64_t* indices,
                            AccumulatorState* state, Journal* journal, EightInts& largest, Taken& taken) {
    const std::size_t at = taken.at;
    Eight best;
    std::memcpy(&best, values[0] + at, sizeof best);
    EightInts most{}, least = EightInts{} + std::numeric_limits<std::int32_t>::max();
    for (std::size_t k = 0; k < count; ++k) {
      Eight value;
      std::memcpy(&value, values[k] + at, sizeof value);
      best = value > best ? value : best;
      const EightInts size = __builtin_bit_cast(EightInts, value) & std::numeric_limits<std::int32_t>::max();
      most = size > most ? size : most;
      least = size < least ? size : least;
    }
    const bool all_plain = !any((least < exact) | (most > allowed) | (most - least > near));
    if (!all_plain && any(most > allowed)) return false;
    largest = most > largest ? most : largest;
    if (!take_best(best, values, count, indices, state, journal, taken)) return false;
    if (all_plain)
      take<true>(values, at, count, state);
    else
      take<false>(values, at, count, state);
    return true;
  }

  BRAGGIO_INLINE bool any(const EightInts& mask) {
    const auto quarters = __builtin_bit_cast(Longs, mask);
    return (quarters[0] | quarters[1] | quarters[2] | quarters[3]) != 0;
  }

  template <bool plain>
  BRAGGIO_INLINE void take(const float* const* values, std::size_t at, std::size_t count, AccumulatorState* state) {
    Sums left, right;
    for (std::size_t k = 0; k < count; ++k) {
      take<plain>(values[k] + at, left);
      take<plain>(values[k] + at + half, right);
    }
    add<plain>(left, count, at, state);
    add<plain>(right, count, at + half, state);
  }

  template <bool plain>
  BRAGGIO_INLINE void take(const float* four, Sums& sums) {
    const Doubles value{four[0], four[1], four[2], four[3]};  // one instruction, unlike a conversion of vectors
    if constexpr (plain)
      sums.plain += value;
    else
      add_parts(value, value_grid, sums.high, sums.low);
    add_parts(Doubles(value * value), square_grid, sums.squares_high, sums.squares_low);  // float64 holds it exactly
  }

  template <bool plain>
  BRAGGIO_INLINE void add(Sums& sums, std::size_t count, std::size_t at, AccumulatorState* state) {
    if constexpr (plain) add_parts(sums.plain, value_grid, sums.high, sums.low);
    add(sums.high, sums.low, value_grid, plain ? 1 : count, state->sum_high.data() + at, state->sum_low.data() + at);
    add(sums.squares_high, sums.squares_low, square_grid, count, state->square_high.data() + at,
        state->square_low.data() + at);
  }

  // The words hold the bits of the grid `count` times. The carry is rounded as in ExactSum::add, with all made
  // positive: 256 bits know no arithmetic shift of 64-bit numbers.
  BRAGGIO_INLINE void add(const Words& highs, const Words& lows, const Grid& grid, std::size_t count,
                          std::int64_t* to_high, std::int64_t* to_low) {
    constexpr std::uint64_t positive = std::uint64_t{1} << 63, half_unit = half_carry;
    Words high, low;
    std::memcpy(&high, to_high, sizeof high);
    std::memcpy(&low, to_low, sizeof low);
    const Words sum = lows + low + (positive + half_unit - std::bit_cast<std::uint64_t>(grid.low) * count);
    low = (sum & (2 * half_unit - 1)) - half_unit;
    high += highs + (sum >> carry_bits) - ((positive >> carry_bits) + std::bit_cast<std::uint64_t>(grid.high) * count);
    std::memcpy(to_high, &high, sizeof high);
    std::memcpy(to_low, &low, sizeof low);
  }

  BRAGGIO_INLINE bool take_best(const Eight& best, const float* const* values, std::size_t count,
                                const std::int64_t* indices, AccumulatorState* state, Journal* journal, Taken& taken) {
    Eight before;
    std::memcpy(&before, state->best.data() + taken.at, sizeof before);
    if (!any(best >= before)) return true;  // as it mostly is
    EightInts from{};
    for (std::size_t k = count; k-- > 0;) {
      Eight value;
      std::memcpy(&value, values[k] + taken.at, sizeof value);
      from = value == best ? EightInts{} + static_cast<std::int32_t>(k) : from;
    }
    Floats bests[2];
    Ints froms[2];
    std::memcpy(bests, &best, sizeof best);
    std::memcpy(froms, &from, sizeof from);
    return take_best(bests[0], froms[0], taken.at, indices, state, journal, taken) &&
           take_best(bests[1], froms[1], taken.at + half, indices, state, journal, taken);
  }

  BRAGGIO_INLINE bool take_best(const Floats& best, const Ints& from, std::size_t at, const std::int64_t* indices,
                                AccumulatorState* state, Journal* journal, Taken& taken) {
    Floats before;
    Longs index, before_index;
    for (std::size_t l = 0; l < half; ++l) index[l] = indices[from[l]];
    std::memcpy(&before, state->best.data() + at, sizeof before);
    std::memcpy(&before_index, state->index.data() + at, sizeof before_index);
    // Of equal values the one of the smallest index stays, so that the order of arrival does not matter.
    const Longs better = __builtin_convertvector(best > before, Longs);
    const Longs equal = __builtin_convertvector(best == before, Longs);
    const Longs changed = better | (equal & (index < before_index));
    if ((changed[0] | changed[1] | changed[2] | changed[3]) == 0) return true;
    if (journal != nullptr) {
      if (journal->full()) return false;
      Journal::Entry entry{.at = at, .best = {}, .index = {}};
      std::memcpy(entry.best, &before, sizeof before);
      std::memcpy(entry.index, &before_index, sizeof before_index);
      journal->add(entry);
    }
    ++taken.changed;
    index = changed ? index : before_index;
    const Floats highest = __builtin_convertvector(changed, Ints) ? best : before;
    std::memcpy(state->best.data() + at, &highest, sizeof highest);
    std::memcpy(state->index.data() + at, &index, sizeof index);
    return true;
  }
};

}  // namespace braggio
