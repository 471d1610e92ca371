// zlib streams decoded bit by bit, after RFC 1950 and 1951: slow, and nothing but the definition.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace braggio::testing {

class Inflater {
 public:
  explicit Inflater(std::span<const std::uint8_t> stream) : stream_(stream) {}

  // `whole`: nothing may follow.
  std::vector<std::uint8_t> all(bool whole = true) {
    const unsigned method = bits(8), flags = bits(8);
    if (method % 16 != 8 || method / 16 > 7 || flags / 32 % 2 != 0) throw std::runtime_error("header");
    if ((256 * method + flags) % 31 != 0) throw std::runtime_error("header check");
    bool last = false;
    while (!last) {
      last = bits(1) != 0;
      const unsigned type = bits(2);
      if (type == 3) throw std::runtime_error("block type");
      type == 0 ? stored() : type == 1 ? fixed() : block();
    }
    at_ = (at_ + 7) / 8 * 8;
    std::uint32_t stored = 0, a = 1, b = 0;
    for (int i = 0; i < 4; ++i) stored = stored << 8 | bits(8);
    for (const std::uint8_t byte : out_) {
      a = (a + byte) % 65521;
      b = (b + a) % 65521;
    }
    if (stored != (b << 16 | a)) throw std::runtime_error("checksum");
    if (whole && at_ != 8 * stream_.size()) throw std::runtime_error("bytes behind the stream");
    return out_;
  }

 private:
  using Tree = std::map<std::pair<unsigned, unsigned>, unsigned>;  // (length, code) -> symbol

  std::uint32_t bits(unsigned count) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < count; ++i, ++at_) {
      if (at_ / 8 >= stream_.size()) throw std::runtime_error("end");
      value |= static_cast<std::uint32_t>(stream_[at_ / 8] >> at_ % 8 & 1) << i;
    }
    return value;
  }

  static Tree tree(const std::vector<unsigned>& lengths) {
    Tree found;
    unsigned code = 0;
    for (unsigned length = 1; length < 16; ++length, code <<= 1)
      for (unsigned symbol = 0; symbol < lengths.size(); ++symbol)
        if (lengths[symbol] == length) found[{length, code++}] = symbol;
    return found;
  }

  unsigned symbol(const Tree& tree) {
    unsigned code = 0;
    for (unsigned length = 1; length < 16; ++length) {
      code = code << 1 | bits(1);
      if (const auto found = tree.find({length, code}); found != tree.end()) return found->second;
    }
    throw std::runtime_error("code");
  }

  void stored() {
    at_ = (at_ + 7) / 8 * 8;
    const unsigned size = bits(16);
    if (bits(16) != (size ^ 0xffff)) throw std::runtime_error("stored size");
    for (unsigned i = 0; i < size; ++i) out_.push_back(static_cast<std::uint8_t>(bits(8)));
  }

  void fixed() {
    std::vector<unsigned> lengths(288, 8);
    for (unsigned symbol = 144; symbol < 280; ++symbol) lengths[symbol] = symbol < 256 ? 9 : 7;
    tokens(tree(lengths), tree(std::vector<unsigned>(32, 5)));
  }

  void block() {
    constexpr std::array<unsigned, 19> order{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    const unsigned literals = bits(5) + 257, distances = bits(5) + 1, codes = bits(4) + 4;
    std::vector<unsigned> code_lengths(19, 0), lengths;
    for (unsigned i = 0; i < codes; ++i) code_lengths[order[i]] = bits(3);
    const Tree lengths_tree = tree(code_lengths);
    while (lengths.size() < literals + distances) {
      const unsigned found = symbol(lengths_tree);
      if (found < 16) lengths.push_back(found);
      if (found == 16) lengths.insert(lengths.end(), 3 + bits(2), lengths.back());
      if (found == 17) lengths.insert(lengths.end(), 3 + bits(3), 0);
      if (found == 18) lengths.insert(lengths.end(), 11 + bits(7), 0);
    }
    const auto edge = lengths.begin() + static_cast<std::ptrdiff_t>(literals);
    tokens(tree({lengths.begin(), edge}), tree({edge, lengths.end()}));
  }

  void tokens(const Tree& literals, const Tree& distances) {
    while (true) {
      const unsigned found = symbol(literals);
      if (found == 256) return;
      if (found < 256) {
        out_.push_back(static_cast<std::uint8_t>(found));
        continue;
      }
      const unsigned index = found - 257, extra = index < 8 || index >= 28 ? 0 : index / 4 - 1;
      unsigned length = index == 28 ? 258 : index < 8 ? index + 3 : 3 + ((4 + index % 4) << extra);
      length += bits(extra);
      if (index > 28) throw std::runtime_error("length");
      const unsigned far = symbol(distances), more = far < 4 ? 0 : far / 2 - 1;
      if (far > 29) throw std::runtime_error("distance");
      const unsigned distance = 1 + (far < 4 ? far : (2 + far % 2) << more) + bits(more);
      if (distance > out_.size()) throw std::runtime_error("distance");
      for (; length > 0; --length) out_.push_back(out_[out_.size() - distance]);
    }
  }

  std::span<const std::uint8_t> stream_;
  std::size_t at_ = 0;
  std::vector<std::uint8_t> out_{};
};

inline std::vector<std::uint8_t> inflate(std::span<const std::uint8_t> stream) { return Inflater(stream).all(); }

inline std::vector<std::uint8_t> inflate_beginning(std::span<const std::uint8_t> stream) {
  return Inflater(stream).all(false);
}

}  // namespace braggio::testing
