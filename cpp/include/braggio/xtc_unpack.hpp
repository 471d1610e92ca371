// The compressed payloads of XTC: Hist16 and HistN, and the parts that they are kept in.
//
// Both keep frequent values, near a base, in few bits; a bitmap tells which elements those are. Whatever a header says
// is compared with the bytes that are there, and with what they can hold, before memory is asked for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"

namespace braggio {

// The largest camera of LCLS-I gives 32 MiB; HistN can promise 500 000 times its own size.
inline constexpr std::uint64_t xtc_max_unpacked = std::uint64_t{1} << 28;

namespace detail {

[[noreturn]] inline void refuse_packed(const char* field, const std::string& expected, const std::string& found) {
  throw Error(Fault::format, field, expected, found);
}

// Reads numbers one after the other; TruncatedError at the end.
class PackedReader {
 public:
  explicit PackedReader(Bytes bytes) : bytes_(bytes) {}

  std::uint16_t u16(const char* field) { return take<std::uint16_t>(field); }
  std::uint32_t u32(const char* field) { return take<std::uint32_t>(field); }

  Bytes bytes(std::uint64_t count, const char* field) {
    if (bytes_.size() - at_ < count)
      throw Error(Fault::truncated, field, std::to_string(count) + " bytes", std::to_string(bytes_.size() - at_));
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  void align(std::uint64_t size) { at_ = std::min<std::uint64_t>(bytes_.size(), (at_ + size - 1) / size * size); }
  std::uint64_t left() const { return bytes_.size() - at_; }

 private:
  template <class T>
  T take(const char* field) {
    const T value = load<T>(bytes_, at_, ByteOrder::little, field);
    at_ += sizeof(T);
    return value;
  }

  Bytes bytes_;
  std::uint64_t at_ = 0;
};

// The bitmap words, run lengths expanded as they are asked for.
class PackedBitmap {
 public:
  PackedBitmap(Bytes words, std::uint32_t flag, std::uint64_t elements) : words_(words), runs_(flag == 3) {
    const std::uint64_t count = words.size() / 2;
    std::uint64_t held = runs_ ? 0 : count;
    for (std::uint64_t i = 0; runs_ && i + 1 < count; i += 2) held += word(i);
    if (held < (elements + 15) / 16)
      refuse_packed("compressed bitmap", std::to_string((elements + 15) / 16) + " words", std::to_string(held));
  }

  std::uint16_t next() {
    if (!runs_) return word(at_++);
    while (repeat_ == 0) {
      repeat_ = word(at_);
      value_ = word(at_ + 1);
      at_ += 2;
    }
    --repeat_;
    return value_;
  }

 private:
  std::uint16_t word(std::uint64_t index) const {
    return load<std::uint16_t>(words_, index * 2, ByteOrder::little, "compressed bitmap");
  }

  Bytes words_;
  bool runs_;
  std::uint64_t at_ = 0;
  std::uint16_t repeat_ = 0, value_ = 0;
};

inline void store_u16(std::byte* to, std::uint16_t value) {
  if constexpr (native_order == ByteOrder::big) value = byte_swapped(value);
  std::memcpy(to, &value, 2);  // payloads stay little-endian, as the rest of the file
}

inline void require_checksum(std::uint32_t expected, std::uint32_t found) {
  if (expected != found) refuse_packed("compressed checksum", std::to_string(expected), std::to_string(found));
}

inline void require_used(std::uint64_t expected, std::uint64_t found) {
  if (expected != found)
    refuse_packed("compressed data", std::to_string(expected) + " bytes used", std::to_string(found));
}

inline std::uint32_t sum_of(Bytes data, std::size_t depth) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + depth <= data.size(); i += depth)
    sum += depth == 1 ? std::to_integer<std::uint32_t>(data[i])
                      : load<std::uint16_t>(data, i, ByteOrder::little, "compressed data");
  return sum;
}

// `size` bytes more at the end of `out`: asked for only once the packed bytes have been found to hold as much.
inline MutableBytes grow(std::vector<std::byte>& out, std::uint64_t size) {
  out.resize(out.size() + size);
  return MutableBytes(out).last(size);
}

inline void copy_raw(PackedReader& reader, std::uint32_t stored, std::size_t depth, std::uint32_t checksum,
                     std::uint64_t size, std::vector<std::byte>& out) {
  require_used(size, stored);
  const Bytes raw = reader.bytes(stored, "compressed data");
  require_checksum(checksum, sum_of(raw, depth));
  out.insert(out.end(), raw.begin(), raw.end());
}

inline void require_flag(std::uint32_t flag) {
  if (flag != 1 && flag != 3) refuse_packed("compression flag", "0, 1 or 3", std::to_string(flag));
}

}  // namespace detail

