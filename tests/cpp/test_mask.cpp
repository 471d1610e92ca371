// Protects: packed masks are what byte-by-byte loops give, for every width around the word size and every instruction
// level, and nothing outside the frame is ever set.
#include "braggio/mask.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "levels.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

using Plain = std::vector<std::uint8_t>;

Plain random_mask(std::size_t size, double density, unsigned seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution set(density);
  Plain mask(size);
  for (std::uint8_t& pixel : mask) pixel = set(random) ? 1 : 0;
  return mask;
}

// One erosion (all) or dilation (any) by the definition.
Plain step(const Plain& mask, long height, long width, bool square, bool all) {
  Plain out(mask.size());
  for (long y = 0; y < height; ++y)
    for (long x = 0; x < width; ++x) {
      bool every = true, some = false;
      for (long dy = -1; dy <= 1; ++dy)
        for (long dx = -1; dx <= 1; ++dx) {
          if (!square && dy != 0 && dx != 0) continue;
          const long v = y + dy, u = x + dx;
          const bool set =
              v >= 0 && v < height && u >= 0 && u < width && mask[static_cast<std::size_t>(v * width + u)] != 0;
          every = every && set;
          some = some || set;
        }
      out[static_cast<std::size_t>(y * width + x)] = (all ? every : some) ? 1 : 0;
    }
  return out;
}

Plain bytes(const BitMask& mask) {
  Plain out(mask.height() * mask.width());
  unpack(mask, out.data());
  return out;
}

}  // namespace

TEST_CASE("pack, erode, dilate, unite, intersect and count equal plain loops") {
  for (const Level level : levels())
    for (const std::size_t width : {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u, 200u})
      for (const std::size_t height : {1u, 2u, 9u})
        for (const double density : {0.05, 0.5, 0.9, 1.0})
          for (const Structure structure : {Structure::cross, Structure::square}) {
            const Plain plain = random_mask(height * width, density, static_cast<unsigned>(width * 31 + height));
            const bool square = structure == Structure::square;
            BitMask mask(height, width);
            pack(plain.data(), mask, level);
            REQUIRE(bytes(mask) == plain);
            Plain eroded = plain;
            for (std::size_t steps = 0; steps < 3; ++steps) {
              BitMask again = mask;
              erode(again, steps, structure, level);
              REQUIRE(bytes(again) == eroded);
              eroded = step(eroded, static_cast<long>(height), static_cast<long>(width), square, true);
            }
            Plain dilated = plain;
            for (std::size_t steps = 0; steps < 3; ++steps) {
              BitMask again = mask;
              dilate(again, steps, structure, level);
              REQUIRE(bytes(again) == dilated);
              std::uint64_t set = 0;
              for (const std::uint8_t pixel : dilated) set += pixel;
              REQUIRE(count(again, level) == set);  // and none beyond the edge
              dilated = step(dilated, static_cast<long>(height), static_cast<long>(width), square, false);
            }
            BitMask both = mask, other(height, width);
            const Plain second = random_mask(height * width, 0.4, 7);
            pack(second.data(), other, level);
            intersect(both, other, level);
            unite(other, mask, level);
            Plain in_both = plain, in_any = plain;
            for (std::size_t i = 0; i < plain.size(); ++i) {
              in_both[i] = plain[i] & second[i];
              in_any[i] = plain[i] | second[i];
            }
            REQUIRE(bytes(both) == in_both);
            REQUIRE(bytes(other) == in_any);
          }
}

TEST_CASE_TEMPLATE("a threshold passes what is equal or above", T, std::uint8_t, std::int16_t, std::uint16_t,
                   std::int32_t, float, double) {
  std::mt19937 random(3);
  for (const Level level : levels())
    for (const std::size_t width : {1u, 63u, 64u, 65u, 130u}) {
      std::vector<T> frame(5 * width), limits(5 * width);
      Plain expected(5 * width);
      for (std::size_t i = 0; i < frame.size(); ++i) {
        frame[i] = static_cast<T>(random() % 7);
        limits[i] = static_cast<T>(random() % 7);
        expected[i] = frame[i] >= limits[i] ? 1 : 0;
      }
      BitMask mask(5, width);
      threshold(frame.data(), limits.data(), mask, level);
      CHECK(bytes(mask) == expected);
    }
}

TEST_CASE("a huge number of steps ends, and shapes must agree") {
  BitMask mask(3, 70);
  mask.row(1)[1] = 1;
  dilate(mask, std::size_t{1} << 60, Structure::square, Level::baseline);
  CHECK(count(mask, Level::baseline) == 210);
  erode(mask, std::size_t{1} << 60, Structure::cross, Level::baseline);
  CHECK(count(mask, Level::baseline) == 0);
  CHECK_THROWS_AS(unite(mask, BitMask(3, 71), Level::baseline), Error);
  CHECK_THROWS_AS(BitMask(std::size_t{1} << 40, std::size_t{1} << 40), Error);
  BitMask none(0, 0);
  dilate(none, 1, Structure::square, Level::baseline);
  CHECK(count(none, Level::baseline) == 0);
}
