// MD5 against the test suite of RFC 1321, and around the block size.
#include "braggio/md5.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace braggio;

namespace {

std::string hex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::byte byte : Md5::of(std::as_bytes(std::span(text.data(), text.size())))) {
    out += digits[std::to_integer<std::size_t>(byte) >> 4];
    out += digits[std::to_integer<std::size_t>(byte) & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("the test suite of RFC 1321") {
  CHECK(hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(hex("a") == "0cc175b9c0f1b6a831c399e269772661");
  CHECK(hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(hex("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
        "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("four at a time are four, whatever their lengths") {
  std::string text(1000, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i + i / 7);
  const auto part = [&](std::size_t start, std::size_t size) {
    return std::as_bytes(std::span(text.data() + start, size));
  };
  for (std::size_t size = 0; size < 300; size += 13) {
    const std::array<Bytes, 4> all{part(0, size), part(3, 2 * size), part(7, 128), part(100, size + 64)};
    const auto found = Md5::of_four(all);
    for (std::size_t i = 0; i < 4; ++i) CHECK(found[i] == Md5::of(all[i]));
  }
}

TEST_CASE("read block by block it is the same") {
  std::vector<std::byte> memory(200'000);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * i + i / 7);
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 65535u, 65536u, 65537u, 131072u, 131135u, 200000u}) {
    const Bytes bytes = Bytes(memory).first(size);
    const auto read = [&](std::uint64_t at, MutableBytes block) {
      std::ranges::copy(bytes.subspan(at, block.size()), block.begin());
    };
    CHECK(Md5::of_read(size, read) == Md5::of(bytes));
  }
}

TEST_CASE("lengths around a block") {
  CHECK(hex(std::string(55, 'x')) == "04364420e25c512fd958a70738aa8f72");
  CHECK(hex(std::string(56, 'x')) == "668a72d5ba17f08e62dabcafad6db14b");
  CHECK(hex(std::string(64, 'x')) == "c1bb4f81d892b2d57947682aeb252456");
}
