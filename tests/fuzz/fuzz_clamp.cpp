// The clamp at every instruction level against its definition, for any pixels and any offset.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/clamp.hpp"
#include "braggio/layout.hpp"
#include "clamp_pixel.hpp"
#include "levels.hpp"

namespace {

using namespace braggio;

constexpr PixelType types[] = {PixelType::u8,  PixelType::u16, PixelType::u32, PixelType::i8,
                               PixelType::i16, PixelType::i32, PixelType::f32, PixelType::f64};

template <class T>
void compare(Bytes bytes, std::int64_t offset) {
  std::vector<T> pixels(bytes.size() / sizeof(T));
  if (pixels.empty()) return;
  std::memcpy(pixels.data(), bytes.data(), pixels.size() * sizeof(T));
  std::vector<std::uint16_t> expected(pixels.size()), target(pixels.size());
  ClampCounts counts;
  for (std::size_t i = 0; i < pixels.size(); ++i) expected[i] = testing::clamp_pixel(pixels[i], offset, counts);
  for (const Level level : testing::levels()) {
    const ClampCounts found = clamp(pixels.data(), target.data(), pixels.size(), offset, level);
    if (target != expected || !testing::same(found, counts)) std::abort();
  }
}

}  // namespace

// Byte 0: the type; 1 to 8: the offset; then pixels.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t head = 9;
  if (size < head) return 0;
  const Bytes bytes = std::as_bytes(std::span(data, size));
  const auto offset = load<std::int64_t>(bytes, 1, ByteOrder::little, "offset") % ((std::int64_t{1} << 32) + 1);
  with_pixel(types[data[0] % std::size(types)], [&]<class T>() { compare<T>(bytes.subspan(head), offset); });
  return 0;
}
