// Statistics of many correlograms per pixel: the largest value and which correlogram it came from, and exact sums of
// the values and of their squares (exact_sum.hpp), the same for any order, batches, shards and threads.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "braggio/accumulate_batch.hpp"
#include "braggio/accumulate_pixels.hpp"
#include "braggio/cpu.hpp"
#include "braggio/error.hpp"
#include "braggio/exact_sum.hpp"
#include "braggio/histogram.hpp"
#include "braggio/parallel.hpp"

namespace braggio {

// An update that changes the best values of more than one pixel in so many is not one of a late search.
inline constexpr std::size_t few_changes = 64;

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
    require(std::bit_cast<float>(on_level<LargestSize>(level, batch, correlograms * pixels())), batch, correlograms);
  }

  // `batch`: indices.size() correlograms of height x width, one after the other. Nothing changes when it is refused.
  void update(const float* batch, std::span<const std::int64_t> indices, std::size_t threads, Level level) {
    if (indices.empty()) return;
    if (indices.size() > max_update)
      throw Error(Fault::limit, "correlograms", "at most " + std::to_string(max_update) + " at once",
                  std::to_string(indices.size()));
    const CorrelogramBatch correlograms(batch, pixels(), indices, parts(threads), level);
    const auto number = static_cast<double>(indices.size());
    const std::size_t few = pixels() / few_changes;
    CorrelogramBatch::Result found;
    if (!settled_ || !has_room(max_correlation, number) || !correlograms.try_add(state_, few, found)) {
      require(correlograms.largest(), batch, indices.size());
      found = correlograms.add(state_);
    }
    settled_ = found.changed <= few / 2;
    square_bound_ = bound_with(found.largest, number);
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
      const ExactSum sum = state_.sum(i), square = state_.square(i);
      const bool filled = count > 0 ? std::fabs(state_.best[i]) <= max_correlation && state_.index[i] >= 0
                                    : state_.best[i] == -std::numeric_limits<float>::infinity();
      if (!filled || !sum.canonical() || !square.canonical() || !possible(sum, square, count))
        throw Error(Fault::format, "pixel " + std::to_string(i), "sums and a best value as correlograms make them",
                    "others");
      largest = std::max(largest, square.value(square_grid));
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
        const double mean = state_.sum(i).value(value_grid) / number;
        const double square = state_.square(i).value(square_grid) / number;
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

  void require(float largest, const float* batch, std::size_t correlograms) const {
    if (!(largest <= max_correlation)) refuse_value(batch, correlograms);
    const auto number = static_cast<double>(correlograms);
    if (has_room(largest, number)) return;
    if (static_cast<double>(count_) + number > static_cast<double>(max_count)) refuse_count();
    refuse_sum();
  }

  [[noreturn]] void refuse_value(const float* batch, std::size_t correlograms) const {
    const float* const end = batch + correlograms * pixels();
    const float* const bad = std::find_if(batch, end, [](float v) { return !(std::fabs(v) <= max_correlation); });
    const auto place = static_cast<std::size_t>(bad - batch);
    throw Error(Fault::limit, "correlogram " + std::to_string(place / pixels()), "values of at most 2^17 in size",
                std::to_string(*bad) + " in row " + std::to_string(place % pixels() / width_) + ", column " +
                    std::to_string(place % pixels() % width_));
  }

  // Sums of that many numbers: sum^2 <= count * square, but for what was rounded away.
  static bool possible(const ExactSum& sum, const ExactSum& square, std::int64_t count) {
    const double first = sum.value(value_grid), second = square.value(square_grid);
    const auto number = static_cast<double>(count);
    return second >= 0 && second <= max_square_sum &&
           first * first <= number * second * (1 + 1e-9) + number * number * 0x1p-60;
  }

  [[noreturn]] static void refuse_count() { throw Error(Fault::limit, "correlograms", "at most 2^36", "more"); }

  [[noreturn]] static void refuse_sum() {
    throw Error(Fault::limit, "sum of squares", "at most 2^46", "correlograms that may exceed it");
  }

  // A bound of the sum of squares with these correlograms.
  double bound_with(float largest, double correlograms) const {
    return square_bound_ + correlograms * (static_cast<double>(largest) * static_cast<double>(largest));
  }

  bool has_room(float largest, double correlograms) const {
    return static_cast<double>(count_) + correlograms <= static_cast<double>(max_count) &&
           bound_with(largest, correlograms) <= max_square_sum;
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
    state_.add(i, other.sum(i), other.square(i));
  }

  std::size_t height_, width_, padded_;
  AccumulatorState state_;
  Histogram histogram_;
  std::int64_t count_ = 0;
  double square_bound_ = 0;
  bool settled_ = false;  // the last update changed few best values
};

}  // namespace braggio
