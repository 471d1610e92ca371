// Statistics of many correlograms per pixel: the largest value and which correlogram it came from, and exact sums of
// the values and of their squares.
//
// The sums are integers of two words, so they do not depend on the order, the batches or the shards in which
// correlograms arrive: merging partial results gives the very bits of one run. A value v is split as
//   v = high * 2^-20 + low * 2^-71,   v^2 = high * 2^-16 + low * 2^-67,
// both parts rounded to integers by adding 1.5 * 2^52 units, whose float64 then holds the integer in its low bits. What
// is below 2^-72 (2^-68 of the square) is rounded away, value by value.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/error.hpp"
#include "braggio/large.hpp"
#include "braggio/parallel.hpp"

namespace braggio {

__extension__ using WideInteger = __int128;

inline constexpr float max_correlation = 131072.0f;         // 2^17: the high part of its square is below 2^51 units
inline constexpr std::size_t max_update = 4096;             // correlograms at once: their low parts sum to below 2^62
inline constexpr double max_square_sum = 70368744177664.0;  // 2^46, in units of 2^-16 below 2^63
inline constexpr std::int64_t max_count = std::int64_t{1} << 36;  // with it a sum is below 2^41 (Cauchy and Schwarz)
inline constexpr int carry_bits = 51;                             // one high unit is 2^51 low ones
inline constexpr int sum_exponent = -71, square_exponent = -67;   // of a low unit

// The exact sum of one pixel.
struct ExactSum {
  std::int64_t high = 0, low = 0;  // low is in [-2^50, 2^50)

  bool canonical() const {
    constexpr std::int64_t half = std::int64_t{1} << (carry_bits - 1);
    return low >= -half && low < half;
  }

  double value(int exponent) const {
    const WideInteger whole = static_cast<WideInteger>(high) * (WideInteger{1} << carry_bits) + low;
    return std::ldexp(static_cast<double>(whole), exponent);
  }
};

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
};

inline constexpr std::size_t accumulate_lanes = 8;  // float32 in 256 bits

// Batches are gone through so many pixels and correlograms at a time: the state of those pixels stays in the cache.
inline constexpr std::size_t accumulate_tile = 256, accumulate_group = 16;

// Eight pixels at a time of a batch; `values[k]` are theirs in the k-th correlogram, in order of its index.
struct AccumulateEight {
  using Eight = float __attribute__((vector_size(32)));
  using EightInts = std::int32_t __attribute__((vector_size(32)));
  using Floats = float __attribute__((vector_size(16)));
  using Ints = std::int32_t __attribute__((vector_size(16)));
  using Two = std::int64_t __attribute__((vector_size(16)));
  using Doubles = double __attribute__((vector_size(32)));
  using Words = std::uint64_t __attribute__((vector_size(32)));
  using Longs = std::int64_t __attribute__((vector_size(32)));

  static constexpr std::size_t half = 4;  // float64 in 256 bits

  // 1.5 * 2^52 units of the high and low parts of a value and of a square.
  static constexpr double sum_high = 0x1.8p32, sum_low = 0x1.8p-19, square_high = 0x1.8p36, square_low = 0x1.8p-15;

  // Of four pixels.
  struct Sums {
    Words high{}, low{}, squares_high{}, squares_low{};
  };

  BRAGGIO_INLINE void run(const float* const* values, std::size_t first, std::size_t stop, std::size_t count,
                          const std::int64_t* indices, AccumulatorState* state) {
    for (std::size_t tile = first; tile < stop; tile += accumulate_tile) {
      const std::size_t end = std::min(tile + accumulate_tile, stop);
      for (std::size_t k = 0; k < count; k += accumulate_group)
        for (std::size_t at = tile; at < end; at += accumulate_lanes)
          eight(values + k, at, std::min(accumulate_group, count - k), indices + k, state);
    }
  }

  BRAGGIO_INLINE void eight(const float* const* values, std::size_t at, std::size_t count, const std::int64_t* indices,
                            AccumulatorState* state) {
    Eight best;
    std::memcpy(&best, values[0] + at, sizeof best);
    EightInts from{}, number{};
    Sums left, right;
    for (std::size_t k = 0; k < count; ++k, number += 1) {
      Eight value;
      std::memcpy(&value, values[k] + at, sizeof value);
      const EightInts better = value > best;
      best = better ? value : best;
      from = better ? number : from;
      take(values[k] + at, left);
      take(values[k] + at + half, right);
    }
    Floats bests[2];
    Ints froms[2];
    std::memcpy(bests, &best, sizeof best);
    std::memcpy(froms, &from, sizeof from);
    take_best(bests[0], froms[0], at, indices, state);
    take_best(bests[1], froms[1], at + half, indices, state);
    add(left, count, at, state);
    add(right, count, at + half, state);
  }

