// Protects: streams give the bytes that their definition says, at every instruction level and near every end; damaged
// ones, or of another size, are refused and nothing is read or written outside. tests/formats/test_hdf5.py has zlib
// make and refuse them.
#include "braggio/inflate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "braggio/deflate.hpp"
#include "inflate.hpp"
#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using braggio::testing::levels;
using braggio::testing::refuses;

namespace {

using Text = std::vector<std::uint8_t>;

// Of as many bytes as it should have, on the heap: a sanitizer sees one too many.
Text inflated(const Text& stream, std::size_t size, Level level = best_level()) {
  Text out(size);
  std::make_unique<Inflater>()->inflate(std::as_bytes(std::span(stream)), std::as_writable_bytes(std::span(out)),
                                        level);
  return out;
}

// Bits as RFC 1951 packs them; codes, whose first bit is their highest, the other way round.
class Writer {
 public:
  Writer& bits(unsigned value, unsigned count) {
    for (unsigned i = 0; i < count; ++i, ++used_) {
      if (used_ % 8 == 0) stream.push_back(0);
      stream.back() = static_cast<std::uint8_t>(stream.back() | (value >> i & 1) << used_ % 8);
    }
    return *this;
  }

  Writer& code(unsigned value, unsigned count) {
    while (count-- > 0) bits(value >> count & 1, 1);
    return *this;
  }

  // A literal or length of the fixed code.
  Writer& fixed(unsigned symbol) {
    if (symbol < 144) return code(0x30 + symbol, 8);
    if (symbol < 256) return code(0x190 + symbol - 144, 9);
    return symbol < 280 ? code(symbol - 256, 7) : code(0xc0 + symbol - 280, 8);
  }

  Writer& aligned() {
    used_ = (used_ + 7) / 8 * 8;
    return *this;
  }

  Text ended(const Text& meant) {
    Adler32 sum;
    sum.bytes(meant);
    aligned();
    for (int shift = 24; shift >= 0; shift -= 8) bits(sum.value() >> shift & 255, 8);
    return stream;
  }

  Text stream{0x78, 0x01};

 private:
  std::size_t used_ = 0;
};

// Literals and copies from every distance that there is, in one block of the fixed code.
Text copies(std::mt19937& random, std::size_t tokens, Text& meant) {
  Writer out;
  out.bits(1, 1).bits(1, 2);
  for (std::size_t i = 0; i < tokens; ++i) {
    const bool literal = meant.empty() || random() % 3 == 0;
    if (literal) {
      const auto byte = static_cast<std::uint8_t>(random());
      out.fixed(byte);
      meant.push_back(byte);
      continue;
    }
    const unsigned length = random() % 4 == 0 ? 258 : 3 + static_cast<unsigned>(random() % 30);
    unsigned index = 28;
    while (deflate::length_codes[index].base > length) --index;
    out.fixed(257 + index).bits(length - deflate::length_codes[index].base, deflate::length_codes[index].extra);
    const auto most = static_cast<unsigned>(std::min<std::size_t>(meant.size(), 32768));
    const unsigned distance = 1 + static_cast<unsigned>(random() % (random() % 2 == 0 ? std::min(most, 20u) : most));
    unsigned far = 29;
    while (deflate::distance_codes[far].base > distance) --far;
    out.code(far, 5).bits(distance - deflate::distance_codes[far].base, deflate::distance_codes[far].extra);
    for (unsigned n = 0; n < length; ++n) meant.push_back(meant[meant.size() - distance]);
  }
  out.fixed(256);
  return out.ended(meant);
}

}  // namespace

TEST_CASE("literals and copies of every length and distance") {
  std::mt19937 random(3);
  for (const std::size_t tokens : {0, 1, 2, 30, 3000})
    for (int round = 0; round < 20; ++round) {
      Text meant;
      const Text stream = copies(random, tokens, meant);
      REQUIRE(testing::inflate(stream) == meant);
      for (const Level level : levels()) REQUIRE(inflated(stream, meant.size(), level) == meant);
    }
}

