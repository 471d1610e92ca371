// Protects: large arrays are as others are, begin at a page of their size, and sizes that overflow are refused.
#include "braggio/large.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>

using namespace braggio;

TEST_CASE("arrays of any size are zero, aligned and can be written to the end") {
  for (const std::size_t count : {0u, 1u, 1000u, (1u << 19) - 1, 1u << 19, (1u << 20) + 3}) {
    LargeVector<std::int64_t> values(count);
    CHECK(std::all_of(values.begin(), values.end(), [](std::int64_t v) { return v == 0; }));
    const std::uintptr_t alignment = count * sizeof(std::int64_t) < (4u << 20) ? 64 : 2u << 20;
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
