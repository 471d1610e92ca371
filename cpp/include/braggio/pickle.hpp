// A pickle as a graph of plain values and named objects. Nothing is imported, looked up or called: a class is its name,
// and only the names that cctbx writes are let through. Sizes, depth, sharing and cycles are bounded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "braggio/cpu.hpp"
#include "braggio/flex.hpp"
#include "braggio/number.hpp"
#include "braggio/pickle_ops.hpp"

namespace braggio::pickle {

inline constexpr std::size_t max_nodes = std::size_t{1} << 20;
inline constexpr unsigned max_depth = 100;
inline constexpr std::uint64_t max_unfolded = std::uint64_t{1}
                                              << 23;  // values, each shared one counted where it is used
inline constexpr std::uint64_t max_integer_bytes = 1024;

enum class Meaning { object, encode, reconstruct, base, bytes };

struct Global {
  std::string_view module;
  std::string_view name;
  Meaning meaning = Meaning::object;
};

// Beside the flex types, every name in an image or integration pickle.
inline constexpr Global allowed[] = {
    {"scitbx_array_family_flex_ext", "grid"},
    {"dials_array_family_flex_ext", "reflection_table"},
    {"dials_array_family_flex_ext", "shoebox"},
    {"cctbx_uctbx_ext", "unit_cell"},
    {"cctbx_sgtbx_ext", "space_group"},
    {"cctbx_sgtbx_ext", "change_of_basis_op"},
    {"cctbx_sgtbx_ext", "rt_mx"},
    {"cctbx.sgtbx", "space_group_info"},
    {"cctbx.sgtbx", "empty"},
    {"cctbx.crystal", "symmetry"},
    {"cctbx.miller", "array"},
    {"cctbx.miller", "set"},
    {"cctbx.miller", "array_info"},
    {"cctbx.xray.observation_types", "intensity"},
    {"cctbx.xray.observation_types", "amplitude"},
    {"cctbx_orientation_ext", "crystal_orientation"},
    {"cctbx.crystal_orientation", "crystal_orientation"},
    {"scitbx.matrix", "col"},
    {"scitbx.matrix", "sqr"},
    {"scitbx.matrix", "rec"},
    {"_codecs", "encode", Meaning::encode},
    {"copy_reg", "_reconstructor", Meaning::reconstruct},
    {"copyreg", "_reconstructor", Meaning::reconstruct},
    {"__builtin__", "object", Meaning::base},
    {"builtins", "object", Meaning::base},
    {"__builtin__", "bytes", Meaning::bytes},
    {"builtins", "bytes", Meaning::bytes},
};

inline bool is_allowed(std::string_view module, std::string_view name) {
  if (flex::find_type(module, name) != nullptr) return true;
  for (const Global& global : allowed)
    if (global.module == module && global.name == name) return true;
  return false;
}

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

namespace detail {

// Of UTF-8 bytes that are all ASCII, or C2 or C3 and what follows them: the characters below 256. Every byte but C2 and
// C3 is one, after C3 with 0x40 more. Without branches: half of the bytes of an image are above 127, and no processor
// guesses which.
inline std::size_t squeeze(const unsigned char* from, std::size_t size, unsigned char* to, unsigned char before = 0) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned char c = from[i];
    to[used] = static_cast<unsigned char>(c | (before == 0xc3 ? 0x40 : 0));
    used += c < 0xc0;
    before = c;
  }
  return used;
}

#if defined(__x86_64__)
// The same eight bytes at a time; `to` has room for `size` bytes.
BRAGGIO_AVX2 inline std::size_t squeeze_words(const unsigned char* from, std::size_t size, unsigned char* to) {
  constexpr std::uint64_t tops = 0x8080808080808080;
  std::uint64_t carry = 0;
  std::size_t i = 0, used = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, from + i, 8);
    const std::uint64_t leads = word & (word << 1) & tops, higher = leads & (word << 7);
    word |= ((higher << 8) | carry) >> 1;
    carry = higher >> 56;
    const std::uint64_t kept = ~((leads >> 7) * 0xff);
    const std::uint64_t squeezed = __builtin_ia32_pext_di(word, kept);
    std::memcpy(to + used, &squeezed, 8);
    used += 8 - static_cast<std::size_t>(__builtin_popcountll(leads));
  }
  return used + squeeze(from + i, size - i, to + used, i > 0 ? from[i - 1] : 0);
}
#endif

}  // namespace detail

