// CSPAD elements of XTC: one record per quadrant that was read out, its 2x1 sections placed into (4, 8, 185, 388).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"
#include "braggio/source.hpp"

namespace braggio {

inline constexpr std::size_t cspad_quads = 4, cspad_sections = 8;
inline constexpr std::size_t cspad_section_pixels = 185 * 388;
inline constexpr std::size_t cspad_pixels = cspad_quads * cspad_sections * cspad_section_pixels;

// The 32 bytes before the pixels of a quadrant.
struct CspadQuad {
  std::uint32_t virtual_channel = 0, lane = 0, tid = 0;
  std::uint32_t acq_count = 0, op_code = 0, quad = 0;
  std::uint32_t seq_count = 0, ticks = 0, fiducials = 0;
  std::uint32_t sb_temp[4] = {};
  std::uint32_t frame_type = 0;
  std::uint32_t sections = 0;  // bit s: section s was read out
};

namespace detail {

inline CspadQuad cspad_quad(Bytes head) {
  const auto word = [&](std::uint64_t i) {
    return load<std::uint32_t>(head, 4 * i, ByteOrder::little, "CspadElement");
  };
  CspadQuad quad;
  quad.virtual_channel = word(0) & 3;
  quad.lane = word(0) >> 6 & 3;
  quad.tid = word(0) >> 8;
  quad.acq_count = word(1) & 0xffff;
  quad.op_code = word(1) >> 16 & 0xff;
  quad.quad = word(1) >> 24 & 3;
  quad.seq_count = word(2);
  quad.ticks = word(3);
  quad.fiducials = word(4);
  for (std::uint64_t i = 0; i < 4; ++i)
    quad.sb_temp[i] = load<std::uint16_t>(head, 20 + 2 * i, ByteOrder::little, "CspadElement");
  quad.frame_type = word(7);
  return quad;
}

}  // namespace detail

// Fill `out` from a CspadElement payload of `size` bytes; `masks[q]`: the sections of quadrant q as the configuration
// tells, 0 where it was not read out. What is missing becomes 0. The payload must be what the masks say, exactly.
inline std::vector<CspadQuad> read_cspad(const Source& source, std::uint64_t offset, std::uint64_t size,
                                         std::span<const std::uint8_t, cspad_quads> masks,
                                         std::span<std::int16_t, cspad_pixels> out) {
  constexpr std::uint64_t head_bytes = 32, tail_bytes = 4, section_bytes = 2 * cspad_section_pixels;
  std::uint64_t expected = 0;
  std::size_t count = 0;
  for (const std::uint8_t mask : masks)
    if (mask != 0) {
      expected += head_bytes + static_cast<unsigned>(std::popcount(mask)) * section_bytes + tail_bytes;
      ++count;
    }
  if (size != expected)
    throw Error(Fault::format, "CspadElement size", std::to_string(expected) + " bytes (by the configuration)",
                std::to_string(size), offset);
  std::vector<CspadQuad> quads;
  std::array<std::byte, head_bytes> head{};
  unsigned seen = 0;
  for (std::uint64_t at = offset; quads.size() < count;) {
    source.read(at, head);
    CspadQuad quad = detail::cspad_quad(head);
    const std::uint8_t mask = masks[quad.quad];
    if (mask == 0 || (seen >> quad.quad & 1) != 0)
      throw Error(Fault::format, "CspadElement quad", "each quadrant of the configuration once",
                  std::to_string(quad.quad), at + 7);
    seen |= 1u << quad.quad;
    quad.sections = mask;
    at += head_bytes;
    for (std::size_t first = 0, last = 0; first < cspad_sections; first = last) {  // runs of sections, at once
      const bool present = (mask >> first & 1) != 0;
      for (last = first + 1; last < cspad_sections && ((mask >> last & 1) != 0) == present;) ++last;
      const auto pixels = out.subspan((quad.quad * cspad_sections + first) * cspad_section_pixels,
                                      (last - first) * cspad_section_pixels);
      if (!present) {
        std::fill(pixels.begin(), pixels.end(), std::int16_t{0});
        continue;
      }
      const MutableBytes bytes = std::as_writable_bytes(pixels);
      source.read(at, bytes);
      if constexpr (native_order == ByteOrder::big) swap_in_place(bytes, 2);
      at += bytes.size();
    }
    at += tail_bytes;
    quads.push_back(quad);
  }
  for (std::size_t q = 0; q < cspad_quads; ++q)
    if ((seen >> q & 1) == 0) {
      const auto pixels = out.subspan(q * cspad_sections * cspad_section_pixels, cspad_sections * cspad_section_pixels);
      std::fill(pixels.begin(), pixels.end(), std::int16_t{0});
    }
  return quads;
}

}  // namespace braggio