// Hist16: u32 flag, checksum, size; u16 base, u32 bytes, the data; u32 words, the bitmap. A set bit: one byte + base.
// Appends `size` bytes to `unpacked`.
inline void unpack_hist16(Bytes packed, std::uint64_t size, std::vector<std::byte>& unpacked) {
  using namespace detail;
  PackedReader reader(packed);
  const std::uint32_t flag = reader.u32("compression flag"), checksum = reader.u32("compressed checksum");
  const std::uint32_t stored = reader.u32("compressed size");
  require_used(reader.left(), stored);
  if (size % 2 != 0) refuse_packed("uncompressed size", "an even number", std::to_string(size));
  if (flag == 0) return copy_raw(reader, stored, 2, checksum, size, unpacked);
  require_flag(flag);
  const std::uint16_t base = reader.u16("compressed base");
  const Bytes data = reader.bytes(reader.u32("compressed data"), "compressed data");
  const Bytes words = reader.bytes(std::uint64_t{reader.u32("compressed bitmap")} * 2, "compressed bitmap");
  const std::uint64_t elements = size / 2;
  PackedBitmap bitmap(words, flag, elements);
  if (elements > data.size()) require_used(data.size(), elements);
  const MutableBytes out = grow(unpacked, size);
  std::uint64_t used = 0;
  std::uint32_t sum = 0;
  for (std::uint64_t first = 0; first < elements; first += 16) {
    const std::uint16_t bits = bitmap.next();
    const std::uint64_t count = std::min<std::uint64_t>(16, elements - first);
    std::byte* to = out.data() + 2 * first;
    if (bits == 0xffff && count == 16 && data.size() - used >= 16) {
      for (std::size_t i = 0; i < 16; ++i) {
        const std::uint32_t value = std::to_integer<std::uint32_t>(data[used + i]) + base;
        store_u16(to + 2 * i, static_cast<std::uint16_t>(value));
        sum += value & 0xffff;
      }
      used += 16;
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t width = (bits >> i & 1) != 0 ? 1 : 2;
      if (data.size() - used < width) require_used(data.size(), used + width);
      std::uint32_t value = std::to_integer<std::uint32_t>(data[used]);
      value = width == 1 ? value + base : value | std::to_integer<std::uint32_t>(data[used + 1]) << 8;
      store_u16(to + 2 * i, static_cast<std::uint16_t>(value));
      sum += value & 0xffff;
      used += width;
    }
  }
  require_used(data.size(), used);
  require_checksum(checksum, sum);
}

