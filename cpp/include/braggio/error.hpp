// What the core says when it refuses: a kind, and what it knows. Few places know the path; else the caller adds it.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace braggio {

enum class Fault { format, truncated, unsupported, limit, unsafe, output };

class Error : public std::exception {
 public:
  Error(Fault fault, std::string field, std::string expected, std::string found,
        std::optional<std::uint64_t> offset = std::nullopt, std::string path = {})
      : fault(fault),
        field(std::move(field)),
        expected(std::move(expected)),
        found(std::move(found)),
        offset(offset),
        path(std::move(path)),
        text_(this->field + ": expected " + this->expected + ", found " + this->found) {}

  const char* what() const noexcept override { return text_.c_str(); }

  Fault fault;
  std::string field;
  std::string expected;
  std::string found;
  std::optional<std::uint64_t> offset;  // byte in the input where `found` stands
  std::string path;                     // empty where it is not known

 private:
  std::string text_;
};

// A system call that failed: errno and the path it was about.
class SystemError : public std::exception {
 public:
  SystemError(int number, std::string path, bool output) : number(number), path(std::move(path)), output(output) {}

  const char* what() const noexcept override { return path.c_str(); }

  int number;
  std::string path;
  bool output;  // true where the failure lost an output, false where an input could not be read
};

}  // namespace braggio
