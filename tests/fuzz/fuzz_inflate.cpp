// Any bytes as a zlib stream, for outputs of several sizes: refused, or the bytes that the definition says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "braggio/inflate.hpp"
#include "inflate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace braggio;
  if (size < 2) return 0;
  const std::size_t sizes[] = {0, 1, 300, 5000, static_cast<std::size_t>(data[0]) * 16 + data[1] % 16};
  static const auto inflater = std::make_unique<Inflater>();
  const std::span stream(data + 1, size - 1);
  for (const std::size_t each : sizes) {
    std::vector<std::uint8_t> out(each);
    try {
      inflater->inflate(std::as_bytes(stream), std::as_writable_bytes(std::span(out)), best_level());
    } catch (const Error&) {
      continue;
    }
    if (testing::inflate_beginning(stream) != out) std::abort();
  }
  return 0;
}
