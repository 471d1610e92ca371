// MD5 (RFC 1321), which CBF files carry to tell a damaged binary section.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "braggio/bytes.hpp"

namespace braggio {

class Md5 {
 public:
  using Digest = std::array<std::byte, 16>;

  static Digest of(Bytes bytes) {
    Md5 md5;
    std::size_t at = 0;
    for (; bytes.size() - at >= 64; at += 64) md5.add(bytes.data() + at);
    std::array<std::byte, 128> tail{};
    const std::size_t rest = bytes.size() - at;
    if (rest > 0) std::memcpy(tail.data(), bytes.data() + at, rest);
    tail[rest] = std::byte{0x80};
    const std::size_t length = rest < 56 ? 64 : 128;
    std::uint64_t bits = std::uint64_t{8} * bytes.size();
    for (std::size_t i = 0; i < 8; ++i, bits >>= 8) tail[length - 8 + i] = static_cast<std::byte>(bits);
    for (std::size_t block = 0; block < length; block += 64) md5.add(tail.data() + block);
    Digest digest{};
    for (std::size_t i = 0; i < 16; ++i) digest[i] = static_cast<std::byte>(md5.state_[i / 4] >> (8 * (i % 4)));
    return digest;
  }

 private:
  using Words = std::array<std::uint32_t, 16>;

  template <class Mix>
  static void step(std::uint32_t& a, std::uint32_t b, std::uint32_t mixed, std::uint32_t word, Mix constant, int turn) {
    a = b + std::rotl(a + mixed + word + constant, turn);
  }

  void add(const std::byte* block) {
    // floor(2^32 |sin(i + 1)|)
    static constexpr std::uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
        0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
        0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
    static constexpr int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    Words words;
    std::memcpy(words.data(), block, 64);
    if constexpr (native_order == ByteOrder::big)
      for (std::uint32_t& word : words) word = byte_swapped(word);
    auto [a, b, c, d] = state_;
#pragma GCC unroll 64
    for (unsigned i = 0; i < 64; ++i) {
      std::uint32_t mixed = 0;
      unsigned word = 0;
      if (i < 16) {
        mixed = d ^ (b & (c ^ d));
        word = i;
      } else if (i < 32) {
        mixed = (b & d) + (c & ~d);
        word = (5 * i + 1) % 16;
      } else if (i < 48) {
        mixed = b ^ c ^ d;
        word = (3 * i + 5) % 16;
      } else {
        mixed = c ^ (b | ~d);
        word = (7 * i) % 16;
      }
      step(a, b, mixed, words[word], sines[i], turns[i / 16][i % 4]);
      const std::uint32_t last = d;
      d = c;
      c = b;
      b = a;
      a = last;
    }
    state_[0] += a;
    state_[1] += b;
    state_[2] += c;
    state_[3] += d;
  }

  std::array<std::uint32_t, 4> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
};

}  // namespace braggio