// UTF-8 that holds only characters below 256, as those bytes: what _codecs.encode(text, "latin1") gives.
inline Text to_latin1(std::string_view utf8, std::uint64_t offset, Level level = chosen_level()) {
  const auto* from = reinterpret_cast<const unsigned char*>(utf8.data());
  const std::size_t size = utf8.size();
  const auto leads = [](unsigned char c) { return static_cast<unsigned char>((c & 0xfe) == 0xc2); };
  unsigned char wrong = 0;
  for (std::size_t i = 1; i < size; ++i)
    wrong |= static_cast<unsigned char>(((from[i] & 0xc0) == 0x80) ^ leads(from[i - 1]) |
                                        ((from[i] >= 0xc0) ^ leads(from[i])));
  const bool ends = size == 0 || ((from[0] < 0x80 || leads(from[0])) && !leads(from[size - 1]));
  if (wrong != 0 || !ends)
    throw Error(Fault::format, "_codecs.encode", "characters below 256 in UTF-8", "another text", offset);
  Text out{std::make_unique_for_overwrite<char[]>(size), 0};
  auto* to = reinterpret_cast<unsigned char*>(out.bytes.get());
#if defined(__x86_64__)
  out.size = level == Level::baseline ? detail::squeeze(from, size, to) : detail::squeeze_words(from, size, to);
#else
  out.size = detail::squeeze(from, size, to);
#endif
  return out;
}

namespace detail {

inline void put_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// `count` hexadecimal digits at `at`, or a refusal.
inline std::uint32_t hexadecimal(std::string_view text, std::size_t at, std::size_t count, std::uint64_t offset) {
  std::uint32_t value = 0;
  const char* const begin = text.data() + std::min(at, text.size());
  const char* const end = text.data() + std::min(at + count, text.size());
  const auto [stop, error] = std::from_chars(begin, end, value, 16);
  if (error != std::errc{} || stop != begin + count)
    throw Error(Fault::format, "pickle string", std::to_string(count) + " hexadecimal digits", "others", offset);
  return value;
}

// The text of UNICODE: Latin-1 with \uXXXX and \UXXXXXXXX, as UTF-8.
inline std::string from_raw_unicode(std::string_view raw, std::uint64_t offset) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    std::size_t digits = 0;
    if (raw[i] == '\\' && i + 1 < raw.size()) digits = raw[i + 1] == 'u' ? 4 : raw[i + 1] == 'U' ? 8 : 0;
    if (digits == 0) {
      put_utf8(out, static_cast<unsigned char>(raw[i]));
      continue;
    }
    const std::uint32_t c = hexadecimal(raw, i + 2, digits, offset);
    if (c > 0x10ffff) throw Error(Fault::format, "pickle string", "a character", std::to_string(c), offset);
    put_utf8(out, c);
    i += 1 + digits;
  }
  return out;
}

// The bytes of STRING: a Python 2 literal in quotes.
inline std::string from_literal(std::string_view literal, std::uint64_t offset) {
  const bool quoted =
      literal.size() >= 2 && (literal.front() == '\'' || literal.front() == '"') && literal.back() == literal.front();
  if (!quoted) throw Error(Fault::format, "STRING", "a quoted literal", "none", offset);
  literal = literal.substr(1, literal.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\') {
      out += literal[i];
      continue;
    }
    if (++i == literal.size()) throw Error(Fault::format, "STRING", "an escape", "the end", offset);
    constexpr std::string_view letters = "\\'\"abfnrtv", meanings = "\\'\"\a\b\f\n\r\t\v";
    const auto known = letters.find(literal[i]);
    if (known != std::string_view::npos) {
      out += meanings[known];
    } else if (literal[i] == 'x') {
      out += static_cast<char>(hexadecimal(literal, i + 1, 2, offset));
      i += 2;
    } else if (literal[i] >= '0' && literal[i] <= '7') {
      unsigned value = 0;
      std::size_t end = i;
      while (end < literal.size() && end < i + 3 && literal[end] >= '0' && literal[end] <= '7')
        value = value * 8 + static_cast<unsigned>(literal[end++] - '0');
      out += static_cast<char>(value);
      i = end - 1;
    } else {
      out += '\\';
      out += literal[i];
    }
  }
  return out;
}

}  // namespace detail

