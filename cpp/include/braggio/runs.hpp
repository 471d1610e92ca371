// The runs of set pixels of a packed mask, row by row.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "braggio/mask.hpp"

namespace braggio {

// The tables are kept from mask to mask; `begin` and `end` may be longer than there are runs.
struct Runs {
  std::vector<std::size_t> first{};   // run index of the first run of each row, and the number of runs
  std::vector<std::int32_t> begin{};  // half-open columns of each run
  std::vector<std::int32_t> end{};

  // By counting trailing zeros.
  void find(const BitMask& mask) {
    first.resize(mask.height() + 1);
    std::size_t run = 0;
    const std::size_t most = mask.words() * (word_bits / 2) + 1;  // of a row
    for (std::size_t y = 0; y < mask.height(); ++y) {
      first[y] = run;
      if (begin.size() < run + most) {
        begin.resize(2 * begin.size() + most);
        end.resize(begin.size());
      }
      run = add_row(mask.row(y), mask.words(), run);
    }
    first[mask.height()] = run;
  }

 private:
  // The zero words around a row make its neighbours readable at both ends.
  std::size_t add_row(const std::uint64_t* row, std::size_t words, std::size_t run) {
    std::int32_t *next_begin = begin.data() + run, *next_end = end.data() + run;
    std::uint64_t before = 0;
    for (std::size_t word = 0; word < words; ++word) {
      const std::uint64_t bits = row[word];
      if (bits != 0) {
        const auto base = static_cast<std::int32_t>(word * word_bits);
        std::uint64_t starts = bits & ~(bits << 1 | before >> 63);
        std::uint64_t lasts = bits & ~(bits >> 1 | row[word + 1] << 63);
        for (; starts != 0; starts &= starts - 1) *next_begin++ = base + std::countr_zero(starts);
        for (; lasts != 0; lasts &= lasts - 1) *next_end++ = base + std::countr_zero(lasts) + 1;
      }
      before = bits;
    }
    return static_cast<std::size_t>(next_end - end.data());
  }
};

}  // namespace braggio
