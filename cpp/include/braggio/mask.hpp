// Masks as packed bits: threshold, erosion, dilation and union at 64 pixels per word.
//
// Pixel x of a row is bit x % 64 of word x / 64. A zero word lies between rows and a zero row above and below, so that
// every neighbour of a pixel can be read without asking where the frame ends: outside the frame is background, as
// scipy.ndimage has it with border_value=0.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/cpu.hpp"
#include "braggio/error.hpp"
#include "braggio/layout.hpp"

namespace braggio {

// The 3 x 3 structures of scipy.ndimage.generate_binary_structure(2, c): c = 1 is the cross, c = 2 the square.
enum class Structure : int { cross = 1, square = 2 };

inline constexpr std::size_t word_bits = 64;

class BitMask {
 public:
  BitMask(std::size_t height, std::size_t width)
      : height_(height), width_(width), words_((width + word_bits - 1) / word_bits) {
    if (checked_product(height, width, "mask size") > max_frame_pixels)
      throw Error(Fault::limit, "mask size", "at most 2^31 pixels",
                  std::to_string(height) + " x " + std::to_string(width));
    bits_.resize((height_ + 2) * stride() + 1);
  }

  std::size_t height() const { return height_; }
  std::size_t width() const { return width_; }
  std::size_t words() const { return words_; }
  std::size_t stride() const { return words_ + 1; }
  std::uint64_t* row(std::size_t y) { return bits_.data() + (y + 1) * stride() + 1; }
  const std::uint64_t* row(std::size_t y) const { return bits_.data() + (y + 1) * stride() + 1; }
  // The rows and the zero words between them, as one piece.
  std::size_t extent() const { return height_ * stride(); }

  // The bits of the last word of a row that are pixels.
  std::uint64_t tail() const {
    const std::size_t used = width_ % word_bits;
    return used == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << used) - 1;
  }

  // Erosions and dilations go through two more buffers of the same layout, kept from one to the next: fresh memory
  // costs more than they do.
  std::uint64_t* across() { return buffer(across_); }
  std::uint64_t* next() { return buffer(next_); }
  void accept_next() noexcept { bits_.swap(next_); }

  void require_shape(const BitMask& other, const char* field) const {
    if (other.height_ == height_ && other.width_ == width_) return;
    throw Error(Fault::format, field, std::to_string(height_) + " x " + std::to_string(width_),
                std::to_string(other.height_) + " x " + std::to_string(other.width_));
  }

 private:
  std::uint64_t* buffer(std::vector<std::uint64_t>& buffer) {
    buffer.resize(bits_.size());
    return buffer.data() + stride() + 1;
  }

  std::size_t height_;
  std::size_t width_;
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint64_t> across_{};
  std::vector<std::uint64_t> next_{};
};

// 64 bytes of 0 or 255 into the bits of a word.
BRAGGIO_INLINE std::uint64_t gather_bits(const std::uint8_t* flags) {
  std::uint64_t word = 0;
#if defined(__SSE2__)
  for (unsigned i = 0; i < 4; ++i) {
    const __m128i sixteen = _mm_load_si128(reinterpret_cast<const __m128i*>(flags + 16 * i));
    word |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(sixteen))) << (16 * i);
  }
#else
  // The multiplication gathers the low bits of eight bytes in the top byte.
  for (unsigned i = 0; i < 8; ++i) {
    std::uint64_t eight;
    std::memcpy(&eight, flags + 8 * i, sizeof eight);
    if constexpr (native_order == ByteOrder::big) eight = __builtin_bswap64(eight);
    word |= (((eight & 0x0101010101010101u) * 0x0102040810204080u) >> 56) << (8 * i);
  }
#endif
  return word;
}

// Bits where flag(i), 0 or 255, holds for pixel i of the row-major frame.
template <class Flag>
BRAGGIO_INLINE void fill_bits(std::uint64_t* bits, std::size_t height, std::size_t width, std::size_t stride,
                              Flag flag) {
  alignas(64) std::uint8_t flags[word_bits];
  const std::size_t full = width / word_bits, rest = width % word_bits;
  for (std::size_t y = 0; y < height; ++y, bits += stride) {
    const std::size_t start = y * width;
    for (std::size_t word = 0; word < full; ++word) {
      for (std::size_t i = 0; i < word_bits; ++i) flags[i] = flag(start + word * word_bits + i);
      bits[word] = gather_bits(flags);
    }
    if (rest == 0) continue;
    std::memset(flags, 0, sizeof flags);
    for (std::size_t i = 0; i < rest; ++i) flags[i] = flag(start + full * word_bits + i);
    bits[full] = gather_bits(flags);
  }
}

template <class T>
struct ThresholdBits {
  BRAGGIO_INLINE int run(const T* frame, const T* threshold, std::uint64_t* bits, std::size_t height, std::size_t width,
                         std::size_t stride) {
    fill_bits(bits, height, width, stride,
              [=](std::size_t i) { return static_cast<std::uint8_t>(-(frame[i] >= threshold[i])); });
    return 0;
  }
};

struct PackBytes {
  BRAGGIO_INLINE int run(const std::uint8_t* mask, std::uint64_t* bits, std::size_t height, std::size_t width,
                         std::size_t stride) {
    fill_bits(bits, height, width, stride, [=](std::size_t i) { return static_cast<std::uint8_t>(-(mask[i] != 0)); });
    return 0;
  }
};