  BRAGGIO_INLINE void take(const float* four, Sums& sums) {
    const Doubles value{four[0], four[1], four[2], four[3]};  // one instruction, unlike a conversion of vectors
    split(value, sum_high, sum_low, sums.high, sums.low);
    split(value * value, square_high, square_low, sums.squares_high, sums.squares_low);
  }

  BRAGGIO_INLINE void split(const Doubles& value, double high, double low, Words& highs, Words& lows) {
    const Doubles raised = value + high;
    highs += reinterpret_cast<Words>(raised);
    const Doubles rest = (value - (raised - high)) + low;
    lows += reinterpret_cast<Words>(rest);
  }

  BRAGGIO_INLINE void add(Sums& sums, std::size_t count, std::size_t at, AccumulatorState* state) {
    add(sums.high, sums.low, sum_high, sum_low, count, state->sum_high.data() + at, state->sum_low.data() + at);
    add(sums.squares_high, sums.squares_low, square_high, square_low, count, state->square_high.data() + at,
        state->square_low.data() + at);
  }

  // The words hold the bits of `high` and `low` once for each correlogram.
  BRAGGIO_INLINE void add(Words& highs, Words& lows, double high, double low, std::size_t count, std::int64_t* to_high,
                          std::int64_t* to_low) {
    Words old_high, old_low;
    std::memcpy(&old_high, to_high, sizeof old_high);
    std::memcpy(&old_low, to_low, sizeof old_low);
    lows += old_low - std::bit_cast<std::uint64_t>(low) * count;
    const Longs carry = reinterpret_cast<Longs>(lows + (std::uint64_t{1} << (carry_bits - 1))) >> carry_bits;
    lows -= reinterpret_cast<Words>(carry) << carry_bits;
    highs += old_high + reinterpret_cast<Words>(carry) - std::bit_cast<std::uint64_t>(high) * count;
    std::memcpy(to_high, &highs, sizeof highs);
    std::memcpy(to_low, &lows, sizeof lows);
  }

  BRAGGIO_INLINE void take_best(const Floats& best, const Ints& from, std::size_t at, const std::int64_t* indices,
                                AccumulatorState* state) {
    Floats before;
    std::memcpy(&before, state->best.data() + at, sizeof before);
    const Ints changed = best >= before;
    const Two halves = reinterpret_cast<Two>(changed);
    if ((halves[0] | halves[1]) == 0) return;  // as it mostly is
    Longs index, before_index;
    for (std::size_t l = 0; l < half; ++l) index[l] = indices[from[l]];
    std::memcpy(&before_index, state->index.data() + at, sizeof before_index);
    // Of equal values the one of the smallest index stays, so that the order of arrival does not matter.
    const Longs better = __builtin_convertvector(best > before, Longs);
    const Longs equal = __builtin_convertvector(best == before, Longs);
    const Longs taken = better | (equal & (index < before_index));
    index = taken ? index : before_index;
    const Floats highest = __builtin_convertvector(taken, Ints) ? best : before;
    std::memcpy(state->best.data() + at, &highest, sizeof highest);
    std::memcpy(state->index.data() + at, &index, sizeof index);
  }
};

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

// How often values fall between equally spaced limits.
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

class Accumulator {
 public:
  Accumulator(std::size_t height, std::size_t width, Histogram histogram)
      : height_(height),
        width_(width),
        padded_((height * width + accumulate_lanes - 1) / accumulate_lanes * accumulate_lanes),
        state_(padded_),
        histogram_(std::move(histogram)) {}

  std::size_t height() const { return height_; }
  std::size_t width() const { return width_; }
  std::size_t pixels() const { return height_ * width_; }
  std::int64_t count() const { return count_; }
  const Histogram& histogram() const { return histogram_; }
  AccumulatorState& state() { return state_; }
  const AccumulatorState& state() const { return state_; }
  std::vector<std::int64_t>& histogram_counts() { return histogram_.counts; }

  // Would an update take these correlograms? It throws if not.
  void require(const float* batch, std::size_t correlograms, Level level) const {
    require_sum(largest_of(batch, correlograms, 1, level), static_cast<double>(correlograms));
  }