TEST_CASE("codes of their own, in many blocks") {
  std::mt19937 random(4);
  RunDeflater deflater;
  for (int round = 0; round < 30; ++round) {
    Text meant;
    deflater.begin();
    while (meant.size() < 100000) {
      const std::array<std::uint8_t, 4> item{static_cast<std::uint8_t>(random() % 90), 0, 0, 0};
      const std::size_t count = random() % 5 == 0 ? random() % 900 : 1;
      deflater.repeat(item, count);
      for (std::size_t i = 0; i < count; ++i) meant.insert(meant.end(), item.begin(), item.end());
    }
    const auto found = deflater.finish();
    const Text stream(found.begin(), found.end());
    REQUIRE(inflated(stream, meant.size()) == meant);
  }
}

TEST_CASE("stored blocks, before and behind others") {
  const Text meant{7, 7, 7, 7, 1, 2, 3, 9};
  Writer out;
  out.bits(0, 1).bits(1, 2).fixed(7).fixed(257).code(0, 5).fixed(256);
  out.bits(0, 1).bits(0, 2).aligned().bits(3, 16).bits(0xfffc, 16);
  for (const unsigned byte : {1u, 2u, 3u}) out.bits(byte, 8);
  out.bits(0, 1).bits(0, 2).aligned().bits(0, 16).bits(0xffff, 16);
  out.bits(1, 1).bits(1, 2).fixed(9).fixed(256);
  const Text stream = out.ended(meant);
  CHECK(testing::inflate(stream) == meant);
  CHECK(inflated(stream, meant.size()) == meant);
}

TEST_CASE("another size, a cut or a turned bit is refused, or gives what the definition says") {
  std::mt19937 random(5);
  Text meant;
  const Text stream = copies(random, 60, meant);
  for (const std::size_t size : {std::size_t{0}, meant.size() - 1, meant.size() + 1, 2 * meant.size()})
    CHECK(refuses(Fault::truncated, [&] { inflated(stream, size); }));
  for (std::size_t size = 0; size < stream.size(); ++size)
    CHECK(testing::refusal(
        [&] { inflated(Text(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(size)), meant.size()); }));
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * stream.size(); ++bit) {
    Text damaged = stream;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1u << bit % 8);
    try {
      const Text found = inflated(damaged, meant.size());
      CHECK(found == testing::inflate(damaged));
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 7 * stream.size());  // a copy from elsewhere may be the same bytes
}

TEST_CASE("what no encoder makes") {
  const auto refused = [](Writer& out) { return refuses(Fault::format, [&] { inflated(out.ended({}), 100); }); };
  Writer reserved;
  CHECK(refused(reserved.bits(1, 1).bits(3, 2)));
  Writer sizes;
  CHECK(refused(sizes.bits(1, 1).bits(0, 2).aligned().bits(3, 16).bits(3, 16)));
  Writer too_far;
  CHECK(refused(too_far.bits(1, 1).bits(1, 2).fixed(7).fixed(257).code(1, 5).fixed(256)));
  Writer no_length;
  CHECK(refused(no_length.bits(1, 1).bits(1, 2).fixed(7).fixed(286).code(0, 5).fixed(256)));
  Writer no_distance;
  CHECK(refused(no_distance.bits(1, 1).bits(1, 2).fixed(7).fixed(257).code(30, 5).fixed(256)));
  Writer many_symbols;
  CHECK(refused(many_symbols.bits(1, 1).bits(2, 2).bits(31, 5).bits(0, 5).bits(15, 4)));
  Writer no_codes;
  CHECK(refused(no_codes.bits(1, 1).bits(2, 2).bits(0, 5).bits(0, 5).bits(0, 4).bits(0, 12)));
  Writer repeats_nothing;
  CHECK(refused(repeats_nothing.bits(1, 1)
                    .bits(2, 2)
                    .bits(0, 5)
                    .bits(0, 5)
                    .bits(0, 4)
                    .bits(1, 3)
                    .bits(0, 6)
                    .bits(1, 3)
                    .bits(1, 1)
                    .bits(0, 2)));
  Text dictionary{0x78, 0x20};
  while ((dictionary[0] * 256 + dictionary[1]) % 31 != 0) ++dictionary[1];
  dictionary.resize(40);
  CHECK(refuses(Fault::unsupported, [&] { inflated(dictionary, 10); }));
}