// mask = frame >= threshold, pixel by pixel; NaN is never in the mask.
template <class T>
void threshold(const T* frame, const T* limits, BitMask& mask, Level level) {
  on_level<ThresholdBits<T>>(level, frame, limits, mask.row(0), mask.height(), mask.width(), mask.stride());
}

// mask = bytes != 0.
inline void pack(const std::uint8_t* bytes, BitMask& mask, Level level) {
  on_level<PackBytes>(level, bytes, mask.row(0), mask.height(), mask.width(), mask.stride());
}

// bytes = 0 or 1.
inline void unpack(const BitMask& mask, std::uint8_t* bytes) {
  for (std::size_t y = 0; y < mask.height(); ++y, bytes += mask.width()) {
    const std::uint64_t* row = mask.row(y);
    for (std::size_t x = 0; x < mask.width(); x += word_bits) {
      const std::uint64_t word = row[x / word_bits];
      const std::size_t count = std::min(word_bits, mask.width() - x);
      if (word == 0) {
        std::memset(bytes + x, 0, count);
        continue;
      }
      for (std::size_t i = 0; i < count; ++i) bytes[x + i] = static_cast<std::uint8_t>((word >> i) & 1u);
    }
  }
}

struct And {
  BRAGGIO_INLINE std::uint64_t of(std::uint64_t a, std::uint64_t b) { return a & b; }
};
struct Or {
  BRAGGIO_INLINE std::uint64_t of(std::uint64_t a, std::uint64_t b) { return a | b; }
};

// Each pixel with its left and right neighbours.
template <class Op>
struct Across {
  BRAGGIO_INLINE int run(const std::uint64_t* in, std::uint64_t* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t left = in[i] << 1 | *(in + i - 1) >> 63, right = in[i] >> 1 | in[i + 1] << 63;
      out[i] = Op::of(in[i], Op::of(left, right));
    }
    return 0;
  }
};

// A row with what lies above and below it; `in` may be `out`, the neighbours may not.
template <class Op>
struct Down {
  BRAGGIO_INLINE int run(const std::uint64_t* in, const std::uint64_t* neighbours, std::uint64_t* out,
                         std::size_t stride, std::size_t count) {
    const std::uint64_t *above = neighbours - stride, *below = neighbours + stride;
    for (std::size_t i = 0; i < count; ++i) out[i] = Op::of(in[i], Op::of(above[i], below[i]));
    return 0;
  }
};

template <class Op>
struct Combine {
  BRAGGIO_INLINE int run(const std::uint64_t* in, std::uint64_t* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out[i] = Op::of(out[i], in[i]);
    return 0;
  }
};

// One erosion or dilation.
template <class Op>
void morphology_step(BitMask& mask, Structure structure, Level level) {
  const std::uint64_t* bits = std::as_const(mask).row(0);
  std::uint64_t *across = mask.across(), *next = mask.next();
  // The pads of the rows of `across` may hold spill of the step before; its guard rows stay zero.
  on_level<Across<Op>>(level, bits, across, mask.extent());
  const std::uint64_t* vertical = structure == Structure::square ? across : bits;
  on_level<Down<Op>>(level, static_cast<const std::uint64_t*>(across), vertical, next, mask.stride(), mask.extent());
  // A dilation spills over the right edge, and into the zero words between the rows.
  for (std::size_t y = 0; y < mask.height() && mask.words() > 0; ++y, next += mask.stride()) {
    next[mask.words() - 1] &= mask.tail();
    next[mask.words()] = 0;
  }
  mask.accept_next();
}

template <class Op>
void morphology(BitMask& mask, std::size_t steps, Structure structure, Level level) {
  // After as many steps as the frame is long nothing can change any more.
  for (steps = std::min(steps, mask.height() + mask.width()); steps > 0; --steps)
    morphology_step<Op>(mask, structure, level);
}

// scipy.ndimage.binary_erosion(mask, structure, iterations=steps, border_value=0); none at all for steps = 0.
inline void erode(BitMask& mask, std::size_t steps, Structure structure, Level level) {
  morphology<And>(mask, steps, structure, level);
}

inline void dilate(BitMask& mask, std::size_t steps, Structure structure, Level level) {
  morphology<Or>(mask, steps, structure, level);
}

// mask |= other, and mask &= other.
inline void unite(BitMask& mask, const BitMask& other, Level level) {
  mask.require_shape(other, "mask shape");
  on_level<Combine<Or>>(level, other.row(0), mask.row(0), mask.extent());
}

inline void intersect(BitMask& mask, const BitMask& other, Level level) {
  mask.require_shape(other, "mask shape");
  on_level<Combine<And>>(level, other.row(0), mask.row(0), mask.extent());
}

struct CountBits {
  BRAGGIO_INLINE std::uint64_t run(const std::uint64_t* bits, std::size_t count) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < count; ++i) total += static_cast<std::uint64_t>(std::popcount(bits[i]));
    return total;
  }
};

inline std::uint64_t count(const BitMask& mask, Level level) {
  return on_level<CountBits>(level, mask.row(0), mask.extent());
}

}  // namespace braggio
