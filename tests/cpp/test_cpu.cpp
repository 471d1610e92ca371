// Protects: BRAGGIO_CPU chooses among the levels that this machine can run, and nothing else.
#include "braggio/cpu.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

struct Environment {
  explicit Environment(const char* level) { ::setenv("BRAGGIO_CPU", level, 1); }
  ~Environment() { ::unsetenv("BRAGGIO_CPU"); }
};

struct Sum {
  BRAGGIO_INLINE std::uint32_t run(const std::uint32_t* data, std::size_t count) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += data[i];
    return sum;
  }
};

}  // namespace

TEST_CASE("the best level is chosen where the environment is silent") {
  ::unsetenv("BRAGGIO_CPU");
  CHECK(chosen_level() == best_level());
  const Environment empty("");
  CHECK(chosen_level() == best_level());
}

TEST_CASE("the environment chooses any level up to the best, by name") {
  for (const Level level : levels()) {
    const Environment environment(std::string(name(level)).c_str());
    CHECK(chosen_level() == level);
  }
}

TEST_CASE("a level that is unknown or beyond the machine is refused") {
  for (const char* wish : {"AVX2", "sse", "avx2 ", "0"}) {
    const Environment environment(wish);
    const auto error = refusal([] { chosen_level(); });
    REQUIRE(error);
    CHECK(error->fault == Fault::unsupported);
    CHECK(error->found == wish);
  }
  for (int i = static_cast<int>(best_level()) + 1; i <= static_cast<int>(Level::avx512); ++i) {
    const Environment environment(std::string(level_names[i]).c_str());
    CHECK(refuses(Fault::unsupported, [] { chosen_level(); }));
  }
}

TEST_CASE("a kernel runs at every level") {
  std::vector<std::uint32_t> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0u);
  for (const Level level : levels()) CHECK(on_level<Sum>(level, numbers.data(), numbers.size()) == 499500);
}
