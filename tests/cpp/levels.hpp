// Every instruction level that this machine can run, lowest first.
#pragma once

#include <vector>

#include "braggio/cpu.hpp"

namespace braggio::testing {

inline std::vector<Level> levels() {
  std::vector<Level> found;
  for (int i = 0; i <= static_cast<int>(best_level()); ++i) found.push_back(static_cast<Level>(i));
  return found;
}

}  // namespace braggio::testing
