// Protects: every item is worked on exactly once whatever the number of threads, and an error comes out of the call
// that caused it, after all threads have ended.
#include "braggio/parallel.hpp"

#include <doctest/doctest.h>
#include <pthread.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

using namespace braggio;

TEST_CASE("the ranges cover everything once and in order") {
  for (std::size_t count = 0; count < 40; ++count)
    for (std::size_t parts = 0; parts < 12; ++parts) {
      std::vector<std::atomic<int>> visits(count);
      std::vector<std::size_t> starts(std::max<std::size_t>(parts, 1));
      for_ranges(count, parts, [&](std::size_t start, std::size_t stop, std::size_t part) {
        starts[part] = start;
        for (std::size_t i = start; i < stop; ++i) ++visits[i];
      });
      REQUIRE(std::all_of(visits.begin(), visits.end(), [](const std::atomic<int>& n) { return n == 1; }));
      REQUIRE(std::is_sorted(starts.begin(), starts.end()));
    }
}

TEST_CASE("the error of the lowest range is rethrown when all ranges have ended") {
  for (const std::size_t parts : {1u, 2u, 5u}) {
    std::atomic<int> ended = 0;
    std::string message;
    try {
      for_ranges(100, parts, [&](std::size_t, std::size_t, std::size_t part) {
        ++ended;
        if (part >= parts / 2) throw std::runtime_error(std::to_string(part));
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(message == std::to_string(parts / 2));
    CHECK(ended == static_cast<int>(parts));
  }
}

TEST_CASE("where no thread is to be had the work is done all the same") {
  pthread_attr_t usual, greedy;
  REQUIRE(::pthread_getattr_default_np(&usual) == 0);
  ::pthread_attr_init(&greedy);
  REQUIRE(::pthread_attr_setstacksize(&greedy, std::size_t{1} << 47) == 0);  // more than there is address space
  REQUIRE(::pthread_setattr_default_np(&greedy) == 0);
  std::atomic<std::size_t> done = 0;
  for_ranges(100, 4, [&](std::size_t start, std::size_t stop, std::size_t) { done += stop - start; });
  ::pthread_setattr_default_np(&usual);
  CHECK(done == 100);
}
