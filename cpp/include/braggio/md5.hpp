// MD5 (RFC 1321), which CBF files carry to tell a damaged binary section.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "braggio/bytes.hpp"
#include "braggio/memory.hpp"

namespace braggio {

class Md5 {
 public:
  using Digest = std::array<std::byte, 16>;

  static Digest of(Bytes bytes) { return finish(start<std::uint32_t>(), bytes, 0, bytes.size()); }

  // Of `size` bytes that read(at, block) copies, block by block: nobody needs to hold them all.
  template <class Read>
  static Digest of_read(std::uint64_t size, Read&& read) {
    Buffer buffer;
    const MutableBytes memory = buffer.first(std::size_t{1} << 16);  // stays in the first levels of the cache
    State<std::uint32_t> state = start<std::uint32_t>();
    std::uint64_t at = 0;
    for (; size - at >= memory.size(); at += memory.size()) {
      read(at, memory);
      add_blocks(state, memory);
    }
    const MutableBytes rest = memory.first(static_cast<std::size_t>(size - at));
    if (!rest.empty()) read(at, rest);
    return finish(state, rest, 0, size);
  }

  // Four at a time: a digest waits for itself at every step, so that four of them cost little more than one.
  static std::array<Digest, 4> of_four(const std::array<Bytes, 4>& all) {
    std::size_t blocks = all[0].size() / 64;
    for (const Bytes bytes : all) blocks = std::min(blocks, bytes.size() / 64);
    State<Four> states = start<Four>();
    for (std::size_t block = 0; block < blocks; ++block)
      add<Four>(states, [&](unsigned i) {
        Four word{};
        for (unsigned k = 0; k < 4; ++k) word[k] = little(all[k].data() + 64 * block + std::size_t{4} * i);
        return word;
      });
    std::array<Digest, 4> digests{};
    for (unsigned k = 0; k < 4; ++k)
      digests[k] = finish({states[0][k], states[1][k], states[2][k], states[3][k]}, all[k], 64 * blocks, all[k].size());
    return digests;
  }

 private:
  typedef std::uint32_t Four __attribute__((vector_size(16)));
  template <class Word>
  using State = std::array<Word, 4>;

  template <class Word>
  static State<Word> start() {
    const Word zero{};
    return {zero + 0x67452301u, zero + 0xefcdab89u, zero + 0x98badcfeu, zero + 0x10325476u};
  }

  static std::uint32_t little(const std::byte* from) {
    std::uint32_t word;
    std::memcpy(&word, from, 4);
    return native_order == ByteOrder::little ? word : byte_swapped(word);
  }

  // Adds the whole blocks of 64 bytes; returns where they end.
  static std::size_t add_blocks(State<std::uint32_t>& state, Bytes bytes, std::size_t at = 0) {
    for (; bytes.size() - at >= 64; at += 64)
      add<std::uint32_t>(state, [&](unsigned i) { return little(bytes.data() + at + std::size_t{4} * i); });
    return at;
  }

  // `bytes` from `at` on are the end of a message of `size` bytes.
  static Digest finish(State<std::uint32_t> state, Bytes bytes, std::size_t at, std::uint64_t size) {
    at = add_blocks(state, bytes, at);
    std::array<std::byte, 128> tail{};
    const std::size_t rest = bytes.size() - at;
    if (rest > 0) std::memcpy(tail.data(), bytes.data() + at, rest);
    tail[rest] = std::byte{0x80};
    const std::size_t length = rest < 56 ? 64 : 128;
    std::uint64_t bits = std::uint64_t{8} * size;
    for (std::size_t i = 0; i < 8; ++i, bits >>= 8) tail[length - 8 + i] = static_cast<std::byte>(bits);
    add_blocks(state, Bytes(tail.data(), length));
    Digest digest{};
    for (std::size_t i = 0; i < 16; ++i) digest[i] = static_cast<std::byte>(state[i / 4] >> (8 * (i % 4)));
    return digest;
  }

  template <class Word, class Load>
  static void add(State<Word>& state, Load&& load_word) {
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
    Word words[16];
    for (unsigned i = 0; i < 16; ++i) words[i] = load_word(i);
    Word a = state[0], b = state[1], c = state[2], d = state[3];
#pragma GCC unroll 64
    for (unsigned i = 0; i < 64; ++i) {
      Word mixed{};
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
      const Word sum = a + mixed + words[word] + sines[i];
      const int turn = turns[i / 16][i % 4];
      a = d;
      d = c;
      c = b;
      b = b + ((sum << turn) | (sum >> (32 - turn)));
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
  }
};

}  // namespace braggio
