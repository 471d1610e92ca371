// Protects: large arrays are as others are and begin at a page of their size; a buffer has the size asked for and is
// the same memory until it has to grow; sizes that overflow are refused.
#include "braggio/memory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>

using namespace braggio;

TEST_CASE("arrays of any size are zero, aligned and can be written to the end") {
  for (const std::size_t count : {0u, 1u, 1000u, (1u << 19) - 1, 1u << 19, (1u << 20) + 3}) {
    LargeVector<std::int64_t> values(count);
    CHECK(std::all_of(values.begin(), values.end(), [](std::int64_t v) { return v == 0; }));
    const std::size_t bytes = count * sizeof(std::int64_t);
    const std::uintptr_t alignment = bytes < 2u << 20 ? 64 : 2u << 20;
    if (count != 0) CHECK(reinterpret_cast<std::uintptr_t>(values.data()) % alignment == 0);
    std::fill(values.begin(), values.end(), 7);
    const LargeVector<std::int64_t> copy = values;
    CHECK(copy == values);
  }
}

TEST_CASE("sizes that overflow are refused") {
  LargePages<std::int64_t> pages;
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK_THROWS_AS((void)pages.allocate(most / 4), std::bad_array_new_length);
}

TEST_CASE("every size is there, aligned, and writable to its end") {
  Buffer buffer;
  for (const std::size_t size : {1u, 4095u, 4096u, 4097u, 262144u, 10u}) {
    const MutableBytes bytes = buffer.first(size);
    CHECK(bytes.size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % 4096 == 0);
    bytes.front() = bytes.back() = std::byte{7};
  }
}

TEST_CASE("smaller and equal sizes reuse the memory") {
  Buffer buffer;
  const std::byte* const data = buffer.first(10000).data();
  CHECK(buffer.first(1).data() == data);
  CHECK(buffer.first(12288).data() == data);
}

TEST_CASE("a buffer that moves takes its memory along") {
  Buffer one;
  const std::byte* const data = one.first(100).data();
  Buffer other = std::move(one);
  CHECK(other.first(100).data() == data);
  other = Buffer();
  CHECK(other.first(0).empty());
}

TEST_CASE("nothing at all is allowed") {
  Buffer buffer;
  CHECK(buffer.first(0).empty());
}
