// Protects: one reading of a frame gives every output its pixels, in little-endian order and at its place, and the same
// statistics as the frame alone.
#include "braggio/transcode.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "folder.hpp"
#include "random_pixels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

// A frame in memory, large enough for several blocks.
template <class T>
struct Frame {
  explicit Frame(PixelType type, std::vector<T> values) : pixels(std::move(values)) {
    layout.type = type;
    layout.order = native_order;
    layout.width = pixels.size();
    layout.height = layout.nframes = 1;
  }

  Source source() const { return Source::over(std::as_bytes(std::span(pixels))); }

  std::vector<T> pixels;
  FrameLayout layout;
};

template <class T>
std::vector<T> pixels_of(const std::string& content, std::size_t position) {
  std::vector<T> pixels((content.size() - position) / sizeof(T));
  std::memcpy(pixels.data(), content.data() + position, pixels.size() * sizeof(T));
  if constexpr (native_order == ByteOrder::big)
    for (T& pixel : pixels) pixel = byte_swapped(pixel);
  return pixels;
}

Sink sink_to(PartFile& file, std::uint64_t position, PixelType type, std::optional<std::int64_t> clamp_offset = {}) {
  return {&file, position, type, clamp_offset.has_value(), clamp_offset.value_or(0)};
}

}  // namespace

TEST_CASE("an output and the statistics from one reading") {
  const Folder folder;
  Frame<std::int32_t> frame(PixelType::i32, random_pixels<std::int32_t>(200000, 1));
  for (std::size_t i = 0; i < frame.pixels.size(); ++i) frame.pixels[i] %= 3000;
  frame.pixels[7] = 100000;
  FrameStats<std::int32_t> stats(frame.pixels.size(), Depth::moments, 0.0, best_level());
  Clipped clipped;
  clipped.limit = 1;
  Scratch scratch;
  for (const bool clamps : {false, true}) {
    stats = FrameStats<std::int32_t>(frame.pixels.size(), Depth::moments, 0.0, best_level());
    PartFile file(folder.file(clamps ? "smv" : "mrc"));
    const Sink sink = clamps ? sink_to(file, 512, PixelType::u16, 2000) : sink_to(file, 1024, PixelType::f32);
    CHECK(transcode<std::int32_t>(frame.source(), frame.layout, 0, sink, &stats, std::nullopt, clipped, scratch,
                                  best_level()));
    file.publish(false, false);
  }

  std::vector<std::uint16_t> clamped(frame.pixels.size());
  const ClampCounts expected = clamp(frame.pixels.data(), clamped.data(), clamped.size(), 2000, Level::baseline);
  CHECK(pixels_of<std::uint16_t>(folder.content("smv"), 512) == clamped);
  CHECK(pixels_of<float>(folder.content("mrc"), 1024) == std::vector<float>(frame.pixels.begin(), frame.pixels.end()));
  CHECK(clipped.counts.low == expected.low);
  CHECK(clipped.counts.high == 1);
  CHECK(clipped.high == std::vector<std::int64_t>{7});

  FrameStats<std::int32_t> alone(frame.pixels.size(), Depth::moments, 0.0, Level::baseline);
  alone.add(frame.pixels);
  CHECK(stats.count == alone.count);
  CHECK(stats.min == alone.min);
  CHECK(stats.max == 100000);
  CHECK(stats.sum == alone.sum);
  CHECK(stats.squares.low == alone.squares.low);
}

TEST_CASE("a foreign byte order and reversed rows are undone on the way") {
  const Folder folder;
  Frame<std::int16_t> frame(PixelType::i16, {1, 2, 3, 4, 5, 6});
  for (std::int16_t& pixel : frame.pixels) pixel = byte_swapped(pixel);
  frame.layout.order = native_order == ByteOrder::little ? ByteOrder::big : ByteOrder::little;
  frame.layout.width = 2;
  frame.layout.height = 3;
  frame.layout.flip = true;
  PartFile file(folder.file("out"));
  const Sink sink = sink_to(file, 0, PixelType::i32);
  Clipped clipped;
  Scratch scratch;
  transcode<std::int16_t>(frame.source(), frame.layout, 0, sink, nullptr, std::nullopt, clipped, scratch, best_level());
  file.publish(false, false);
  CHECK(pixels_of<std::int32_t>(folder.content("out"), 0) == std::vector<std::int32_t>{5, 6, 3, 4, 1, 2});
}

TEST_CASE("a value outside the exact range stops the work, wherever it stands") {
  const Folder folder;
  for (const std::size_t place : {std::size_t{0}, std::size_t{70000}, std::size_t{199999}})
    for (const std::int32_t value : {32768, -32769}) {
      Frame<std::int32_t> frame(PixelType::i32, std::vector<std::int32_t>(200000, 32767));
      frame.pixels[place] = value;
      PartFile file(folder.file("out"));
      const Sink sink = sink_to(file, 0, PixelType::i16);
      FrameStats<std::int32_t> stats(frame.pixels.size(), Depth::moments, 0.0, best_level());
      Clipped clipped;
      Scratch scratch;
      const ExactRange range{-32768, 32767};
      CHECK(!transcode<std::int32_t>(frame.source(), frame.layout, 0, sink, &stats, range, clipped, scratch,
                                     best_level()));
    }
}

