#include "braggio/tia_raw.hpp"
#include "parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  braggio::testing::fuzz_parser(data, size, braggio::parse_tia_raw);
  return 0;
}
