// Protects: what is in use moves along, and memory has one owner.
#include "braggio/growing.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>

using namespace braggio;

TEST_CASE("values in use are kept") {
  Growing<std::int32_t> values;
  CHECK(values.data() == nullptr);
  CHECK(values.capacity() == 0);
  values.move_to(3, 0);
  for (std::int32_t i = 0; i < 3; ++i) values[static_cast<std::size_t>(i)] = i;
  for (const std::size_t capacity : {std::size_t{4}, std::size_t{1} << 20, std::size_t{3}}) {
    values.move_to(capacity, 3);
    CHECK(values.capacity() == capacity);
    for (std::int32_t i = 0; i < 3; ++i) CHECK(values[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("memory goes from one to another") {
  Growing<double> one;
  one.move_to(2, 0);
  one[1] = 5.0;
  Growing<double> other(std::move(one));
  CHECK(other[1] == 5.0);
  Growing<double> third;
  third.move_to(1, 0);
  third = std::move(other);
  CHECK(third[1] == 5.0);
  CHECK(third.capacity() == 2);
}
