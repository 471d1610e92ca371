// What a pickle holds: a graph of plain values and named objects.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/pickle_globals.hpp"
#include "braggio/pickle_ops.hpp"

namespace braggio::pickle {

enum class Kind : unsigned char {
  none,
  boolean,
  integer,
  long_integer,
  real,
  bytes,
  byte_string,
  text,
  tuple,
  list,
  dict,
  set,
  frozenset,
  global,
  object
};

using Id = std::uint32_t;
inline constexpr Id nothing = ~Id{0};

struct Node {
  Kind kind = Kind::none;
  Meaning meaning = Meaning::object;  // global
  bool owned = false;                 // the bytes are in Graph::owned[start], else in the file at `start`
  std::int64_t integer = 0;           // boolean, integer
  double real = 0;
  std::uint64_t start = 0, size = 0;  // long_integer, bytes, byte_string, text
  Id first = nothing;                 // containers: index into Graph::items; object: its class; global: Graph::names
  Id arguments = nothing;             // object: a tuple
  Id state = nothing;                 // object
};

// Bytes of its own, not cleared before they are written: an image's are many.
struct Text {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;

  static Text of(std::string_view text) {
    Text held{std::make_unique_for_overwrite<char[]>(text.size()), text.size()};
    std::copy(text.begin(), text.end(), held.bytes.get());
    return held;
  }
  std::string_view view() const { return {bytes.get(), size}; }
};

struct Graph {
  Bytes bytes;
  std::vector<Node> nodes;
  std::deque<std::vector<Id>> items;
  std::deque<Text> owned;
  std::deque<std::pair<std::string, std::string>> names;  // module, name
  Id root = nothing;
  std::uint64_t end = 0;  // byte after STOP

  std::string_view text(const Node& node) const {
    if (node.owned) return owned[node.start].view();
    return text_of(bytes, node.start, node.size);
  }
  const std::vector<Id>& children(const Node& node) const { return items[node.first]; }
  const std::pair<std::string, std::string>& name(const Node& object) const { return names[nodes[object.first].first]; }
  bool is(const Node& object, std::string_view module, std::string_view wanted) const {
    return object.kind == Kind::object && name(object).first == module && name(object).second == wanted;
  }
};

}  // namespace braggio::pickle
