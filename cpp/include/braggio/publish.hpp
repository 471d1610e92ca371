// A file appears under its name whole, or not at all.
//
// A part file with a name unique over processes and hosts is created beside the target, written, checked and renamed.
// A crash leaves at most a ".part" file; a previous version of the target survives everything but the final rename.
#pragma once

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"
#include "braggio/source.hpp"

namespace braggio {

// Where a file is made before it gets its name, in the same folder. The process id alone is not unique over the nodes
// of a cluster; host, process and 64 random bits are.
inline std::string part_name(const std::string& target) {
  const auto slash = target.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : target.substr(0, slash + 1);
  std::string name = slash == std::string::npos ? target : target.substr(slash + 1);
  std::array<char, 65> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  // Not std::random_device, which asks the processor what it can: 28 us each time in a virtual machine.
  std::uint64_t nonce = 0;
  while (::getrandom(&nonce, sizeof nonce, 0) < 0 && errno == EINTR) continue;
  std::array<char, 17> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(nonce));
  const std::string tail =
      "." + std::string(host.data()).substr(0, 32) + "." + std::to_string(::getpid()) + "." + hex.data() + ".part";
  if (name.size() + tail.size() + 1 > NAME_MAX) name.resize(NAME_MAX - tail.size() - 1);
  return folder + "." + name + tail;
}

class PartFile {
 public:
  explicit PartFile(std::string target) : target_(std::move(target)), part_(part_name(target_)) {
    require_file_or_nothing();
    file_ = Descriptor(::open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file_.open()) throw SystemError(errno, target_, true);
  }
  PartFile(PartFile&& other) noexcept
      : target_(std::move(other.target_)),
        part_(std::exchange(other.part_, {})),
        file_(std::move(other.file_)),
        end_(other.end_) {}
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile() { discard(); }

  const std::string& target() const { return target_; }
  const std::string& part() const { return part_; }

  // Ask the file system for `size` bytes now, so that a full disk is known before the work is done. Not on tmpfs, which
  // would make every page twice (4 % of a TIA to SMV conversion, bench_microed).
  void reserve(std::uint64_t size) {
    require_open();
    struct statfs system{};
    if (::fstatfs(file_.get(), &system) != 0 || system.f_type == TMPFS_MAGIC) return;
    while (size > 0 && ::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0) {
      if (errno == EINTR) continue;
      if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) throw SystemError(errno, target_, true);
      return;  // the file system cannot reserve: the writes will tell
    }
  }

  void write(std::uint64_t offset, Bytes bytes) {
    require_open();
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n =
          ::pwrite(file_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw SystemError(n < 0 ? errno : EIO, target_, true);
      done += static_cast<std::size_t>(n);
    }
    end_ = std::max(end_, offset + bytes.size());
  }

  // Close, check the size, rename. With `overwrite` false an existing target is an error and stays as it is.
  void publish(bool overwrite, bool durable) {
    require_open();
    struct stat status{};
    if (::fstat(file_.get(), &status) != 0) fail(errno);
    if (static_cast<std::uint64_t>(status.st_size) != end_) fail(EIO);
    if (durable && ::fsync(file_.get()) != 0) fail(errno);
    if (::close(file_.release()) != 0) fail(errno);
    rename_part(overwrite);
    part_.clear();
    if (durable) sync_folder();
  }

  void discard() noexcept {
    if (part_.empty()) return;
    file_ = Descriptor();
    ::unlink(part_.c_str());
    part_.clear();
  }

 private:
  [[noreturn]] void fail(int number) {
    discard();
    throw SystemError(number, target_, true);
  }

  // A rename would replace a pipe or a device without a word.
  void require_file_or_nothing() const {
    struct stat status{};
    if (::stat(target_.c_str(), &status) != 0 || S_ISREG(status.st_mode)) return;
    throw SystemError(S_ISDIR(status.st_mode) ? EISDIR : EINVAL, target_, true);
  }

  void require_open() const {
    if (!file_.open()) throw SystemError(EBADF, target_, true);
  }

  void rename_part(bool overwrite) {
    if (overwrite) {
      if (::rename(part_.c_str(), target_.c_str()) != 0) fail(errno);
      return;
    }
    if (::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno != EINVAL && errno != ENOSYS) fail(errno);
    // File systems without RENAME_NOREPLACE (NFS): a hard link refuses an existing name just as well.
    if (::link(part_.c_str(), target_.c_str()) != 0) fail(errno);
    ::unlink(part_.c_str());
  }

  void sync_folder() {
    const Descriptor folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.open() || ::fsync(folder.get()) != 0) throw SystemError(errno, target_, true);
  }

  static std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
  }

  std::string target_;
  std::string part_;
  Descriptor file_;
  std::uint64_t end_ = 0;
};

}  // namespace braggio
