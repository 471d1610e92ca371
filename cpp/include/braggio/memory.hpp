// Memory that is cheap to touch: the first touch of fresh pages costs 15x warm memory. Arrays that live long and are
// gone through together lie in pages of 2 MiB where the system has them (in small ones that is slower by a quarter:
// bench_matching). What is needed for a frame is kept for the next one, or at least left as the heap last had it: fresh
// large pages for the 6 MB of a CBF section made decoding it half as slow again.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <array>
#include <cstddef>
#include <limits>
#include <new>
#include <vector>

#include "braggio/bytes.hpp"

namespace braggio {

// Begins at a large page, small arrays at a cache line.
template <class T>
struct LargePages {
  using value_type = T;

  LargePages() = default;
  template <class U>
  LargePages(const LargePages<U>&) {}

  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    const std::size_t bytes = count * sizeof(T);
    void* memory = ::operator new(bytes, alignment(bytes));
#if defined(__linux__)
    if (bytes >= page_bytes) madvise(memory, bytes / page_bytes * page_bytes, MADV_HUGEPAGE);  // a wish, no more
#endif
    return static_cast<T*>(memory);
  }

  void deallocate(T* memory, std::size_t count) { ::operator delete(memory, alignment(count * sizeof(T))); }

  bool operator==(const LargePages&) const { return true; }

 private:
  static constexpr std::size_t page_bytes = std::size_t{2} << 20, line_bytes = 64;

  static std::align_val_t alignment(std::size_t bytes) {
    return std::align_val_t{bytes < page_bytes ? line_bytes : page_bytes};
  }
};

template <class T>
using LargeVector = std::vector<T, LargePages<T>>;

// Bytes that nobody has written to, for what is read or decoded into them; one that lives on is the same warm memory
// until it has to grow. Begins at a page: some processors copy into a target that lies a few bytes further along its
// cache line than the source at a third of the speed (reading from the page cache 2.1 against 0.75 ns/px of int32 on an
// EPYC with AVX2).
class Buffer {
 public:
  // The first `size` bytes. What they hold is lost when the buffer has to grow.
  MutableBytes first(std::size_t size) {
    const std::size_t pages = size / sizeof(Page) + (size % sizeof(Page) != 0 ? 1 : 0);
    if (pages > pages_.size()) {
      std::vector<Page>().swap(pages_);  // first of all, so that both are never there
      pages_ = std::vector<Page>(pages);
    }
    return {reinterpret_cast<std::byte*>(pages_.data()), size};
  }

 private:
  struct alignas(4096) Page {
    Page() {}  // leaves them as they are
    std::array<std::byte, 4096> bytes;
  };

  std::vector<Page> pages_{};
};

}  // namespace braggio
