// Protects: a buffer has the size asked for, begins at a page, and is the same memory until it has to grow.
#include "braggio/buffer.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using namespace braggio;

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

TEST_CASE("nothing at all is allowed") {
  Buffer buffer;
  CHECK(buffer.first(0).empty());
}
