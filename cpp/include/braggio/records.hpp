// Records of one size in a row (the body of a structured npy file): wanted fields gathered into columns, streamed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/dictionary.hpp"
#include "braggio/error.hpp"
#include "braggio/pixels.hpp"
#include "braggio/source.hpp"

namespace braggio {

struct RecordField {
  std::uint64_t offset = 0;       // in the record
  std::uint64_t size = 0;         // bytes
  std::byte* out = nullptr;       // count * size bytes, as they are in the file; or
  std::int32_t* codes = nullptr;  // one code a record for the text up to its trailing NULs
  Dictionary* dictionary = nullptr;
};

namespace detail {

inline std::string_view without_nuls(const std::byte* data, std::size_t size) {
  const auto* text = reinterpret_cast<const char*>(data);
  while (size > 0 && text[size - 1] == '\0') --size;
  return {text, size};
}

template <std::size_t size>
void copy_sized(const std::byte* from, std::size_t stride, std::byte* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) std::memcpy(to + i * size, from + i * stride, size);
}

inline void gather(const RecordField& field, const std::byte* records, std::size_t stride, std::size_t first,
                   std::size_t count) {
  const std::byte* from = records + field.offset;
  if (field.codes != nullptr) {
    for (std::size_t i = 0; i < count; ++i)
      field.codes[first + i] = field.dictionary->code(without_nuls(from + i * stride, field.size));
    return;
  }
  if (field.size == 0) return;
  std::byte* to = field.out + first * field.size;
  if (field.size == 4) return copy_sized<4>(from, stride, to, count);
  if (field.size == 8) return copy_sized<8>(from, stride, to, count);
  for (std::size_t i = 0; i < count; ++i) std::memcpy(to + i * field.size, from + i * stride, field.size);
}

}  // namespace detail

// `count` records of `stride` bytes from byte `first` on. Fields must lie within the record.
inline void gather_records(const Source& source, std::uint64_t first, std::uint64_t stride, std::uint64_t count,
                           std::span<const RecordField> fields) {
  if (stride == 0) throw Error(Fault::format, "record size", "at least 1 byte", "0");
  for (const RecordField& field : fields)
    if (checked_sum(field.offset, field.size, "field") > stride)
      throw Error(Fault::format, "field", "bytes within a record of " + std::to_string(stride),
                  std::to_string(field.offset) + " + " + std::to_string(field.size));
  if (checked_sum(first, checked_product(stride, count, "records"), "records") > source.size())
    throw Error(
        Fault::truncated, "file size",
        std::to_string(count) + " records of " + std::to_string(stride) + " bytes from byte " + std::to_string(first),
        std::to_string(source.size()) + " bytes");
  const std::uint64_t step = std::max<std::uint64_t>(1, block_bytes / stride);
  std::vector<std::byte> block(stride * std::min(step, count));
  for (std::uint64_t done = 0; done < count; done += step) {
    const std::uint64_t now = std::min(step, count - done);
    source.read(first + done * stride, MutableBytes(block).first(now * stride));
    for (const RecordField& field : fields) detail::gather(field, block.data(), stride, done, now);
  }
}

}  // namespace braggio