TEST_CASE("the ends of the exact range are in it") {
  const Folder folder;
  const Frame<std::int32_t> frame(PixelType::i32, {-32768, 0, 32767});
  PartFile file(folder.file("out"));
  const Sink sink = sink_to(file, 0, PixelType::i16);
  FrameStats<std::int32_t> stats(frame.pixels.size(), Depth::moments, 0.0, best_level());
  Clipped clipped;
  Scratch scratch;
  const ExactRange range{-32768, 32767};
  CHECK(transcode<std::int32_t>(frame.source(), frame.layout, 0, sink, &stats, range, clipped, scratch, best_level()));
  file.publish(false, false);
  CHECK(pixels_of<std::int16_t>(folder.content("out"), 0) == std::vector<std::int16_t>{-32768, 0, 32767});
}

TEST_CASE("casts keep every value that fits, at every pair of types") {
  const Folder folder;
  const std::vector<PixelType> types{PixelType::u8,  PixelType::u16, PixelType::u32, PixelType::i8,
                                     PixelType::i16, PixelType::i32, PixelType::f32, PixelType::f64};
  for (const PixelType from : types)
    for (const PixelType to : types) {
      const bool from_float = from == PixelType::f32 || from == PixelType::f64;
      const bool to_float = to == PixelType::f32 || to == PixelType::f64;
      with_pixel(from, [&]<class From>() {
        const std::vector<From> pixels{From{0}, From{1}, From{42}, From{127}};
        std::vector<std::byte> target(pixels.size() * info(to).size);
        const auto cast = [&] { cast_block<From>(pixels, to, target.data(), best_level()); };
        if (from_float && !to_float) {
          CHECK(refuses(Fault::unsupported, cast));
          return;
        }
        cast();
        with_pixel(to, [&]<class To>() {
          std::vector<To> found(pixels.size());
          std::memcpy(found.data(), target.data(), target.size());
          CHECK(found == std::vector<To>{To{0}, To{1}, To{42}, To{127}});
        });
      });
    }
}

TEST_CASE("an output that fails stops the work with its name") {
  const Folder folder;
  const Frame<std::int32_t> frame(PixelType::i32, std::vector<std::int32_t>(100, 1));
  PartFile file(folder.file("out"));
  file.discard();
  const Sink sink = sink_to(file, 0, PixelType::i32);
  Clipped clipped;
  Scratch scratch;
  const auto error = system_refusal([&] {
    transcode<std::int32_t>(frame.source(), frame.layout, 0, sink, nullptr, std::nullopt, clipped, scratch,
                            best_level());
  });
  REQUIRE(error);
  CHECK(error->path == folder.file("out"));
}

TEST_CASE("a frame in a file of its own, with the losses of the clamp") {
  const Folder folder;
  Frame<std::int32_t> frame(PixelType::i32, random_pixels<std::int32_t>(200000, 3));
  for (std::size_t i = 0; i < frame.pixels.size(); ++i) frame.pixels[i] %= 40000;
  const std::string header(512, 'h');
  Scratch scratch;
  const Clipped clipped =
      write_clamped<std::int32_t>(frame.source(), frame.layout, 0, folder.file("a.img"),
                                  std::as_bytes(std::span(header)), 30000, 5, nullptr, scratch, best_level());
  std::vector<std::uint16_t> clamped(frame.pixels.size());
  const ClampCounts expected = clamp(frame.pixels.data(), clamped.data(), clamped.size(), 30000, Level::baseline);
  CHECK(folder.content("a.img").substr(0, 512) == header);
  CHECK(pixels_of<std::uint16_t>(folder.content("a.img"), 512) == clamped);
  CHECK(expected.low > 5);
  CHECK(clipped.counts.low == expected.low);
  CHECK(clipped.counts.high == expected.high);
  CHECK(clipped.low.size() == 5);

  FrameStats<std::int32_t> stats(frame.pixels.size(), Depth::extremes, 0.01, best_level());
  FrameStats<std::int32_t> alone(frame.pixels.size(), Depth::extremes, 0.01, best_level());
  alone.add(frame.pixels);
  write_clamped<std::int32_t>(frame.source(), frame.layout, 0, folder.file("b.img"), std::as_bytes(std::span(header)),
                              30000, 5, &stats, scratch, best_level());
  CHECK(folder.content("b.img") == folder.content("a.img"));
  CHECK(stats.count == alone.count);
  CHECK(stats.min == alone.min);
  CHECK(stats.max == alone.max);
  CHECK(stats.low_quantile() == alone.low_quantile());
}

TEST_CASE("a file that ends too early is named, and nothing is left of its output") {
  const Folder folder;
  Frame<std::int32_t> frame(PixelType::i32, std::vector<std::int32_t>(100, 1));
  folder.put("short.bin", std::string(300, 'x'));
  const Source source = Source::open(folder.file("short.bin"));
  Scratch scratch;
  try {
    write_clamped<std::int32_t>(source, frame.layout, 0, folder.file("a.img"), {}, 0, 5, nullptr, scratch,
                                best_level());
    FAIL("was not refused");
  } catch (const Error& error) {
    CHECK(error.fault == Fault::truncated);
    CHECK(error.path == folder.file("short.bin"));
  }
  CHECK(folder.names() == std::vector<std::string>{"short.bin"});
}