  // `batch`: indices.size() correlograms of height x width, one after the other. Nothing changes when it is refused.
  void update(const float* batch, std::span<const std::int64_t> indices, std::size_t threads, Level level) {
    if (indices.empty()) return;
    if (indices.size() > max_update)
      throw Error(Fault::limit, "correlograms", "at most " + std::to_string(max_update) + " at once",
                  std::to_string(indices.size()));
    square_bound_ = require_sum(largest_of(batch, indices.size(), threads, level), static_cast<double>(indices.size()));

    std::vector<std::size_t> order(indices.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return indices[a] < indices[b]; });
    std::vector<const float*> values;
    std::vector<std::int64_t> sorted;
    for (const std::size_t k : order) {
      values.push_back(batch + k * pixels());
      sorted.push_back(indices[k]);
    }
    const std::size_t whole = pixels() / accumulate_lanes;
    for_ranges(whole, parts(threads), [&](std::size_t start, std::size_t stop, std::size_t) {
      add_pixels(values, start * accumulate_lanes, stop * accumulate_lanes, sorted, level);
    });
    add_tail(values, whole * accumulate_lanes, sorted, level);
    add_histogram(batch, indices.size(), threads);
    count_ += static_cast<std::int64_t>(indices.size());
  }

  // As if the other's correlograms had been added here.
  void merge(const Accumulator& other) {
    if (other.height_ != height_ || other.width_ != width_)
      throw Error(Fault::format, "shape", std::to_string(height_) + " x " + std::to_string(width_),
                  std::to_string(other.height_) + " x " + std::to_string(other.width_));
    if (other.histogram_.bins() != histogram_.bins() || other.histogram_.low != histogram_.low ||
        other.histogram_.high != histogram_.high)
      throw Error(Fault::format, "histogram", "the same bins", "others");
    if (other.square_bound_ + square_bound_ > max_square_sum) refuse_sum();
    if (other.count_ > max_count - count_) refuse_count();
    square_bound_ += other.square_bound_;
    for (std::size_t i = 0; i < pixels(); ++i) merge_pixel(other.state_, i);
    for (std::size_t i = 0; i < histogram_.counts.size(); ++i) histogram_.counts[i] += other.histogram_.counts[i];
    count_ += other.count_;
  }

  // The state has been filled from outside: check what later sums rely on.
  void restore(std::int64_t count) {
    if (count < 0 || count > max_count) refuse_count();
    double largest = 0;
    for (std::size_t i = 0; i < pixels(); ++i) {
      const ExactSum sum{state_.sum_high[i], state_.sum_low[i]}, square{state_.square_high[i], state_.square_low[i]};
      const bool filled = count > 0 ? std::fabs(state_.best[i]) <= max_correlation && state_.index[i] >= 0
                                    : state_.best[i] == -std::numeric_limits<float>::infinity();
      if (!filled || !sum.canonical() || !square.canonical() || !possible(sum, square, count))
        throw Error(Fault::format, "pixel " + std::to_string(i), "sums and a best value as correlograms make them",
                    "others");
      largest = std::max(largest, square.value(square_exponent));
    }
    square_bound_ = largest;
    count_ = count;
  }

  struct Maps {
    float *mean, *deviation, *scaled;  // (best - mean) / deviation, 0 where there is no deviation
  };

  void finish(const Maps& maps, std::size_t threads) const {
    if (count_ == 0) throw Error(Fault::format, "correlograms", "at least 1", "0");
    const auto number = static_cast<double>(count_);
    for_ranges(pixels(), parts(threads), [&](std::size_t start, std::size_t stop, std::size_t) {
      for (std::size_t i = start; i < stop; ++i) {
        const double mean = ExactSum{state_.sum_high[i], state_.sum_low[i]}.value(sum_exponent) / number;
        const double square = ExactSum{state_.square_high[i], state_.square_low[i]}.value(square_exponent) / number;
        const double deviation = std::sqrt(std::max(square - mean * mean, 0.0));
        maps.mean[i] = static_cast<float>(mean);
        maps.deviation[i] = static_cast<float>(deviation);
        const double scaled = (static_cast<double>(state_.best[i]) - mean) / deviation;
        maps.scaled[i] = maps.deviation[i] == 0.0f ? 0.0f : static_cast<float>(scaled);
      }
    });
  }

 private:
  std::size_t parts(std::size_t threads) const {
    return pixels() * sizeof(float) < parallel_bytes ? 1 : std::max<std::size_t>(threads, 1);
  }

  float largest_of(const float* batch, std::size_t correlograms, std::size_t threads, Level level) const {
    const std::size_t all = correlograms * pixels();
    std::vector<std::uint32_t> largest(parts(threads));
    for_ranges(all, largest.size(), [&](std::size_t start, std::size_t stop, std::size_t part) {
      largest[part] = on_level<LargestSize>(level, batch + start, stop - start);
    });
    const auto most = std::bit_cast<float>(*std::max_element(largest.begin(), largest.end()));
    if (most <= max_correlation) return most;
    const auto bad = static_cast<std::size_t>(
        std::find_if(batch, batch + all, [](float v) { return !(std::fabs(v) <= max_correlation); }) - batch);
    throw Error(Fault::limit, "correlogram " + std::to_string(bad / pixels()), "values of at most 2^17 in size",
                std::to_string(batch[bad]) + " in row " + std::to_string(bad % pixels() / width_) + ", column " +
                    std::to_string(bad % pixels() % width_));
  }

  // Sums of that many numbers: sum^2 <= count * square, but for what was rounded away.
  static bool possible(const ExactSum& sum, const ExactSum& square, std::int64_t count) {
    const double first = sum.value(sum_exponent), second = square.value(square_exponent);
    const auto number = static_cast<double>(count);
    return second >= 0 && second <= max_square_sum &&
           first * first <= number * second * (1 + 1e-9) + number * number * 0x1p-60;
  }

  [[noreturn]] static void refuse_count() { throw Error(Fault::limit, "correlograms", "at most 2^36", "more"); }

  [[noreturn]] static void refuse_sum() {
    throw Error(Fault::limit, "sum of squares", "at most 2^46", "correlograms that may exceed it");
  }

  // A bound of the sum of squares with these correlograms.
  double require_sum(float largest, double correlograms) const {
    if (static_cast<double>(count_) + correlograms > static_cast<double>(max_count)) refuse_count();
    const double bound = square_bound_ + correlograms * (static_cast<double>(largest) * static_cast<double>(largest));
    if (bound > max_square_sum) refuse_sum();
    return bound;
  }

  void add_pixels(const std::vector<const float*>& values, std::size_t first, std::size_t stop,
                  const std::vector<std::int64_t>& indices, Level level) {
    on_level<AccumulateEight>(level, values.data(), first, stop, values.size(), indices.data(), &state_);
  }

  // The last pixels, fewer than eight: they are copied to where eight can be read.
  void add_tail(const std::vector<const float*>& values, std::size_t first, const std::vector<std::int64_t>& indices,
                Level level) {
    const std::size_t rest = pixels() - first;
    if (rest == 0) return;
    std::vector<float> copies(values.size() * accumulate_lanes);
    std::vector<const float*> shifted;
    AccumulatorState last(accumulate_lanes);
    exchange(last, first, rest, true);
    for (std::size_t k = 0; k < values.size(); ++k) {
      std::copy_n(values[k] + first, rest, copies.data() + k * accumulate_lanes);
      shifted.push_back(copies.data() + k * accumulate_lanes);
    }
    on_level<AccumulateEight>(level, static_cast<const float* const*>(shifted.data()), std::size_t{0}, accumulate_lanes,
                              shifted.size(), indices.data(), &last);
    exchange(last, first, rest, false);
  }

  void exchange(AccumulatorState& last, std::size_t first, std::size_t rest, bool out) {
    const auto copy = [&](auto& whole, auto& part) {
      if (out)
        std::copy_n(whole.data() + first, rest, part.data());
      else
        std::copy_n(part.data(), rest, whole.data() + first);
    };
    copy(state_.best, last.best);
    copy(state_.index, last.index);
    copy(state_.sum_high, last.sum_high);
    copy(state_.sum_low, last.sum_low);
    copy(state_.square_high, last.square_high);
    copy(state_.square_low, last.square_low);
  }

  void add_histogram(const float* batch, std::size_t correlograms, std::size_t threads) {
    if (histogram_.counts.empty()) return;
    std::vector<std::vector<std::int64_t>> found(parts(threads), std::vector<std::int64_t>(histogram_.counts.size()));
    for_ranges(correlograms * pixels(), found.size(), [&](std::size_t start, std::size_t stop, std::size_t part) {
      histogram_.add(batch + start, stop - start, found[part]);
    });
    for (const auto& part : found)
      for (std::size_t i = 0; i < part.size(); ++i) histogram_.counts[i] += part[i];
  }

  void merge_pixel(const AccumulatorState& other, std::size_t i) {
    if (other.best[i] > state_.best[i] || (other.best[i] == state_.best[i] && other.index[i] < state_.index[i])) {
      state_.best[i] = other.best[i];
      state_.index[i] = other.index[i];
    }
    merge_sum(state_.sum_high[i], state_.sum_low[i], other.sum_high[i], other.sum_low[i]);
    merge_sum(state_.square_high[i], state_.square_low[i], other.square_high[i], other.square_low[i]);
  }

  static void merge_sum(std::int64_t& high, std::int64_t& low, std::int64_t more_high, std::int64_t more_low) {
    const std::int64_t sum = low + more_low;
    const std::int64_t carry = (sum + (std::int64_t{1} << (carry_bits - 1))) >> carry_bits;
    low = sum - carry * (std::int64_t{1} << carry_bits);
    high += more_high + carry;
  }

  std::size_t height_, width_, padded_;
  AccumulatorState state_;
  Histogram histogram_;
  std::int64_t count_ = 0;
  double square_bound_ = 0;
};

}  // namespace braggio
