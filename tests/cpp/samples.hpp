// A small valid file of every format, byte by byte with its meaning beside: what the parser tests damage and the
// fuzzers start from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "braggio/bytes.hpp"

namespace braggio::testing {

class File {
 public:
  explicit File(ByteOrder order = ByteOrder::little) : order_(order) {}

  template <class T>
  File& put(std::initializer_list<T> values) {
    for (const T value : values) append(order_ == native_order ? value : byte_swapped(value));
    return *this;
  }
  File& i16(std::initializer_list<std::int16_t> values) { return put(values); }
  File& u16(std::initializer_list<std::uint16_t> values) { return put(values); }
  File& u32(std::initializer_list<std::uint32_t> values) { return put(values); }
  File& i32(std::initializer_list<std::int32_t> values) { return put(values); }
  File& u64(std::initializer_list<std::uint64_t> values) { return put(values); }
  File& f32(std::initializer_list<float> values) { return put(values); }
  File& f64(std::initializer_list<double> values) { return put(values); }
  File& text(std::string_view text) {
    const auto raw = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  // Fill with `filler` up to byte `size`.
  File& pad(std::size_t size, char filler = '\0') {
    bytes_.resize(size, static_cast<std::byte>(filler));
    return *this;
  }

  std::size_t size() const { return bytes_.size(); }
  operator std::vector<std::byte>() const { return bytes_; }

 private:
  template <class T>
  void append(T value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
  }

  ByteOrder order_;
  std::vector<std::byte> bytes_;
};

// 3 columns, 2 rows of int32.
inline std::vector<std::byte> tia_raw_sample() {
  File file;
  file.i16({6});                              // data type: int32
  file.i32({3, 2});                           // nx, ny
  file.i32({-2874, -1, 0, 1, 65535, 70000});  // pixels
  return file;
}

// Two images of 2 x 2 int16, each with its tag of time behind it; offsets of 32 bits (version 0x0210) or 64 (0x0220).
inline std::vector<std::byte> ser_sample(bool wide) {
  const std::size_t header = wide ? 34 : 30, tables = wide ? 4 * 8 : 4 * 4;
  const std::size_t image = 40 + 10 + 8, tag = 8, first = header + tables, second = first + image + tag;
  File file;
  const auto position = [&](std::size_t at) {
    if (wide)
      file.u64({at});
    else
      file.i32({static_cast<std::int32_t>(at)});
  };
  file.u16({0x4949, 0x0197, static_cast<std::uint16_t>(wide ? 0x0220 : 0x0210)});  // byte order, series, version
  file.i32({0x4122, 0x4152, 2, 2});  // images, tags of time, places in the tables, images written
  position(header);                  // offset_array_offset
  file.i32({1});                     // number of dimensions
  position(first), position(second);
  position(first + image), position(second + image);  // tags
  for (std::int16_t i = 0; i < 2; ++i) {
    file.f64({0.5, 1e-9}).i32({0});   // calibration of x: offset, delta, element
    file.f64({0.25, 2e-9}).i32({0});  // and of y
    file.i16({5}).i32({2, 2});        // int16, nx, ny
    file.i16({i, -1, 32767, -32768});
    file.u16({0x4152, 0}).i32({1700000000 + i});  // tag type, padding, time
  }
  return file;
}

// Two sections of 2 x 2 pixels that are all zero; 8 bytes of extended header.
inline std::vector<std::byte> mrc_sample(ByteOrder order, std::int32_t mode, std::size_t pixel_bytes) {
  File file(order);
  file.i32({2, 2, 2, mode});                // nx, ny, nz, mode
  file.i32({0, 0, 0, 2, 2, 1});             // start, intervals
  file.f32({2, 2, 1, 90, 90, 90});          // cell
  file.i32({1, 2, 3});                      // axes
  file.f32({0, 0, 0}).i32({0, 8});          // minimum, maximum, mean; ispg; nsymbt
  file.pad(104).text("FEI1").i32({20141});  // exttyp, nversion
  file.pad(208).text("MAP ");
  file.text(order == ByteOrder::little ? std::string_view("\x44\x44\0\0", 4) : std::string_view("\x11\x11\0\0", 4));
  file.f32({0}).i32({1}).text("a label");
  file.pad(1024 + 8 + 8 * pixel_bytes);
  return file;
}

// 2 x 2 pixels of unsigned_short behind 512 bytes of header.
inline std::vector<std::byte> smv_sample() {
  File file;
  file.text("{\nHEADER_BYTES=  512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1=2;\nSIZE2=2;\n");
  file.text("PIXEL_SIZE=0.028;\nDISTANCE=nan;\nCOMMENT={a=b};\n}\n").pad(512, ' ');
  file.u16({0, 1, 351, 65535});
  return file;
}

// Configure with an alias and an EPICS name, and two events: a container with a camera's frame inside a container, and
// a compressed one beside it.
inline std::vector<std::byte> xtc_sample() {
  File file;
  const auto datagram = [&](std::uint32_t service, std::uint32_t time, std::uint32_t payload) {
    file.u32({5, time, 77 | service << 24, 1234 | 1u << 17, 54});       // ns, s, ticks and service, fiducials, env
    file.u32({0, 0x03000ca1, 0xac150a0b, 1 | 1u << 16, 20 + payload});  // damage, source, Xtc V1, extent
  };
  const auto xtc = [&](std::uint32_t log, std::uint32_t phy, std::uint32_t type, std::uint32_t payload) {
    file.u32({0, log, phy, type, 20 + payload});
  };
  datagram(4, 1417419351, 20 + 44);
  xtc(1, 0, 69 | 1u << 16, 44);  // AliasConfig V1
  file.u32({1, 0x010001f0, 0x20000a00}).text("DscCsPad").pad(40 + 20 + 44);
  for (std::uint32_t i = 0; i < 2; ++i) {
    datagram(12, 1417419361 + i, 20 + 20 + 20 + 24 + 20 + 44);
    xtc(0x02000064, 0, 1 | 1u << 16, 20 + 20 + 24);  // container
    xtc(0x02000065, 0, 1 | 1u << 16, 20 + 24);       // in it another
    xtc(0x010001f2, 0x1c000400, 2 | 1u << 16, 24);   // Frame V1: 2 x 2 pixels of 10 bits
    file.u32({2, 2, 10, 32}).u16({100, 101, 102, 103});
    xtc(0x010001f3, 0x1c000401, 2 | 1u << 16 | 1u << 31, 44);                   // the same, compressed
    file.u32({0, 0, 0, 24, 24}).u32({2, 2, 10, 32}).u16({100, 101, 102, 103});  // no header, engine 0
  }
  return file;
}

// 3 and 5 elements of 16 bits, by Hist16 with a plain bitmap and by HistN with run lengths.
inline std::vector<std::byte> xtc_packed_sample() {
  File file;
  file.u32({4}).text("head").u32({1, 0, 6, 12 + 2 + 4 + 4 + 4 + 2});
  file.u32({1, 100 + 101 + 2000, 2 + 4 + 4 + 4 + 2}).u16({100}).u32({4});  // flag, checksum, size; base, bytes
  file.put<unsigned char>({0, 1, 0xd0, 0x07}).u32({1}).u16({0b011});       // data; bitmap
  file.pad((file.size() + 3) / 4 * 4);
  file.u32({0}).u32({2, 0, 10, 12 + 12 + 4 + 4 + 4});
  file.u16({3, 2}).u32({1000 + 1001 + 1002 + 1003 + 1, 12 + 4 + 4 + 4});  // flag, depth; checksum, size
  file.u16({10, 2}).u32({1000, 4}).u32({0b0000000001'11'10'01'00}).u32({2}).u16({1, 0b01111});
  return file;
}

}  // namespace braggio::testing
