// Everything of a STAR file, every column as every kind in turn: what sanitizers and fuzzers are to see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "braggio/star_rows.hpp"

namespace braggio::testing {

// Cells read, over all kinds.
inline std::size_t read_star(const Source& source) {
  std::size_t cells = 0;
  for (const StarBlock& block : scan_star(source)) {
    const std::size_t count = block.labels.size();
    if (!block.loop || count * block.rows > (std::size_t{1} << 20)) continue;
    for (const CellKind kind : {CellKind::integer, CellKind::real, CellKind::text, CellKind::image}) {
      std::vector<StarColumn> columns(count);
      std::vector<Dictionary> dictionaries(count);
      std::vector<std::vector<std::int64_t>> integers(count, std::vector<std::int64_t>(block.rows));
      std::vector<std::vector<double>> reals(count, std::vector<double>(block.rows));
      std::vector<std::vector<std::int32_t>> codes(count, std::vector<std::int32_t>(block.rows)), numbers = codes;
      for (std::size_t i = 0; i < count; ++i) {
        columns[i].kind = kind;
        columns[i].guessed = true;
        columns[i].integers = integers[i].data();
        columns[i].reals = reals[i].data();
        columns[i].codes = codes[i].data();
        columns[i].numbers = numbers[i].data();
        columns[i].dictionary = &dictionaries[i];
      }
      fill_star(source, block, columns);
      cells += block.rows * count;
    }
    guess_kinds(source, block);
  }
  return cells;
}

}  // namespace braggio::testing
