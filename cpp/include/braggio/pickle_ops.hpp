// Pickle opcodes as bytes: one step at a time, every length checked against what remains. Nothing is looked up or run.
#pragma once

#include <bit>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"

namespace braggio::pickle {

// What follows an opcode.
enum class Follows { nothing, number, real, bytes, line, two_lines };

struct Opcode {
  unsigned char code;
  std::string_view name;
  Follows follows;
  unsigned width;  // bytes of the number, or of the length before the bytes
};

inline constexpr Opcode opcodes[] = {
    {'(', "MARK", Follows::nothing, 0},
    {'.', "STOP", Follows::nothing, 0},
    {'0', "POP", Follows::nothing, 0},
    {'1', "POP_MARK", Follows::nothing, 0},
    {'2', "DUP", Follows::nothing, 0},
    {'F', "FLOAT", Follows::line, 0},
    {'I', "INT", Follows::line, 0},
    {'J', "BININT", Follows::number, 4},
    {'K', "BININT1", Follows::number, 1},
    {'L', "LONG", Follows::line, 0},
    {'M', "BININT2", Follows::number, 2},
    {'N', "NONE", Follows::nothing, 0},
    {'P', "PERSID", Follows::line, 0},
    {'Q', "BINPERSID", Follows::nothing, 0},
    {'R', "REDUCE", Follows::nothing, 0},
    {'S', "STRING", Follows::line, 0},
    {'T', "BINSTRING", Follows::bytes, 4},
    {'U', "SHORT_BINSTRING", Follows::bytes, 1},
    {'V', "UNICODE", Follows::line, 0},
    {'X', "BINUNICODE", Follows::bytes, 4},
    {'a', "APPEND", Follows::nothing, 0},
    {'b', "BUILD", Follows::nothing, 0},
    {'c', "GLOBAL", Follows::two_lines, 0},
    {'d', "DICT", Follows::nothing, 0},
    {'}', "EMPTY_DICT", Follows::nothing, 0},
    {'e', "APPENDS", Follows::nothing, 0},
    {'g', "GET", Follows::line, 0},
    {'h', "BINGET", Follows::number, 1},
    {'i', "INST", Follows::two_lines, 0},
    {'j', "LONG_BINGET", Follows::number, 4},
    {'l', "LIST", Follows::nothing, 0},
    {']', "EMPTY_LIST", Follows::nothing, 0},
    {'o', "OBJ", Follows::nothing, 0},
    {'p', "PUT", Follows::line, 0},
    {'q', "BINPUT", Follows::number, 1},
    {'r', "LONG_BINPUT", Follows::number, 4},
    {'s', "SETITEM", Follows::nothing, 0},
    {'t', "TUPLE", Follows::nothing, 0},
    {')', "EMPTY_TUPLE", Follows::nothing, 0},
    {'u', "SETITEMS", Follows::nothing, 0},
    {'G', "BINFLOAT", Follows::real, 8},
    {'B', "BINBYTES", Follows::bytes, 4},
    {'C', "SHORT_BINBYTES", Follows::bytes, 1},
    {0x80, "PROTO", Follows::number, 1},
    {0x81, "NEWOBJ", Follows::nothing, 0},
    {0x82, "EXT1", Follows::number, 1},
    {0x83, "EXT2", Follows::number, 2},
    {0x84, "EXT4", Follows::number, 4},
    {0x85, "TUPLE1", Follows::nothing, 0},
    {0x86, "TUPLE2", Follows::nothing, 0},
    {0x87, "TUPLE3", Follows::nothing, 0},
    {0x88, "NEWTRUE", Follows::nothing, 0},
    {0x89, "NEWFALSE", Follows::nothing, 0},
    {0x8a, "LONG1", Follows::bytes, 1},
    {0x8b, "LONG4", Follows::bytes, 4},
    {0x8c, "SHORT_BINUNICODE", Follows::bytes, 1},
    {0x8d, "BINUNICODE8", Follows::bytes, 8},
    {0x8e, "BINBYTES8", Follows::bytes, 8},
    {0x8f, "EMPTY_SET", Follows::nothing, 0},
    {0x90, "ADDITEMS", Follows::nothing, 0},
    {0x91, "FROZENSET", Follows::nothing, 0},
    {0x92, "NEWOBJ_EX", Follows::nothing, 0},
    {0x93, "STACK_GLOBAL", Follows::nothing, 0},
    {0x94, "MEMOIZE", Follows::nothing, 0},
    {0x95, "FRAME", Follows::number, 8},
    {0x96, "BYTEARRAY8", Follows::bytes, 8},
    {0x97, "NEXT_BUFFER", Follows::nothing, 0},
    {0x98, "READONLY_BUFFER", Follows::nothing, 0},
};

inline const Opcode* find_opcode(unsigned code) {
  for (const Opcode& opcode : opcodes)
    if (opcode.code == code) return &opcode;
  return nullptr;
}

struct Step {
  const Opcode* opcode;
  std::uint64_t offset;     // of the opcode
  std::int64_t number = 0;  // Follows::number
  double real = 0;          // Follows::real
  std::uint64_t start = 0;  // Follows::bytes, line, two_lines (the first)
  std::uint64_t size = 0;
  std::uint64_t start2 = 0;  // the second line
  std::uint64_t size2 = 0;
};

inline std::string_view text_of(Bytes bytes, std::uint64_t start, std::uint64_t size) {
  return {reinterpret_cast<const char*>(bytes.data()) + start, static_cast<std::size_t>(size)};
}

class Steps {
 public:
  explicit Steps(Bytes bytes) : bytes_(bytes) {}

