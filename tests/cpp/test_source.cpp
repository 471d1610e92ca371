// Protects: bytes come from where they were asked for or not at all, and a file descriptor is closed exactly once.
#include "braggio/source.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "folder.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

std::string text_at(const Source& source, std::uint64_t offset, std::size_t count) {
  std::string text(count, '?');
  source.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

void check_reads(const Source& source) {
  CHECK(source.size() == 10);
  CHECK(text_at(source, 0, 10) == "0123456789");
  CHECK(text_at(source, 3, 4) == "3456");
  CHECK(text_at(source, 10, 0).empty());
  for (const auto& [offset, count] :
       {std::pair<std::uint64_t, std::size_t>{0, 11}, {9, 2}, {10, 1}, {11, 0}, {most, 1}, {most - 1, 8}}) {
    const auto error = refusal([&, offset = offset, count = count] { text_at(source, offset, count); });
    REQUIRE(error);
    CHECK(error->fault == Fault::truncated);
    CHECK(error->offset == std::min<std::uint64_t>(offset, 10));
  }
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

}  // namespace

TEST_CASE("a file and memory give the same bytes and the same refusals") {
  const Folder folder;
  folder.put("digits", "0123456789");
  const Source file = Source::open(folder.file("digits"));
  CHECK(!file.in_memory());
  CHECK(file.available() == 10);
  check_reads(file);

  const std::string digits = "0123456789";
  const Source memory = Source::over(std::as_bytes(std::span(digits)));
  CHECK(memory.in_memory());
  check_reads(memory);
  CHECK(memory.view(2, 3).data() == std::as_bytes(std::span(digits)).data() + 2);
  CHECK(refuses(Fault::truncated, [&] { memory.view(8, 3); }));
}

TEST_CASE("the beginning of something larger knows the whole size, and gives what is there") {
  const std::string digits = "0123456789";
  const Source source = Source::over(std::as_bytes(std::span(digits)), 100);
  CHECK(source.size() == 100);
  CHECK(source.available() == 10);
  CHECK(text_at(source, 3, 4) == "3456");
  CHECK(refuses(Fault::truncated, [&] { text_at(source, 9, 2); }));
}

TEST_CASE("an empty file is a source of no bytes") {
  const Folder folder;
  folder.put("empty", "");
  CHECK(Source::open(folder.file("empty")).size() == 0);
  CHECK(Source::over({}).size() == 0);
}

TEST_CASE("what is not a regular file is refused, without waiting for it") {
  const Folder folder;
  const auto missing = system_refusal([&] { Source::open(folder.file("missing")); });
  REQUIRE(missing);
  CHECK(missing->number == ENOENT);
  CHECK(missing->path == folder.file("missing"));
  CHECK(!missing->output);
  const auto directory = system_refusal([&] { Source::open(folder.file(".")); });
  REQUIRE(directory);
  CHECK(directory->number == EISDIR);
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK(refuses(Fault::format, [&] { Source::open(folder.file("pipe")); }));
  CHECK(refuses(Fault::format, [] { Source::open("/dev/null"); }));
}

TEST_CASE("a file that is cut while it is read is truncated, not zeros") {
  const Folder folder;
  folder.put("digits", "0123456789");
  const Source source = Source::open(folder.file("digits"));
  std::filesystem::resize_file(folder.file("digits"), 4);
  CHECK(text_at(source, 0, 4) == "0123");
  const auto error = refusal([&] { text_at(source, 2, 6); });
  REQUIRE(error);
  CHECK(error->fault == Fault::truncated);
  CHECK(error->found == "an end at byte 4");
}

TEST_CASE("a file that is deleted or replaced is still the one that was opened") {
  const Folder folder;
  folder.put("digits", "0123456789");
  const Source source = Source::open(folder.file("digits"));
  std::filesystem::remove(folder.file("digits"));
  folder.put("digits", "abcdefghij");
  CHECK(text_at(source, 0, 10) == "0123456789");
}

TEST_CASE("a descriptor has one owner") {
  const Folder folder;
  folder.put("one", "1");
  const int fd = ::open(folder.file("one").c_str(), O_RDONLY);
  {
    Descriptor first(fd);
    Descriptor second(std::move(first));
    CHECK(!first.open());
    CHECK(second.get() == fd);
    Descriptor third;
    third = std::move(second);
    CHECK(third.get() == fd);
    CHECK(is_open(fd));
  }
  CHECK(!is_open(fd));

  const int released = ::open(folder.file("one").c_str(), O_RDONLY);
  {
    CHECK(Descriptor(released).release() == released);
  }
  CHECK(is_open(released));
  ::close(released);
}