// HistN: u16 flag, bytes per element, u32 checksum, size; u16 bits when clear, when set, u32 base, bytes, a stream of
// bits in 32-bit words from the lowest on; u32 words, the bitmap. A set bit: that many bits + base.
inline void unpack_histn(Bytes packed, std::uint64_t size, std::vector<std::byte>& unpacked) {
  using namespace detail;
  PackedReader reader(packed);
  const std::uint16_t flag = reader.u16("compression flag"), depth = reader.u16("compressed depth");
  const std::uint32_t checksum = reader.u32("compressed checksum"), stored = reader.u32("compressed size");
  require_used(reader.left(), stored);
  if (depth != 1 && depth != 2) refuse_packed("compressed depth", "1 or 2", std::to_string(depth));
  if (size % depth != 0) refuse_packed("uncompressed size", "a multiple of 2", std::to_string(size));
  if (flag == 0) return copy_raw(reader, stored, depth, checksum, size, unpacked);
  require_flag(flag);
  const unsigned clear = reader.u16("compressed bits"), set = reader.u16("compressed bits");
  const unsigned widest = 8u * depth;
  if (clear > widest || set > widest)
    refuse_packed("compressed bits", "at most " + std::to_string(widest), std::to_string(std::max(clear, set)));
  const std::uint32_t base = reader.u32("compressed base");
  const Bytes data = reader.bytes(reader.u32("compressed data"), "compressed data");
  const Bytes words = reader.bytes(std::uint64_t{reader.u32("compressed bitmap")} * 2, "compressed bitmap");
  const std::uint64_t elements = size / depth;
  PackedBitmap bitmap(words, flag, elements);
  const MutableBytes out = grow(unpacked, size);
  std::uint64_t held = 0, used = 0;
  unsigned in_hand = 0;
  std::uint32_t sum = 0;
  std::uint16_t bits = 0;
  for (std::uint64_t i = 0; i < elements; ++i) {
    bits = i % 16 == 0 ? bitmap.next() : static_cast<std::uint16_t>(bits >> 1);
    const unsigned width = (bits & 1) != 0 ? set : clear;
    if (in_hand < width) {
      if (data.size() - used < 4) require_used(data.size(), used + 4);
      held |= std::uint64_t{load<std::uint32_t>(data, used, ByteOrder::little, "compressed data")} << in_hand;
      in_hand += 32;
      used += 4;
    }
    const std::uint32_t field = static_cast<std::uint32_t>(held & ((std::uint64_t{1} << width) - 1));
    held >>= width;
    in_hand -= width;
    const std::uint32_t value = (bits & 1) != 0 ? field + base : field;
    if (depth == 1)
      out[i] = static_cast<std::byte>(value & 0xff);
    else
      store_u16(out.data() + 2 * i, static_cast<std::uint16_t>(value));
    sum += value;
  }
  require_used(data.size(), used);
  require_checksum(checksum, sum);
}

// The payload of a compressed Xtc as it was: parts of {u32 header size, header, u32 engine, 0, size, packed size, data}
// that begin on 4 bytes.
inline std::vector<std::byte> unpack_xtc(Bytes payload) {
  using namespace detail;
  std::vector<std::byte> out;
  PackedReader reader(payload);
  while (reader.left() > 0) {
    const Bytes header = reader.bytes(reader.u32("compressed header size"), "compressed header");
    const std::uint32_t engine = reader.u32("compression engine");
    reader.u32("reserved");
    const std::uint64_t size = reader.u32("uncompressed size");
    const Bytes packed = reader.bytes(reader.u32("compressed size"), "compressed data");
    const std::uint64_t whole = out.size() + header.size() + size;
    if (whole > xtc_max_unpacked)
      throw Error(Fault::limit, "uncompressed size", "at most " + std::to_string(xtc_max_unpacked) + " bytes",
                  std::to_string(whole));
    out.insert(out.end(), header.begin(), header.end());
    if (engine == 0) {
      require_used(size, packed.size());
      out.insert(out.end(), packed.begin(), packed.end());
    } else if (engine == 1) {
      unpack_hist16(packed, size, out);
    } else if (engine == 2) {
      unpack_histn(packed, size, out);
    } else {
      throw Error(Fault::unsupported, "compression engine", "0, 1 (Hist16) or 2 (HistN)", std::to_string(engine));
    }
    reader.align(4);
  }
  return out;
}

}  // namespace braggio
