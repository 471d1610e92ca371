// Bytes to numbers: byte order, bounds and overflow, each in one place.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "braggio/error.hpp"

namespace braggio {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big);

enum class ByteOrder { little, big };

inline constexpr ByteOrder native_order =
    std::endian::native == std::endian::little ? ByteOrder::little : ByteOrder::big;

// a * b, or a LimitError when 64 bits do not hold it: header numbers go through here before they are used.
inline std::uint64_t checked_product(std::uint64_t a, std::uint64_t b, std::string_view field) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product))
    throw Error(Fault::limit, std::string(field), "a size below 2^64", std::to_string(a) + " x " + std::to_string(b));
  return product;
}

inline std::uint64_t checked_sum(std::uint64_t a, std::uint64_t b, std::string_view field) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum))
    throw Error(Fault::limit, std::string(field), "a size below 2^64", std::to_string(a) + " + " + std::to_string(b));
  return sum;
}

template <class T>
  requires std::is_trivially_copyable_v<T>
T byte_swapped(T value) {
  auto raw = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
  std::reverse(raw.begin(), raw.end());
  return std::bit_cast<T>(raw);
}

// The T at byte `offset`; TruncatedError when the bytes end before it does.
template <class T>
T load(Bytes bytes, std::uint64_t offset, ByteOrder order, std::string_view field) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T))
    throw Error(Fault::truncated, std::string(field),
                std::to_string(sizeof(T)) + " bytes at byte " + std::to_string(offset),
                std::to_string(bytes.size()) + " bytes in all", offset);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return order == native_order ? value : byte_swapped(value);
}

template <std::unsigned_integral Word>
void swap_words(std::byte* data, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, data + i * sizeof(Word), sizeof(Word));
    if constexpr (sizeof(Word) == 2) word = static_cast<Word>(__builtin_bswap16(word));
    if constexpr (sizeof(Word) == 4) word = __builtin_bswap32(word);
    if constexpr (sizeof(Word) == 8) word = __builtin_bswap64(word);
    std::memcpy(data + i * sizeof(Word), &word, sizeof(Word));
  }
}

// Reverse the bytes of every `word_size`-byte word in place; a trailing part of a word is left alone.
inline void swap_in_place(MutableBytes bytes, std::size_t word_size) {
  const std::size_t count = bytes.size() / word_size;
  if (word_size == 2) swap_words<std::uint16_t>(bytes.data(), count);
  if (word_size == 4) swap_words<std::uint32_t>(bytes.data(), count);
  if (word_size == 8) swap_words<std::uint64_t>(bytes.data(), count);
}

}  // namespace braggio
