// Where bytes come from: a regular file read with pread, or memory that somebody else owns.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"

namespace braggio {

// An open file descriptor with one owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

class Source {
 public:
  // O_NONBLOCK: a FIFO must not hang the open; it has no effect on regular files.
  static Source open(const std::string& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status{};
    if (!file.open() || ::fstat(file.get(), &status) != 0) throw SystemError(errno, path, false);
    if (S_ISDIR(status.st_mode)) throw SystemError(EISDIR, path, false);
    if (!S_ISREG(status.st_mode)) throw Error(Fault::format, "file", "a regular file", "a pipe, socket or device");
    return Source(std::move(file), {}, static_cast<std::uint64_t>(status.st_size), path);
  }

  // The memory must outlive the source.
  static Source over(Bytes memory) { return over(memory, memory.size()); }

  // The beginning of something of `size` bytes: enough to parse a header with; the rest cannot be read.
  static Source over(Bytes memory, std::uint64_t size) { return Source(Descriptor(), memory, size, ""); }

  std::uint64_t size() const { return size_; }
  std::uint64_t available() const { return in_memory() ? memory_.size() : size_; }
  bool in_memory() const { return !file_.open(); }

  // Fill `target` from byte `offset` on; TruncatedError when the source ends (or has been cut) before that.
  void read(std::uint64_t offset, MutableBytes target) const {
    if (in_memory()) {
      const Bytes bytes = view(offset, target.size());
      if (!target.empty()) std::memcpy(target.data(), bytes.data(), target.size());
      return;
    }
    require(offset, target.size(), size_, path_);
    std::size_t done = 0;
    while (done < target.size()) {
      const ssize_t n =
          ::pread(file_.get(), target.data() + done, target.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw SystemError(errno, path_, false);
      if (n == 0)
        throw Error(Fault::truncated, "file size", std::to_string(size_) + " bytes",
                    "an end at byte " + std::to_string(offset + done), std::nullopt, path_);
      done += static_cast<std::size_t>(n);
    }
  }

  // The bytes themselves, only for a source in memory.
  Bytes view(std::uint64_t offset, std::uint64_t count) const {
    require(offset, count, memory_.size(), path_);
    return memory_.subspan(offset, count);
  }

 private:
  Source(Descriptor file, Bytes memory, std::uint64_t size, std::string path)
      : file_(std::move(file)), memory_(memory), size_(size), path_(std::move(path)) {}

  static void require(std::uint64_t offset, std::uint64_t count, std::uint64_t size, const std::string& path) {
    if (offset > size || size - offset < count)
      throw Error(Fault::truncated, "file size", std::to_string(offset) + " + " + std::to_string(count) + " bytes",
                  std::to_string(size) + " bytes", std::min(offset, size), path);
  }

  Descriptor file_;
  Bytes memory_;
  std::uint64_t size_;
  std::string path_;
};

}  // namespace braggio