class Machine {
 public:
  explicit Machine(Bytes bytes) : steps_(bytes) {
    graph_.bytes = bytes;
    for (const Kind kind : {Kind::none, Kind::boolean, Kind::boolean}) make(kind);  // shared: ids 0, 1, 2
    graph_.nodes[2].integer = 1;
  }

  Graph run() {
    for (;;) {
      const Step step = steps_.next();
      now_ = step.offset;
      if (step.opcode->code == '.') break;
      execute(step);
    }
    graph_.root = pop();
    graph_.end = steps_.at();
    check();
    return std::move(graph_);
  }

 private:
  static constexpr Id none_id = 0, false_id = 1;

  [[noreturn]] void refuse(std::string expected, std::string found) const {
    throw Error(Fault::format, "pickle", std::move(expected), std::move(found), now_);
  }
  [[noreturn]] void unsafe(std::string found) const {
    throw Error(Fault::unsafe, "pickle", "plain values and the classes of cctbx pickles", std::move(found), now_);
  }

  Id make(Kind kind) {
    if (graph_.nodes.size() >= max_nodes)
      throw Error(Fault::limit, "pickle", "at most " + std::to_string(max_nodes) + " values", "more", now_);
    graph_.nodes.push_back({.kind = kind});
    return static_cast<Id>(graph_.nodes.size() - 1);
  }
  Node& node(Id id) { return graph_.nodes[id]; }

  void push(Id id) { stack_.push_back(id); }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Id top() const {
    if (stack_.size() <= floor()) refuse("a value on the stack", "none");
    return stack_.back();
  }
  Id pop() {
    const Id id = top();
    stack_.pop_back();
    return id;
  }
  std::vector<Id> pop_to_mark() {
    if (marks_.empty()) refuse("a mark on the stack", "none");
    const std::size_t mark = marks_.back();
    marks_.pop_back();
    std::vector<Id> found(stack_.begin() + static_cast<std::ptrdiff_t>(mark), stack_.end());
    stack_.resize(mark);
    return found;
  }

  void push_container(Kind kind, std::vector<Id> children) {
    const Id id = make(kind);
    node(id).first = static_cast<Id>(graph_.items.size());
    graph_.items.push_back(std::move(children));
    push(id);
  }
  void push_tuple(std::size_t count) {
    std::vector<Id> children(count);
    while (count > 0) children[--count] = pop();
    push_container(Kind::tuple, std::move(children));
  }
  void push_integer(std::int64_t value) {
    const Id id = make(Kind::integer);
    node(id).integer = value;
    push(id);
  }
  void push_slice(Kind kind, const Step& step) {
    const Id id = make(kind);
    node(id).start = step.start;
    node(id).size = step.size;
    push(id);
  }
  Id make_owned(Kind kind, Text text) {
    const Id id = make(kind);
    node(id).owned = true;
    node(id).start = graph_.owned.size();
    node(id).size = text.size;
    graph_.owned.push_back(std::move(text));
    return id;
  }

  std::vector<Id>& container(Id id, Kind kind, std::string_view what) {
    if (node(id).kind != kind) refuse("a " + std::string(what), "another value");
    return graph_.items[node(id).first];
  }
  void extend(Id id, Kind kind, std::string_view what, const std::vector<Id>& more) {
    if (kind == Kind::dict && more.size() % 2 != 0) refuse("pairs of key and value", "an odd number of values");
    std::vector<Id>& items = container(id, kind, what);
    items.insert(items.end(), more.begin(), more.end());
  }

