#include "parser.hpp"
#include "star_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const braggio::Source source = braggio::Source::over(std::as_bytes(std::span(data, size)));
  try {
    braggio::testing::read_star(source);
  } catch (const braggio::Error&) {
  }
  return 0;
}
