// CBF codecs: the first bytes choose type and shape, the rest is a section; what is decoded is encoded and decoded to
// the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "braggio/byte_offset.hpp"
#include "braggio/packed.hpp"

namespace {

using namespace braggio;

template <class Word>
void try_packed(Bytes data, packed::Layout layout) {
  std::vector<Word> values(layout.count());
  try {
    packed::decode<Word>(data, layout, values.data());
    layout.flat = layout.uncorrelated = false;
    const auto encoded = packed::encode<Word>(values.data(), layout);
    std::vector<Word> again(layout.count());
    packed::decode<Word>(encoded, layout, again.data());
    if (values != again) std::abort();
  } catch (const Error&) {
  }
}

template <class Word>
void try_byte_offset(Bytes data, std::size_t count) {
  std::vector<Word> values(count);
  try {
    byte_offset::decode<Word>(data, values);
    const auto encoded = byte_offset::encode<Word>(values);
    std::vector<Word> again(count);
    byte_offset::decode<Word>(encoded, again);
    if (values != again) std::abort();
  } catch (const Error&) {
  }
}

template <class Word>
void try_all(Bytes data, const packed::Layout& layout) {
  try_packed<Word>(data, layout);
  try_byte_offset<Word>(data, layout.count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const packed::Layout layout{.fast = std::size_t{1} + data[0],
                              .mid = std::size_t{1} + data[1] % 8,
                              .slow = std::size_t{1} + data[2] % 4,
                              .v2 = (data[3] & 4) != 0,
                              .flat = (data[3] & 8) != 0,
                              .uncorrelated = (data[3] & 16) != 0};
  std::vector<std::byte> section(packed::header_bytes);  // a right count: else nearly every input ends there
  for (std::size_t i = 0; i < 8; ++i) section[i] = static_cast<std::byte>(std::uint64_t{layout.count()} >> (8 * i));
  const Bytes rest = std::as_bytes(std::span(data + 4, size - 4));
  section.insert(section.end(), rest.begin(), rest.end());
  switch (data[3] & 3) {
    case 0: try_all<std::uint8_t>(section, layout); break;
    case 1: try_all<std::uint16_t>(section, layout); break;
    case 2: try_all<std::uint32_t>(section, layout); break;
    default: try_all<std::uint64_t>(section, layout); break;
  }
  return 0;
}
