// HDF5's shuffle filter undone: the first bytes of all numbers, then the second ones and so on, become numbers again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "braggio/cpu.hpp"

namespace braggio {

template <std::size_t size>
struct JoinPlanes {
  BRAGGIO_INLINE int run(const std::uint8_t* planes, std::size_t count, std::uint8_t* target) {
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t byte = 0; byte < size; ++byte) target[i * size + byte] = planes[byte * count + i];
    return 0;
  }
};

// `count` numbers of `size` bytes each; both places hold as much.
inline void unshuffle(const std::uint8_t* planes, std::size_t count, std::size_t size, std::uint8_t* target,
                      Level level) {
  if (size == 2) {
    on_level<JoinPlanes<2>>(level, planes, count, target);
  } else if (size == 4) {
    on_level<JoinPlanes<4>>(level, planes, count, target);
  } else if (size == 8) {
    on_level<JoinPlanes<8>>(level, planes, count, target);
  } else if (count != 0) {
    for (std::size_t byte = 0; byte < size; ++byte)
      for (std::size_t i = 0; i < count; ++i) target[i * size + byte] = planes[byte * count + i];
  }
}

}  // namespace braggio
