// A flex buffer of each element type; what is decoded is encoded and decoded to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "braggio/flex.hpp"

namespace {

using namespace braggio;

template <class T>
void try_as(Bytes buffer) {
  try {
    std::size_t at = 0;
    std::vector<T> values(flex::take_count(buffer, at, 1));
    flex::decode_numbers<T>(buffer, at, values);
    const auto encoded = flex::encode_numbers<T>(values, 1);
    std::vector<T> again(values.size());
    at = 0;
    flex::take_count(encoded, at, 1);
    flex::decode_numbers<T>(encoded, at, again);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!(values[i] == again[i])) std::abort();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes buffer = std::as_bytes(std::span(data, size));
  try_as<std::int8_t>(buffer);
  try_as<std::uint16_t>(buffer);
  try_as<std::int32_t>(buffer);
  try_as<std::uint64_t>(buffer);
  try_as<float>(buffer);
  try_as<double>(buffer);
  try {
    std::size_t at = 0;
    const std::uint64_t count = flex::take_count(buffer, at, 1);
    flex::decode_texts(buffer, at, count);
  } catch (const Error&) {
  }
  return 0;
}
