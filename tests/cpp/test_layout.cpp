// Protects: the numbers of a hostile header end in a typed refusal, not in an offset that wrapped around or a huge
// array.
#include "braggio/layout.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <set>

#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

FrameLayout stack(std::uint64_t width, std::uint64_t height, std::uint64_t nframes) {
  FrameLayout layout;
  layout.type = PixelType::i32;
  layout.width = width;
  layout.height = height;
  layout.nframes = nframes;
  layout.first = 10;
  layout.stride = layout.frame_bytes();
  return layout;
}

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("every pixel type has one name, and its name finds it") {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < pixel_infos.size(); ++i) {
    const auto type = static_cast<PixelType>(i);
    names.insert(info(type).name);
    CHECK(pixel_type(info(type).name) == type);
    CHECK(info(type).size % info(type).word == 0);
  }
  CHECK(names.size() == pixel_infos.size());
  CHECK(refuses(Fault::unsupported, [] { pixel_type("int64"); }));
}

TEST_CASE("with_pixel gives the C++ type of the size that the table states, and refuses float16 and complex64") {
  for (std::size_t i = 0; i < pixel_infos.size(); ++i) {
    const auto type = static_cast<PixelType>(i);
    const auto size = [type] { return with_pixel(type, []<class T>() { return sizeof(T); }); };
    if (type == PixelType::f16 || type == PixelType::c64)
      CHECK(refuses(Fault::unsupported, size));
    else
      CHECK(size() == info(type).size);
  }
}

TEST_CASE("the extent is the end of the furthest frame") {
  CHECK(stack(3, 2, 1).extent() == 10 + 24);
  CHECK(stack(3, 2, 5).extent() == 10 + 5 * 24);
  FrameLayout scattered = stack(3, 2, 3);
  scattered.offsets = {500, 100, 300};
  CHECK(scattered.extent() == 524);
  CHECK(scattered.frame_offset(1) == 100);
  CHECK(stack(3, 2, 5).frame_offset(4) == 10 + 4 * 24);
  CHECK(refuses(Fault::format, [&] { scattered.frame_offset(3); }));
  CHECK(refuses(Fault::format, [] { stack(3, 2, 5).frame_offset(most); }));
}

TEST_CASE("sizes that cannot be are refused before they are multiplied") {
  CHECK(refuses(Fault::format, [] { stack(0, 2, 1).extent(); }));
  CHECK(refuses(Fault::format, [] { stack(2, 0, 1).extent(); }));
  CHECK(refuses(Fault::format, [] { stack(2, 2, 0).extent(); }));
  CHECK(refuses(Fault::limit, [] { stack(most, 2, 1).extent(); }));
  CHECK(refuses(Fault::limit, [] { stack(max_frame_pixels, 2, 1).extent(); }));
  CHECK(stack(max_frame_pixels, 1, 1).extent() == 10 + 4 * max_frame_pixels);
  FrameLayout layout = stack(3, 2, most);
  CHECK(refuses(Fault::limit, [&] { layout.extent(); }));
  layout.nframes = 2;
  layout.stride = most - 24;
  CHECK(refuses(Fault::limit, [&] { layout.extent(); }));
  layout.offsets = {100, most - 23};
  CHECK(refuses(Fault::limit, [&] { layout.extent(); }));
}

TEST_CASE("a layout is within a file that holds its last byte") {
  const FrameLayout layout = stack(3, 2, 5);
  CHECK_NOTHROW(layout.require_within(10 + 5 * 24));
  const auto error = refusal([&] { layout.require_within(10 + 5 * 24 - 1); });
  REQUIRE(error);
  CHECK(error->fault == Fault::truncated);
  CHECK(error->expected == "130 bytes (5 x 3 x 2 int32)");
}

TEST_CASE("frames that overlap do not make a small file a large stack") {
  FrameLayout layout = stack(3, 2, 4);
  layout.offsets = {10, 10, 10, 10};
  CHECK(refuses(Fault::truncated, [&] { layout.require_within(4 * 24 - 1); }));
}
