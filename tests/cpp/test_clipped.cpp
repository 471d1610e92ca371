// Protects: every pixel that the clamp loses is counted once and, up to the limit of its side, listed at its place; the
// same at every instruction level and however the frame is cut into blocks.
#include "braggio/clipped.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "clamp_pixel.hpp"
#include "levels.hpp"
#include "random_pixels.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

#define PIXELS std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t, std::uint32_t, float, double

constexpr std::int64_t offsets[] = {
    0, 1, -1, 200, 2000, 65535, -70000, std::int64_t{1} << 30, -(std::int64_t{1} << 32)};

// One pixel at a time, by the definition of the clamp.
template <class T>
Clipped one_by_one(const std::vector<T>& pixels, std::int64_t offset, std::size_t limit) {
  Clipped clipped;
  clipped.limit = limit;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    ClampCounts counts;
    clamp_pixel(pixels[i], offset, counts);
    if (counts.low != 0 && ++clipped.counts.low <= limit) clipped.low.push_back(static_cast<std::int64_t>(i));
    if (counts.high != 0 && ++clipped.counts.high <= limit) clipped.high.push_back(static_cast<std::int64_t>(i));
    clipped.counts.rounded += counts.rounded;
  }
  return clipped;
}

// As transcode does: the clamp's counts of a block lead to its pixels.
template <class T>
Clipped by_blocks(const std::vector<T>& pixels, std::int64_t offset, std::size_t limit, std::size_t block,
                  Level level) {
  Clipped clipped;
  clipped.limit = limit;
  std::vector<std::uint16_t> target(block);
  for (std::size_t start = 0; start < pixels.size(); start += block) {
    const auto part = std::span(pixels).subspan(start, std::min(block, pixels.size() - start));
    clipped.add(clamp(part.data(), target.data(), part.size(), offset, level), part, offset, start, level);
  }
  return clipped;
}

void check_same(const Clipped& found, const Clipped& expected) {
  CHECK(found.counts.low == expected.counts.low);
  CHECK(found.counts.high == expected.counts.high);
  CHECK(found.low == expected.low);
  CHECK(found.high == expected.high);
}

}  // namespace

TEST_CASE_TEMPLATE("random pixels, in blocks and at every limit", T, PIXELS) {
  const auto pixels = random_pixels<T>(5000, 3);
  for (const std::int64_t offset : offsets)
    for (const std::size_t limit : {std::size_t{0}, std::size_t{5}, pixels.size()}) {
      const Clipped expected = one_by_one(pixels, offset, limit);
      for (const Level level : levels())
        for (const std::size_t block : {std::size_t{777}, std::size_t{1024}, pixels.size()}) {
          const Clipped found = by_blocks(pixels, offset, limit, block, level);
          check_same(found, expected);
          CHECK(found.counts.rounded == expected.counts.rounded);
          Clipped searched;
          searched.limit = limit;
          searched.find(std::span(pixels), offset, 0, level);
          check_same(searched, expected);
        }
    }
}

TEST_CASE("one lost pixel is found wherever it stands") {
  for (const std::size_t place : {0u, 1u, 63u, 1023u, 1024u, 2999u})
    for (const std::int32_t value : {-2001, 63536}) {
      std::vector<std::int32_t> pixels(3000, value < 0 ? -2000 : 63535);
      pixels[place] = value;
      for (const Level level : levels()) {
        const Clipped found = by_blocks(pixels, 2000, 10, 1500, level);
        CHECK((value < 0 ? found.low : found.high) == std::vector<std::int64_t>{static_cast<std::int64_t>(place)});
        CHECK(found.counts.low + found.counts.high == 1);
      }
    }
}
