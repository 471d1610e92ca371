// Packed sections: every type, shape and level comes back; damage stays within the buffer.
#include "braggio/packed.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;
using packed::Layout;

namespace {

template <class Word>
std::vector<Word> decoded(const std::vector<std::byte>& data, const Layout& layout, Level level = Level::baseline) {
  const std::vector<std::byte> held(data.begin(), data.end());  // of just this size
  std::vector<Word> out(layout.count());
  packed::decode<Word>(held, layout, out.data(), level);
  return out;
}

template <class Word>
std::vector<Word> noise(std::size_t count, int bits, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Word> values(count);
  for (Word& value : values) value = static_cast<Word>(bits == 0 ? 0 : random() >> (64 - bits));
  return values;
}

template <class Word>
void check_all() {
  for (const bool v2 : {false, true})
    for (const Layout& shape : {Layout{1, 1, 1}, Layout{300, 1, 1}, Layout{33, 7, 1}, Layout{20, 5, 4}, Layout{1, 9, 3},
                                Layout{2, 2, 2}, Layout{129, 2, 2}})
      for (const int bits : {0, 1, 3, 9, 17, 64}) {
        Layout layout = shape;
        layout.v2 = v2;
        const auto values = noise<Word>(layout.count(), std::min<int>(bits, 8 * sizeof(Word)), 7);
        const auto data = packed::encode<Word>(values.data(), layout, Level::baseline);
        for (const Level level : levels()) {
          CHECK(packed::encode<Word>(values.data(), layout, level) == data);
          CHECK(decoded<Word>(data, layout, level) == values);
        }
      }
}

}  // namespace

TEST_CASE("every type, shape, width and level") {
  check_all<std::uint8_t>();
  check_all<std::uint16_t>();
  check_all<std::uint32_t>();
  check_all<std::uint64_t>();
}

TEST_CASE("every truncation is refused") {
  const Layout layout{20, 3, 2};
  const auto values = noise<std::uint32_t>(layout.count(), 10, 1);
  const auto data = packed::encode<std::uint32_t>(values.data(), layout);
  for (std::size_t cut = 0; cut < data.size(); ++cut)
    CHECK(refuses(Fault::truncated,
                  [&] { decoded<std::uint32_t>({data.begin(), data.begin() + static_cast<long>(cut)}, layout); }));
}

TEST_CASE("damage gives values or an error") {
  for (const bool flat : {false, true}) {
    Layout layout{20, 3, 2};
    auto data = packed::encode<std::uint64_t>(noise<std::uint64_t>(layout.count(), 30, 1).data(), layout);
    layout.flat = flat;
    for (std::size_t i = 0; i < data.size(); ++i) {
      const std::byte kept = data[i];
      for (const int byte : {0, 1, 0x3f, 0x7f, 0x80, 0xff}) {
        data[i] = static_cast<std::byte>(byte);
        refusal([&] { decoded<std::uint64_t>(data, layout); });
      }
      data[i] = kept;
    }
  }
}

TEST_CASE("another count is refused") {
  const auto data = packed::encode<std::uint32_t>(noise<std::uint32_t>(6, 3, 1).data(), Layout{6, 1, 1});
  CHECK(refuses(Fault::format, [&] { decoded<std::uint32_t>(data, Layout{5, 1, 1}); }));
}
