// Protects: every pixel of a box is the one that the rule names, anywhere about the image, and no other memory is read.
#include "braggio/boxes.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>
#include <vector>

#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

TEST_CASE("what stands outside") {
  CHECK(inside(2, 5, Edges::constant) == 2);
  CHECK(inside(-1, 5, Edges::constant) == -1);
  CHECK(inside(7, 5, Edges::edge) == 4);
  CHECK(inside(-9, 5, Edges::edge) == 0);
  // 0 1 2 3 4 3 2 1 0 1 ...
  const std::int64_t mirrored[] = {0, 1, 2, 3, 4, 3, 2, 1};
  for (std::int64_t i = -40; i < 40; ++i) CHECK(inside(i, 5, Edges::reflect) == mirrored[((i % 8) + 8) % 8]);
  CHECK(inside(100, 1, Edges::reflect) == 0);
}

TEST_CASE("boxes anywhere") {
  const std::vector<std::int16_t> pixels{1, 2, 3, 4, 5, 6};
  const Image<std::int16_t> image{pixels.data(), 2, 3};
  for (const Edges edges : {Edges::constant, Edges::reflect, Edges::edge})
    for (std::int64_t top = -9; top < 9; ++top)
      for (std::int64_t left = -9; left < 9; ++left)
        for (std::int64_t height = 1; height < 6; ++height)
          for (std::int64_t width = 1; width < 6; ++width) {
            std::vector<std::int16_t> out(static_cast<std::size_t>(height * width), -7);
            copy_box<std::int16_t>(image, top, left, height, width, edges, 99, out.data(), chosen_level());
            for (std::int64_t y = 0; y < height; ++y)
              for (std::int64_t x = 0; x < width; ++x) {
                const std::int64_t row = inside(top + y, 2, edges), column = inside(left + x, 3, edges);
                const auto expected =
                    row < 0 || column < 0 ? std::int16_t{99} : pixels[static_cast<std::size_t>(row * 3 + column)];
                REQUIRE(out[static_cast<std::size_t>(y * width + x)] == expected);
              }
          }
}

TEST_CASE("wide boxes, at every level") {
  const std::int64_t size = 200;
  std::vector<std::uint16_t> pixels(static_cast<std::size_t>(size * size));
  std::iota(pixels.begin(), pixels.end(), std::uint16_t{0});
  for (const Level level : levels())
    for (const std::int64_t left : {-70, 0, 1, 63, 90})
      for (const std::int64_t width : {63, 64, 65, 127, 128, 140}) {
        const std::int64_t top = left + 50, height = 60;
        std::vector<std::uint16_t> out(static_cast<std::size_t>(height * width));
        copy_box<std::uint16_t>({pixels.data(), size, size}, top, left, height, width, Edges::reflect, 0, out.data(),
                                level);
        for (std::int64_t y = 0; y < height; ++y)
          for (std::int64_t x = 0; x < width; ++x) {
            const std::int64_t row = inside(top + y, size, Edges::reflect);
            const std::int64_t column = inside(left + x, size, Edges::reflect);
            REQUIRE(out[static_cast<std::size_t>(y * width + x)] ==
                    pixels[static_cast<std::size_t>(row * size + column)]);
          }
      }
}

TEST_CASE("places that could overflow are refused") {
  const float pixel = 1;
  float out = 0;
  for (const std::int64_t place :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(), -max_box_position - 1})
    CHECK(refuses(Fault::limit,
                  [&] { copy_box<float>({&pixel, 1, 1}, place, 0, 1, 1, Edges::reflect, 0, &out, Level::baseline); }));
}
