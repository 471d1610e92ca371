// Keys of the values of sixty-four pixels side by side, and their order statistics by bitwise descent: how many keys
// lie below a candidate decides one bit.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "braggio/cpu.hpp"

namespace braggio {

inline constexpr std::size_t lanes = 64;

// Keys of one kind for a tile, row after row, and vectors of them of so many bytes. Keys are signed: SSE2 and AVX2
// compare nothing else.
template <class K, std::size_t vector_bytes = 32>
struct Keys {
  using Unsigned = std::make_unsigned_t<K>;
  typedef K Vector __attribute__((vector_size(vector_bytes)));
  typedef Unsigned Counts __attribute__((vector_size(vector_bytes)));
  static constexpr std::size_t width = vector_bytes / sizeof(K);
  static constexpr std::size_t groups = lanes / width;
  static constexpr K zero = std::numeric_limits<K>::min();
  static constexpr K top = std::numeric_limits<K>::max();
  // So many frames can be counted in numbers of this size.
  static constexpr std::size_t most_frames = std::numeric_limits<Unsigned>::max();
};

// Key values from 0: of the greatest one kept, and those at and above the first and the third quartile.
struct Orders {
  std::uint32_t last[lanes], first_quartile[lanes], after_first[lanes], third_quartile[lanes], after_third[lanes];
};

// By value: g++ does not vectorise loops over std::min, which takes references.
template <class T>
BRAGGIO_INLINE T lesser(T a, T b) {
  return b < a ? b : a;
}

// A number in the order of the values; differences count, modulo 2^32.
template <class T>
BRAGGIO_INLINE std::uint32_t rank_of(T value) {
  if constexpr (std::is_same_v<T, float>) {
    const auto bits = std::bit_cast<std::int32_t>(value + 0.0f);  // -0 is 0
    return static_cast<std::uint32_t>(bits ^ ((bits >> 31) & 0x7fffffff));
  } else {
    return static_cast<std::uint32_t>(value);
  }
}

// The value `above` ranks higher than `low`, as its difference from low.
template <class T>
BRAGGIO_INLINE double offset_of(T low, std::uint32_t above) {
  if constexpr (std::is_same_v<T, float>) {
    const auto bits = static_cast<std::int32_t>(rank_of(low) + above);
    return static_cast<double>(std::bit_cast<float>(bits ^ ((bits >> 31) & 0x7fffffff))) - static_cast<double>(low);
  } else {
    return static_cast<double>(above);
  }
}

// keys = min(rank above the lowest, what a key holds).
template <class K, class T>
BRAGGIO_INLINE void load_keys(const T* tile, std::size_t frames, const T* low, K* keys) {
  using Unsigned = typename Keys<K>::Unsigned;
  // Pixels of 16 bits need no clamp, and no wider arithmetic.
  using Rank = std::conditional_t<sizeof(T) <= sizeof(K), Unsigned, std::uint32_t>;
  Rank base[lanes];
  for (std::size_t i = 0; i < lanes; ++i) base[i] = static_cast<Rank>(rank_of(low[i]));
  for (std::size_t t = 0; t < frames; ++t)
    for (std::size_t i = 0; i < lanes; ++i) {
      auto above = static_cast<Rank>(static_cast<Rank>(rank_of(tile[t * lanes + i])) - base[i]);
      if constexpr (sizeof(Rank) > sizeof(K)) above = lesser<Rank>(above, std::numeric_limits<Unsigned>::max());
      keys[t * lanes + i] = static_cast<K>(static_cast<Unsigned>(above) ^ static_cast<Unsigned>(Keys<K>::zero));
    }
}

// 8-bit keys of 16-bit ones.
BRAGGIO_INLINE void narrow_keys(const std::int16_t* wide, std::size_t frames, std::int8_t* keys) {
  constexpr auto limit = static_cast<std::int16_t>(Keys<std::int16_t>::zero + 255);
  for (std::size_t i = 0; i < frames * lanes; ++i)
    keys[i] = static_cast<std::int8_t>(lesser(wide[i], limit) - Keys<std::int16_t>::zero + Keys<std::int8_t>::zero);
}

// Whether every lane has `kept` keys below 2^bits.
template <std::size_t vector_bytes, class K>
BRAGGIO_INLINE bool enough_below(const K* keys, std::size_t frames, std::size_t kept, unsigned bits) {
  using V = typename Keys<K, vector_bytes>::Vector;
  using C = typename Keys<K, vector_bytes>::Counts;
  const auto bound = static_cast<typename Keys<K, vector_bytes>::Unsigned>(
      static_cast<typename Keys<K, vector_bytes>::Unsigned>(1) << bits);
  const V limit =
      V{} + static_cast<K>(bound ^ static_cast<typename Keys<K, vector_bytes>::Unsigned>(Keys<K, vector_bytes>::zero));
  for (std::size_t g = 0; g < Keys<K, vector_bytes>::groups; ++g) {
    C counts{};
    for (std::size_t t = 0; t < frames; ++t) {
      V v;
      std::memcpy(&v, keys + t * lanes + g * Keys<K, vector_bytes>::width, sizeof v);
      counts -= reinterpret_cast<C>(v < limit);
    }
    for (std::size_t i = 0; i < Keys<K, vector_bytes>::width; ++i)
      if (counts[i] < kept) return false;
  }
  return true;
}

// Bits that the kept keys of every lane need: spots and hot pixels, which are cut off, do not count. Neighbouring tiles
// need about as many, so the search starts at `guess`.
template <std::size_t vector_bytes, class K>
BRAGGIO_INLINE unsigned key_bits(const K* keys, std::size_t frames, std::size_t kept, unsigned guess) {
  unsigned enough = 8 * sizeof(K), next = std::min(guess, enough - 1);
  int too_few = -1;
  while (static_cast<int>(enough) - too_few > 1) {
    if (enough_below<vector_bytes>(keys, frames, kept, next))
      enough = next--;
    else
      too_few = static_cast<int>(next++);
  }
  return enough;
}

// The key of a rank is the largest one with no more than that many below it. The last try that is refused is the found
// one + 1, so its count is how many keys are not above the found one; without one, all that are kept are.
template <std::size_t vector_bytes, class K>
BRAGGIO_INLINE void find_orders(const K* keys, std::size_t frames, std::size_t kept, unsigned bits, Orders& orders) {
  using U = typename Keys<K, vector_bytes>::Unsigned;
  using V = typename Keys<K, vector_bytes>::Vector;
  using C = typename Keys<K, vector_bytes>::Counts;
  const std::size_t q1 = (kept - 1) / 4, q3 = 3 * (kept - 1) / 4;
  const C rank0 = C{} + static_cast<U>(kept - 1), rank1 = C{} + static_cast<U>(q1), rank3 = C{} + static_cast<U>(q3);
  constexpr auto zero = static_cast<U>(Keys<K, vector_bytes>::zero);
  const V top = V{} + Keys<K, vector_bytes>::top;
  for (std::size_t g = 0; g < Keys<K, vector_bytes>::groups; ++g) {
    const K* column = keys + g * Keys<K, vector_bytes>::width;
    C found0 = reinterpret_cast<C>(V{} + Keys<K, vector_bytes>::zero), found1 = found0, found3 = found0;
    C reach1 = C{} + static_cast<U>(kept), reach3 = reach1;  // keys not above the found one
    for (unsigned bit = bits; bit-- > 0;) {
      const auto weight = static_cast<U>(U{1} << bit);
      const C step = C{} + weight;
      const C try0 = found0 + step, try1 = found1 + step, try3 = found3 + step;
      const V limit0 = reinterpret_cast<V>(try0), limit1 = reinterpret_cast<V>(try1),
              limit3 = reinterpret_cast<V>(try3);
      C count0{}, count1{}, count3{};
      for (std::size_t t = 0; t < frames; ++t) {
        V v;
        std::memcpy(&v, column + t * lanes, sizeof v);
        count0 -= reinterpret_cast<C>(v < limit0);
        count1 -= reinterpret_cast<C>(v < limit1);
        count3 -= reinterpret_cast<C>(v < limit3);
      }
      const C fits0 = reinterpret_cast<C>(count0 <= rank0), fits1 = reinterpret_cast<C>(count1 <= rank1),
              fits3 = reinterpret_cast<C>(count3 <= rank3);
      found0 = (try0 & fits0) | (found0 & ~fits0);
      found1 = (try1 & fits1) | (found1 & ~fits1);
      found3 = (try3 & fits3) | (found3 & ~fits3);
      reach1 = (reach1 & fits1) | (count1 & ~fits1);
      reach3 = (reach3 & fits3) | (count3 & ~fits3);
    }
    // The least key above a quartile, for where no other key equals it.
    const V at1 = reinterpret_cast<V>(found1), at3 = reinterpret_cast<V>(found3);
    V after1 = top, after3 = top;
    for (std::size_t t = 0; t < frames; ++t) {
      V v;
      std::memcpy(&v, column + t * lanes, sizeof v);
      const V more1 = (v > at1) & (v < after1), more3 = (v > at3) & (v < after3);
      after1 = (v & more1) | (after1 & ~more1);
      after3 = (v & more3) | (after3 & ~more3);
    }
    for (std::size_t i = 0; i < Keys<K, vector_bytes>::width; ++i) {
      const std::size_t lane = g * Keys<K, vector_bytes>::width + i;
      orders.last[lane] = static_cast<U>(found0[i] ^ zero);
      orders.first_quartile[lane] = static_cast<U>(found1[i] ^ zero);
      orders.third_quartile[lane] = static_cast<U>(found3[i] ^ zero);
      orders.after_first[lane] =
          reach1[i] > q1 + 1 ? orders.first_quartile[lane] : static_cast<U>(static_cast<U>(after1[i]) ^ zero);
      orders.after_third[lane] =
          reach3[i] > q3 + 1 ? orders.third_quartile[lane] : static_cast<U>(static_cast<U>(after3[i]) ^ zero);
    }
  }
}

// Sums of min(key, last) and of its square, in numbers of type Sum.
template <class Sum, class K>
BRAGGIO_INLINE void sum_keys(const K* keys, std::size_t frames, const std::uint32_t* last, Sum* sums, Sum* squares) {
  using U = typename Keys<K>::Unsigned;
  K limit[lanes];
  for (std::size_t i = 0; i < lanes; ++i)
    limit[i] = static_cast<K>(static_cast<U>(last[i]) ^ static_cast<U>(Keys<K>::zero));
  for (std::size_t i = 0; i < lanes; ++i) sums[i] = squares[i] = 0;
  for (std::size_t t = 0; t < frames; ++t)
    for (std::size_t i = 0; i < lanes; ++i) {
      const K key = lesser(keys[t * lanes + i], limit[i]);
      const auto value = static_cast<Sum>(static_cast<U>(static_cast<U>(key) ^ static_cast<U>(Keys<K>::zero)));
      sums[i] += value;
      squares[i] += value * value;
    }
}

__extension__ typedef unsigned __int128 WideCount;

}  // namespace braggio
