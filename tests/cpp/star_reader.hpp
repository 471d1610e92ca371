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
  for (const CellKind kind : {CellKind::integer, CellKind::real, CellKind::text, CellKind::image}) {
    StarScanner scanner(source);
    while (scanner.next_block()) {
      guess_kinds(scanner.block().labels.size(), scanner.first_row());
      if (!scanner.block().loop) continue;
      std::vector<StarColumn> columns(scanner.block().labels.size());
      for (StarColumn& column : columns) {
        column.kind = kind;
        column.guessed = true;
      }
      fill_star(scanner, columns);
      cells += scanner.block().rows * columns.size();
    }
  }
  return cells;
}

}  // namespace braggio::testing
