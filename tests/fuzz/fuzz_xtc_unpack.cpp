#include <cstdint>
#include <cstdlib>

#include "xtc_use.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (!braggio::testing::use_packed(std::as_bytes(std::span(data, size)))) std::abort();
  return 0;
}
