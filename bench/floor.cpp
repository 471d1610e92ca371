// The system calls of a conversion and nothing else: what is left of its time when the arithmetic costs nothing.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

namespace {

constexpr long block = 1 << 18;  // braggio's: block_bytes of pixels.hpp

// Aligned to pages: a target a few bytes along its cache line costs up to 3x in the kernel's copy.
template <long size>
struct alignas(4096) Aligned {
  char bytes[size] = {1};
};

struct Buffers {
  std::unique_ptr<Aligned<block>> input = std::make_unique<Aligned<block>>();
  std::unique_ptr<Aligned<2 * block>> output = std::make_unique<Aligned<2 * block>>();
};

// fn(file, buffers) for every file, in `threads` threads; false when one failed.
template <class Fn>
bool for_files(int count, int threads, Fn fn) {
  std::atomic<int> next = 0;
  std::atomic<bool> good = true;
  const auto work = [&] {
    Buffers buffers;
    for (int file = next++; file < count; file = next++)
      if (!fn(file, buffers)) good = false;
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  return good;
}

// fn(bytes) for every block read from byte `first` on; false when a call failed.
template <class Fn>
bool for_blocks(int file, long first, Buffers& buffers, Fn fn) {
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0 || pread(file, buffers.input->bytes, first, 0) != first) return false;
  for (long at = first; at < status.st_size; at += block) {
    const long size = std::min<long>(block, status.st_size - at);
    if (pread(file, buffers.input->bytes, size, at) != size || !fn(size)) return false;
  }
  return true;
}

}  // namespace

extern "C" {

// Every file read once.
bool read_files(int count, const char* const* inputs, long first, int threads) {
  return for_files(count, threads, [&](int i, Buffers& buffers) {
    const int file = open(inputs[i], O_RDONLY | O_CLOEXEC);
    const bool good = for_blocks(file, first, buffers, [](long) { return true; });
    close(file);
    return good;
  });
}

// Every file read once, and `out_bytes` written for every `in_bytes`, after `header` bytes, to a new name that is
// renamed.
bool convert_files(int count, const char* const* inputs, const char* const* parts, const char* const* outputs,
                   long first, long header, long in_bytes, long out_bytes, int threads) {
  return for_files(count, threads, [&](int i, Buffers& buffers) {
    const int file = open(inputs[i], O_RDONLY | O_CLOEXEC);
    const int part = open(parts[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    long end = pwrite(part, buffers.output->bytes, header, 0);
    bool good = end == header && for_blocks(file, first, buffers, [&](long size) {
                  const long written = pwrite(part, buffers.output->bytes, size * out_bytes / in_bytes, end);
                  end += written;
                  return written == size * out_bytes / in_bytes;
                });
    close(file);
    good = close(part) == 0 && good;
    return rename(parts[i], outputs[i]) == 0 && good;
  });
}
}
