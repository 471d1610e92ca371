#include "braggio/smv.hpp"
#include "parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  braggio::testing::fuzz_parser(data, size,
                                [](const braggio::Source& source) { return braggio::parse_smv(source, false); });
  return 0;
}
