// Protects: a file appears whole or not at all, what was there before survives every failure, and nothing is left
// behind.
#include "braggio/publish.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include "folder.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

using Names = std::vector<std::string>;

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// No file of this process may grow beyond `size`: write() then fails as it does on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t size) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{size, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

}  // namespace

TEST_CASE("nothing stands under the name until it is published") {
  const Folder folder;
  PartFile part(folder.file("out.img"));
  part.write(5, bytes_of("world"));
  part.write(0, bytes_of("hello"));
  CHECK(folder.content("out.img").empty());
  CHECK(folder.names().size() == 1);  // the part file
  part.publish(false, false);
  CHECK(folder.content("out.img") == "helloworld");
  CHECK(folder.names() == Names{"out.img"});
}

TEST_CASE("a durable file is published just the same") {
  const Folder folder;
  PartFile part(folder.file("out.img"));
  part.write(0, bytes_of("hello"));
  part.publish(false, true);
  CHECK(folder.content("out.img") == "hello");
}

TEST_CASE("an empty file can be published") {
  const Folder folder;
  PartFile(folder.file("empty")).publish(false, false);
  CHECK(folder.names() == Names{"empty"});
}

TEST_CASE("a target that exists is kept unless overwriting is asked for") {
  const Folder folder;
  folder.put("out.img", "before");
  {
    PartFile part(folder.file("out.img"));
    part.write(0, bytes_of("after"));
    const auto error = system_refusal([&] { part.publish(false, false); });
    REQUIRE(error);
    CHECK(error->number == EEXIST);
    CHECK(error->output);
    CHECK(error->path == folder.file("out.img"));
    CHECK(folder.content("out.img") == "before");
    CHECK(folder.names() == Names{"out.img"});
  }
  PartFile part(folder.file("out.img"));
  part.write(0, bytes_of("after"));
  part.publish(true, false);
  CHECK(folder.content("out.img") == "after");
  CHECK(folder.names() == Names{"out.img"});
}

TEST_CASE("a part file that is discarded or forgotten goes") {
  const Folder folder;
  folder.put("out.img", "before");
  PartFile discarded(folder.file("out.img"));
  discarded.write(0, bytes_of("after"));
  discarded.discard();
  discarded.discard();
  CHECK(folder.names() == Names{"out.img"});
  {
    PartFile(folder.file("out.img")).write(0, bytes_of("after"));
  }
  CHECK(folder.names() == Names{"out.img"});
  CHECK(folder.content("out.img") == "before");
}

TEST_CASE("after it was published or discarded a part file takes nothing more, and the target stays") {
  const Folder folder;
  PartFile part(folder.file("out.img"));
  part.write(0, bytes_of("hello"));
  part.publish(false, false);
  part.discard();
  CHECK(folder.content("out.img") == "hello");
  for (const auto& error :
       {system_refusal([&] { part.write(0, bytes_of("more")); }), system_refusal([&] { part.reserve(10); }),
        system_refusal([&] { part.publish(true, false); })}) {
    REQUIRE(error);
    CHECK(error->number == EBADF);
  }
  CHECK(folder.content("out.img") == "hello");
}

TEST_CASE("a part file that is moved has one owner") {
  const Folder folder;
  PartFile first(folder.file("out.img"));
  first.write(0, bytes_of("hello"));
  {
    PartFile second(std::move(first));
    second.write(5, bytes_of("!"));
    first.discard();
    CHECK(folder.names().size() == 1);
    second.publish(false, false);
  }
  CHECK(folder.content("out.img") == "hello!");
}

TEST_CASE("two writers of one target do not meet") {
  const Folder folder;
  PartFile one(folder.file("out.img")), two(folder.file("out.img"));
  CHECK(one.part() != two.part());
  one.write(0, bytes_of("one"));
  two.write(0, bytes_of("two"));
  one.publish(false, false);
  CHECK(system_refusal([&] { two.publish(false, false); }));
  CHECK(folder.content("out.img") == "one");
  CHECK(folder.names() == Names{"out.img"});
}

TEST_CASE("reserved space is not part of the file") {
  const Folder folder;
  PartFile part(folder.file("out.img"));
  part.reserve(100000);
  part.reserve(0);
  part.write(0, bytes_of("short"));
  part.publish(false, false);
  CHECK(folder.content("out.img") == "short");
}

TEST_CASE("space that there can never be is refused before the work") {
  const Folder folder;
  PartFile part(folder.file("out.img"));
  const auto error = system_refusal([&] { part.reserve(std::uint64_t{1} << 62); });
  REQUIRE(error);
  CHECK((error->number == EFBIG || error->number == ENOSPC));
  CHECK(error->output);
}

TEST_CASE("a disk that takes no more loses the new file only") {
  const Folder folder;
  folder.put("out.img", "before");
  const std::string long_text(100000, 'x');
  {
    const FileSizeLimit limit(50000);
    PartFile part(folder.file("out.img"));
    const auto write =
        system_refusal([&] { part.write(0, bytes_of(long_text)); });  // first a short write, then the error
    REQUIRE(write);
    CHECK(write->number == EFBIG);
    CHECK(write->path == folder.file("out.img"));
    // 50000 bytes were written before the refusal: the size check does not let them pass for the whole.
    CHECK(system_refusal([&] { part.publish(true, false); }));
  }
  CHECK(folder.content("out.img") == "before");
  CHECK(folder.names() == Names{"out.img"});
}

TEST_CASE("names about the limit of the file system") {
  const Folder folder;
  const std::string longest(NAME_MAX, 'n');
  PartFile part(folder.file(longest));
  part.write(0, bytes_of("hello"));
  part.publish(false, false);
  CHECK(folder.names() == Names{longest});

  const std::string too_long(NAME_MAX + 1, 'n');
  const auto error = system_refusal([&] { PartFile(folder.file(too_long)).publish(false, false); });
  REQUIRE(error);
  CHECK(error->number == ENAMETOOLONG);
  CHECK(folder.names() == Names{longest});
}

TEST_CASE("a target that cannot be is refused with its own name") {
  const Folder folder;
  const auto missing = system_refusal([&] { PartFile(folder.file("none/out.img")); });
  REQUIRE(missing);
  CHECK(missing->number == ENOENT);
  CHECK(missing->path == folder.file("none/out.img"));
  std::filesystem::create_directory(folder.file("inside"));
  const auto directory = system_refusal([&] { PartFile(folder.file("inside")); });
  REQUIRE(directory);
  CHECK(directory->number == EISDIR);
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  const auto pipe = system_refusal([&] { PartFile(folder.file("pipe")); });
  REQUIRE(pipe);
  CHECK(pipe->number == EINVAL);
  CHECK(folder.names() == Names{"inside", "pipe"});
}
