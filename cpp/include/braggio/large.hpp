// Memory of large arrays, in pages of 2 MiB where the system has them: the first touch of small pages costs 15x warm
// memory, and going through several arrays at once is slower in them by a quarter (bench_matching).
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <limits>
#include <new>
#include <vector>

namespace braggio {

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

}  // namespace braggio