  std::uint64_t at() const { return at_; }

  Step next() {
    if (at_ >= bytes_.size()) throw Error(Fault::truncated, "pickle", "STOP", "the end of the data", at_);
    const auto code = std::to_integer<unsigned>(bytes_[at_]);
    Step step{find_opcode(code), at_};
    if (step.opcode == nullptr)
      throw Error(Fault::format, "pickle opcode", "an opcode of protocols 0 to 5", std::to_string(code), at_);
    ++at_;
    switch (step.opcode->follows) {
      case Follows::nothing: break;
      case Follows::number: step.number = static_cast<std::int64_t>(number(*step.opcode)); break;
      case Follows::real:
        step.real = std::bit_cast<double>(load<std::uint64_t>(bytes_, at_, ByteOrder::big, "pickle"));
        at_ += 8;
        break;
      case Follows::bytes: take_bytes(step); break;
      case Follows::line: take_line(step.start, step.size); break;
      case Follows::two_lines:
        take_line(step.start, step.size);
        take_line(step.start2, step.size2);
        break;
    }
    if (step.opcode->code == 'J') step.number = static_cast<std::int32_t>(step.number);
    return step;
  }

 private:
  std::uint64_t number(const Opcode& opcode) {
    if (bytes_.size() - at_ < opcode.width)
      throw Error(Fault::truncated, std::string(opcode.name), std::to_string(opcode.width) + " bytes",
                  std::to_string(bytes_.size() - at_), at_);
    std::uint64_t value = 0;
    for (unsigned i = opcode.width; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes_[at_ + i]);
    at_ += opcode.width;
    return value;
  }

  void take_bytes(Step& step) {
    step.size = number(*step.opcode);
    if (step.size > bytes_.size() - at_)
      throw Error(Fault::truncated, std::string(step.opcode->name),
                  "at most " + std::to_string(bytes_.size() - at_) + " bytes", std::to_string(step.size), step.offset);
    step.start = at_;
    at_ += step.size;
  }

  void take_line(std::uint64_t& start, std::uint64_t& size) {
    const std::string_view rest = text_of(bytes_, at_, bytes_.size() - at_);
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) throw Error(Fault::truncated, "pickle", "a line", "no end of line", at_);
    start = at_;
    size = end;
    at_ += end + 1;
    if (size > 0 && rest[end - 1] == '\r') --size;  // protocol 0 written in text mode
  }

  Bytes bytes_;
  std::uint64_t at_ = 0;
};

}  // namespace braggio::pickle
