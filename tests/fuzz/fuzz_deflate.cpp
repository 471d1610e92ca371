// Streams of any runs, decoded bit by bit: the bytes that were meant.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "braggio/deflate.hpp"
#include "inflate.hpp"

// Three bytes an order: what, how often, which value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace braggio;
  static RunDeflater deflater;
  std::vector<std::uint8_t> meant;
  deflater.begin();
  for (std::size_t i = 0; i + 3 <= size; i += 3) {
    const std::uint8_t value = data[i + 2];
    const std::size_t count = data[i + 1];
    if (data[i] % 3 == 0) {
      deflater.repeat(value, count);
      meant.insert(meant.end(), count, value);
    } else if (data[i] % 3 == 1) {
      const std::array<std::uint8_t, 4> item{value, data[i], 0, data[i + 1]};
      deflater.repeat(item, count);
      for (std::size_t n = 0; n < count; ++n) meant.insert(meant.end(), item.begin(), item.end());
    } else {
      const std::size_t stride = 1 + value % 8, left = (size - i) / stride;
      deflater.plane(data + i, left, stride);
      for (std::size_t n = 0; n < left; ++n) meant.push_back(data[i + n * stride]);
    }
    if (meant.size() > 20000) break;  // the decoder is slow
  }
  if (testing::inflate(deflater.finish()) != meant) std::abort();
  return 0;
}