  void put(std::uint64_t index) { memo_[index] = top(); }
  void get(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse("a memo entry", std::to_string(index));
    push(found->second);
  }
  std::uint64_t index_of(const Step& step) const {
    std::int64_t value = 0;
    if (!parse_integer(line(step), value) || value < 0) refuse("a memo index", std::string(line(step)));
    return static_cast<std::uint64_t>(value);
  }
  std::string_view line(const Step& step) const { return text_of(graph_.bytes, step.start, step.size); }

  void push_global(std::string_view module, std::string_view name) {
    for (const Global& global : allowed)
      if (global.module == module && global.name == name) return push_known(module, name, global.meaning);
    if (flex::find_type(module, name) == nullptr) unsafe(std::string(module) + "." + std::string(name));
    push_known(module, name, Meaning::object);
  }
  void push_known(std::string_view module, std::string_view name, Meaning meaning) {
    const Id id = make(Kind::global);
    node(id).meaning = meaning;
    node(id).first = static_cast<Id>(graph_.names.size());
    graph_.names.emplace_back(module, name);
    push(id);
  }
  void push_stack_global() {
    const Id name = pop(), module = pop();
    for (const Id id : {name, module})
      if (node(id).kind != Kind::text && node(id).kind != Kind::byte_string) refuse("a name as text", "another value");
    const std::string both[] = {std::string(graph_.text(node(module))), std::string(graph_.text(node(name)))};
    push_global(both[0], both[1]);
  }

  void push_object(Id callee, Id arguments) {
    if (node(callee).kind != Kind::global) unsafe("a call of a value");
    if (node(arguments).kind != Kind::tuple) refuse("a tuple of arguments", "another value");
    const auto& name = graph_.names[node(callee).first];
    if (node(callee).meaning != Meaning::object) unsafe("a new " + name.first + "." + name.second);
    const Id id = make(Kind::object);
    node(id).first = callee;
    node(id).arguments = arguments;
    push(id);
  }

  void reduce() {
    const Id arguments = pop(), callee = pop();
    const Meaning meaning = node(callee).kind == Kind::global ? node(callee).meaning : Meaning::object;
    if (meaning == Meaning::object) return push_object(callee, arguments);
    const std::vector<Id> given = container(arguments, Kind::tuple, "tuple of arguments");
    if (meaning == Meaning::encode) return push(encoded(given));
    if (meaning == Meaning::bytes && given.empty()) return push(make_owned(Kind::bytes, {}));
    const bool plain = meaning == Meaning::reconstruct && given.size() == 3 && node(given[1]).kind == Kind::global &&
                       node(given[1]).meaning == Meaning::base && node(given[2]).kind == Kind::none;
    if (!plain) unsafe("a call of " + graph_.names[node(callee).first].second);
    push_container(Kind::tuple, {});
    push_object(given[0], pop());
  }
  Id encoded(const std::vector<Id>& given) {
    if (given.size() != 2 || node(given[0]).kind != Kind::text ||
        (node(given[1]).kind != Kind::text && node(given[1]).kind != Kind::byte_string))
      refuse("_codecs.encode(text, 'latin1')", "other arguments");
    const std::string_view codec = graph_.text(node(given[1]));
    if (codec != "latin1" && codec != "latin-1" && codec != "iso-8859-1")
      refuse("_codecs.encode(text, 'latin1')", std::string(codec));
    return make_owned(Kind::bytes, to_latin1(graph_.text(node(given[0])), now_));
  }

  void build() {
    const Id state = pop();
    Node& object = node(top());
    if (object.kind != Kind::object) unsafe("a BUILD of a value that is no object");
    if (object.state != nothing) refuse("one state", "a second one");
    object.state = state;
  }

