// What every parser owes to a damaged file: a typed refusal, or a layout that lies within the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "braggio/layout.hpp"
#include "braggio/pixels.hpp"
#include "braggio/source.hpp"

namespace braggio::testing {

// Reads all frames as braggio does, both row orders, so that a sanitizer sees every byte the layout speaks of.
// Says whether the layout keeps its promise of lying within the source. Large stacks are not read, only checked.
inline bool frames_are_within(const Source& source, const FrameLayout& parsed) {
  constexpr std::uint64_t enough = std::uint64_t{1} << 20;
  if (parsed.extent() > source.size()) return false;
  const std::uint64_t bytes = parsed.frame_bytes();
  if (bytes > enough || parsed.nframes > enough / bytes) return true;
  std::vector<std::byte> frame(bytes);
  Buffer scratch;
  for (const bool flip : {false, true}) {
    FrameLayout layout = parsed;
    layout.flip = flip;
    for (std::uint64_t i = 0; i < layout.nframes; ++i) {
      read_block(source, layout, i, 0, frame);
      if (layout.type == PixelType::f16 || layout.type == PixelType::c64) continue;
      std::size_t at = 0;
      bool same = true;
      with_pixel(layout.type, [&]<class T>() {
        for_each_block<T>(source, layout, i, scratch, [&](std::span<const T> block) {
          same = same && std::memcmp(block.data(), frame.data() + at, block.size_bytes()) == 0;
          at += block.size_bytes();
        });
      });
      if (!same || at != bytes) return false;
    }
  }
  return true;
}

struct Survival {
  std::size_t refused = 0;    // with an Error
  std::size_t truncated = 0;  // of those: with a TruncatedError
  std::size_t accepted = 0;   // with a layout that lies within the file
  std::size_t broken = 0;     // with a layout that does not
};

// parse(source) gives anything with a `layout`.
template <class Parse>
void try_parse(std::span<const std::byte> file, Parse&& parse, Survival& survival) {
  // A copy on the heap of just this size: a sanitizer then sees a read of one byte too many.
  const std::vector<std::byte> bytes(file.begin(), file.end());
  const Source source = Source::over(bytes);
  try {
    const auto parsed = parse(source);
    ++(frames_are_within(source, parsed.layout) ? survival.accepted : survival.broken);
  } catch (const Error& error) {
    ++survival.refused;
    if (error.fault == Fault::truncated) ++survival.truncated;
  }
}

// The file cut after each of its bytes but the last, down to nothing.
template <class Parse>
Survival try_truncations(const std::vector<std::byte>& file, Parse&& parse) {
  Survival survival;
  for (std::size_t size = 0; size < file.size(); ++size) try_parse(std::span(file).first(size), parse, survival);
  return survival;
}

// The file with each of its bits turned over.
template <class Parse>
Survival try_bit_flips(std::vector<std::byte> file, Parse&& parse) {
  Survival survival;
  for (std::byte& byte : file) {
    const std::byte whole = byte;
    for (int bit = 0; bit < 8; ++bit) {
      byte = whole ^ static_cast<std::byte>(1 << bit);
      try_parse(file, parse, survival);
    }
    byte = whole;
  }
  return survival;
}

// The file with each pair of its bytes set to values that overflow what they are added to or multiplied with.
template <class Parse>
Survival try_extremes(std::vector<std::byte> file, Parse&& parse) {
  constexpr unsigned char pairs[][2] = {{0, 0}, {0xff, 0xff}, {0xff, 0x7f}, {0x7f, 0xff}, {0x00, 0x80}, {0x80, 0x00}};
  Survival survival;
  for (std::size_t i = 0; i + 1 < file.size(); ++i) {
    const std::byte first = file[i], second = file[i + 1];
    for (const auto& pair : pairs) {
      file[i] = static_cast<std::byte>(pair[0]);
      file[i + 1] = static_cast<std::byte>(pair[1]);
      try_parse(file, parse, survival);
    }
    file[i] = first;
    file[i + 1] = second;
  }
  return survival;
}

}  // namespace braggio::testing
