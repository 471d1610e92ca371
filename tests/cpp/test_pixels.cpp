// Protects: pixels arrive in native byte order and in the row order asked for, however the frame is cut into blocks.
#include "braggio/pixels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <complex>
#include <fstream>
#include <vector>

#include "folder.hpp"
#include "random_pixels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

// Frames of `width` x `height` pixels behind `first` bytes, stored in `order`; and how they should come out.
template <class T>
struct Stack {
  Stack(PixelType type, std::uint64_t width, std::uint64_t height, std::uint64_t nframes, ByteOrder order,
        std::uint64_t first)
      : pixels(random_pixels<T>(width * height * nframes, width)), stored(first) {
    layout.type = type;
    layout.order = order;
    layout.width = width;
    layout.height = height;
    layout.nframes = nframes;
    layout.first = first;
    layout.stride = layout.frame_bytes();
    for (const T pixel : pixels) {
      const T value = order == native_order ? pixel : byte_swapped(pixel);
      const auto raw = std::as_bytes(std::span(&value, 1));
      stored.insert(stored.end(), raw.begin(), raw.end());
    }
  }

  std::vector<T> frame(std::uint64_t index) const {
    std::vector<T> rows;
    for (std::uint64_t row = 0; row < layout.height; ++row) {
      const std::uint64_t from = index * layout.height + (layout.flip ? layout.height - 1 - row : row);
      const auto start = pixels.begin() + static_cast<std::ptrdiff_t>(from * layout.width);
      rows.insert(rows.end(), start, start + static_cast<std::ptrdiff_t>(layout.width));
    }
    return rows;
  }

  std::vector<T> pixels;
  std::vector<std::byte> stored;
  FrameLayout layout;
};

template <class T>
std::vector<T> by_blocks(const Source& source, const FrameLayout& layout, std::uint64_t frame) {
  Buffer scratch;
  std::vector<T> pixels;
  for_each_block<T>(source, layout, frame, scratch, [&](std::span<const T> block) {
    CHECK(block.size_bytes() <= block_bytes);
    pixels.insert(pixels.end(), block.begin(), block.end());
  });
  return pixels;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return std::ranges::equal(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

template <class T>
void check(PixelType type, std::uint64_t width, std::uint64_t height) {
  for (const ByteOrder order : {ByteOrder::little, ByteOrder::big})
    for (const std::uint64_t first : {0u, 8u, 13u})  // in memory: aligned, aligned, not aligned
      for (const bool flip : {false, true}) {
        Stack<T> stack(type, width, height, 3, order, first);
        stack.layout.flip = flip;
        const Source source = Source::over(stack.stored);
        for (const std::uint64_t frame : {2u, 0u, 1u})
          REQUIRE(same_bits(by_blocks<T>(source, stack.layout, frame), stack.frame(frame)));
      }
}

}  // namespace

TEST_CASE("every type, byte order, alignment and row order") {
  check<std::uint8_t>(PixelType::u8, 7, 5);
  check<std::uint16_t>(PixelType::u16, 7, 5);
  check<std::uint32_t>(PixelType::u32, 7, 5);
  check<std::int8_t>(PixelType::i8, 7, 5);
  check<std::int16_t>(PixelType::i16, 7, 5);
  check<std::int32_t>(PixelType::i32, 7, 5);
  check<float>(PixelType::f32, 7, 5);
  check<double>(PixelType::f64, 7, 5);
}

TEST_CASE("frames of more than one block, with rows cut by blocks") {
  check<std::int32_t>(PixelType::i32, 333, 500);
  check<double>(PixelType::f64, block_bytes / 8 + 1, 2);
}

TEST_CASE("any part of a frame may be read alone") {
  for (const bool flip : {false, true}) {
    Stack<std::int16_t> stack(PixelType::i16, 5, 4, 2, ByteOrder::big, 6);
    stack.layout.flip = flip;
    const Source source = Source::over(stack.stored);
    const auto frame = stack.frame(1);
    for (std::size_t start = 0; start < frame.size(); ++start)
      for (std::size_t count = 0; start + count <= frame.size(); ++count) {
        std::vector<std::int16_t> part(count);
        read_block(source, stack.layout, 1, start * 2, std::as_writable_bytes(std::span(part)));
        REQUIRE(std::equal(part.begin(), part.end(), frame.begin() + static_cast<std::ptrdiff_t>(start)));
      }
  }
}

TEST_CASE("the two halves of a complex pixel change byte order apart") {
  FrameLayout layout;
  layout.type = PixelType::c64;
  layout.order = ByteOrder::big;
  layout.width = layout.height = layout.nframes = 1;
  const std::vector<float> stored{byte_swapped(1.5f), byte_swapped(-2.0f)};
  const Source source = Source::over(std::as_bytes(std::span(stored)));
  std::complex<float> pixel;
  read_block(source, layout, 0, 0, std::as_writable_bytes(std::span(&pixel, 1)));
  if constexpr (native_order == ByteOrder::little) CHECK(pixel == std::complex<float>(1.5f, -2.0f));
}

TEST_CASE("a file gives what memory gives") {
  const Folder folder;
  const Stack<std::int32_t> stack(PixelType::i32, 300, 300, 2, ByteOrder::little, 10);
  folder.put("frames", {reinterpret_cast<const char*>(stack.stored.data()), stack.stored.size()});
  const Source source = Source::open(folder.file("frames"));
  CHECK(by_blocks<std::int32_t>(source, stack.layout, 1) == stack.frame(1));
}

TEST_CASE("a frame that does not exist, or not in full, is refused") {
  const Stack<std::int32_t> stack(PixelType::i32, 3, 3, 2, ByteOrder::little, 10);
  const Source source = Source::over(stack.stored);
  CHECK(refuses(Fault::format, [&] { by_blocks<std::int32_t>(source, stack.layout, 2); }));
  const Source cut = Source::over(std::span(stack.stored).first(stack.stored.size() - 1));
  CHECK(by_blocks<std::int32_t>(cut, stack.layout, 0) == stack.frame(0));
  CHECK(refuses(Fault::truncated, [&] { by_blocks<std::int32_t>(cut, stack.layout, 1); }));
}