  void push_line_integer(const Step& step) {
    std::string_view text = line(step);
    if (step.opcode->code == 'I' && (text == "00" || text == "01")) return push(false_id + (text == "01" ? 1 : 0));
    if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
    std::int64_t value = 0;
    if (!parse_integer(text, value)) refuse("an integer of 64 bits", "another text");
    push_integer(value);
  }
  void push_line_real(const Step& step) {
    double value = 0;
    std::string_view text = line(step);
    if (text.size() > 1 && text.front() == '+') text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) refuse("a number", "another text");
    const Id id = make(Kind::real);
    node(id).real = value;
    push(id);
  }
  void push_long(const Step& step) {
    if (step.size > max_integer_bytes)
      throw Error(Fault::limit, "pickle", "an integer of at most 1024 bytes", std::to_string(step.size), now_);
    push_slice(Kind::long_integer, step);
  }

  void execute(const Step& step) {
    switch (step.opcode->code) {
      case '(': return marks_.push_back(stack_.size());
      case '0':
        if (stack_.size() == floor() && !marks_.empty()) return marks_.pop_back();
        pop();
        return;
      case '1': pop_to_mark(); return;
      case '2': return push(top());
      case 'N': return push(none_id);
      case 0x88: return push(false_id + 1);
      case 0x89: return push(false_id);
      case 'I':
      case 'L': return push_line_integer(step);
      case 'J':
      case 'K':
      case 'M': return push_integer(step.number);
      case 0x8a:
      case 0x8b: return push_long(step);
      case 'F': return push_line_real(step);
      case 'G': {
        const Id id = make(Kind::real);
        node(id).real = step.real;
        return push(id);
      }
      case 'S': return push(make_owned(Kind::byte_string, Text::of(detail::from_literal(line(step), now_))));
      case 'T':
      case 'U': return push_slice(Kind::byte_string, step);
      case 'V': return push(make_owned(Kind::text, Text::of(detail::from_raw_unicode(line(step), now_))));
      case 'X':
      case 0x8c:
      case 0x8d: return push_slice(Kind::text, step);
      case 'B':
      case 'C':
      case 0x8e:
      case 0x96: return push_slice(Kind::bytes, step);
      case ')': return push_container(Kind::tuple, {});
      case 't': return push_container(Kind::tuple, pop_to_mark());
      case 0x85: return push_tuple(1);
      case 0x86: return push_tuple(2);
      case 0x87: return push_tuple(3);
      case ']': return push_container(Kind::list, {});
      case 'l': return push_container(Kind::list, pop_to_mark());
      case 'a': {
        const Id item = pop();
        return extend(top(), Kind::list, "list", {item});
      }
      case 'e': {
        const std::vector<Id> more = pop_to_mark();
        return extend(top(), Kind::list, "list", more);
      }
      case '}': return push_container(Kind::dict, {});
      case 'd': {
        const std::vector<Id> pairs = pop_to_mark();
        push_container(Kind::dict, {});
        return extend(top(), Kind::dict, "dict", pairs);
      }
      case 's': {
        const Id value = pop(), key = pop();
        return extend(top(), Kind::dict, "dict", {key, value});
      }
      case 'u': {
        const std::vector<Id> more = pop_to_mark();
        return extend(top(), Kind::dict, "dict", more);
      }
      case 0x8f: return push_container(Kind::set, {});
      case 0x90: {
        const std::vector<Id> more = pop_to_mark();
        return extend(top(), Kind::set, "set", more);
      }
      case 0x91: return push_container(Kind::frozenset, pop_to_mark());
      case 'g': return get(index_of(step));
      case 'h':
      case 'j': return get(static_cast<std::uint64_t>(step.number));
      case 'p': return put(index_of(step));
      case 'q':
      case 'r': return put(static_cast<std::uint64_t>(step.number));
      case 0x94: return put(memo_.size());
      case 'c': return push_global(line(step), text_of(graph_.bytes, step.start2, step.size2));
      case 0x93: return push_stack_global();
      case 'R': return reduce();
      case 0x81: {
        const Id arguments = pop();
        return push_object(pop(), arguments);
      }
      case 'i': {
        const std::vector<Id> arguments = pop_to_mark();
        push_global(line(step), text_of(graph_.bytes, step.start2, step.size2));
        const Id callee = pop();
        push_container(Kind::tuple, arguments);
        return push_object(callee, pop());
      }
      case 'o': {
        std::vector<Id> given = pop_to_mark();
        if (given.empty()) refuse("a class", "none");
        const Id callee = given.front();
        given.erase(given.begin());
        push_container(Kind::tuple, std::move(given));
        return push_object(callee, pop());
      }
      case 'b': return build();
      case 0x80:
        if (step.number > 5)
          throw Error(Fault::unsupported, "pickle protocol", "0 to 5", std::to_string(step.number), now_);
        return;
      case 0x95:
        if (static_cast<std::uint64_t>(step.number) > graph_.bytes.size() - steps_.at())
          throw Error(Fault::truncated, "FRAME",
                      "at most " + std::to_string(graph_.bytes.size() - steps_.at()) + " bytes",
                      std::to_string(static_cast<std::uint64_t>(step.number)), now_);
        return;
      default:
        unsafe(std::string(step.opcode->name));  // EXT*, PERSID, NEXT_BUFFER, NEWOBJ_EX: what they do is elsewhere
    }
  }

  // No cycles, no deep nesting, no few bytes that stand for many values.
  void check() {
    heights_.assign(graph_.nodes.size(), 0);
    unfolded_.assign(graph_.nodes.size(), 0);
    visit(graph_.root, 1);
    if (unfolded_[graph_.root] > max_unfolded)
      throw Error(Fault::limit, "pickle", "at most " + std::to_string(max_unfolded) + " values when written out",
                  std::to_string(unfolded_[graph_.root]));
  }

  void visit(Id id, unsigned depth) {
    if (unfolded_[id] == 0) {
      if (heights_[id] != 0)
        throw Error(Fault::unsupported, "pickle", "values that do not contain themselves", "a cycle");
      heights_[id] = 1;
      std::uint64_t sum = 1;
      for_children(id, [&](Id child) {
        if (depth >= max_depth) too_deep();
        visit(child, depth + 1);
        heights_[id] = std::max(heights_[id], heights_[child] + 1);
        sum = std::min(sum + unfolded_[child], max_unfolded + 1);
      });
      unfolded_[id] = sum;
    }
    if (depth + heights_[id] > max_depth + 1) too_deep();
  }
  [[noreturn]] static void too_deep() {
    throw Error(Fault::limit, "pickle", "at most " + std::to_string(max_depth) + " levels of nesting", "more");
  }

  template <class Fn>
  void for_children(Id id, Fn&& fn) {
    const Node& parent = graph_.nodes[id];
    switch (parent.kind) {
      case Kind::tuple:
      case Kind::list:
        for (const Id child : graph_.items[parent.first]) fn(child);
        return;
      case Kind::set:
      case Kind::frozenset:
        for (const Id child : graph_.items[parent.first]) {
          require_key(child);
          fn(child);
        }
        return;
      case Kind::dict: {
        const std::vector<Id>& pairs = graph_.items[parent.first];
        for (std::size_t i = 0; i < pairs.size(); ++i) {
          if (i % 2 == 0) require_key(pairs[i]);
          fn(pairs[i]);
        }
        return;
      }
      case Kind::object:
        fn(parent.arguments);
        if (parent.state != nothing) fn(parent.state);
        return;
      default: return;
    }
  }
  void require_key(Id id) const {
    switch (graph_.nodes[id].kind) {
      case Kind::text:
      case Kind::byte_string:
      case Kind::bytes:
      case Kind::integer:
      case Kind::long_integer:
      case Kind::real:
      case Kind::boolean:
      case Kind::none: return;
      default: throw Error(Fault::unsupported, "pickle", "keys that are texts or numbers", "another key");
    }
  }

  Steps steps_;
  Graph graph_;
  std::vector<Id> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Id> memo_;
  std::vector<unsigned> heights_;
  std::vector<std::uint64_t> unfolded_;
  std::uint64_t now_ = 0;
};

// Read a pickle that is `bytes`, or their beginning (see Graph::end).
inline Graph parse(Bytes bytes) { return Machine(bytes).run(); }

}  // namespace braggio::pickle
