// A pickle as a graph of plain values and named objects. Nothing is imported, looked up or called: a class is its name,
// and only the names that cctbx writes are let through. Sizes, depth, sharing and cycles are bounded.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "braggio/error.hpp"
#include "braggio/flex.hpp"
#include "braggio/number.hpp"
#include "braggio/pickle_bounds.hpp"
#include "braggio/pickle_globals.hpp"
#include "braggio/pickle_graph.hpp"
#include "braggio/pickle_ops.hpp"
#include "braggio/pickle_text.hpp"

namespace braggio::pickle {

inline constexpr std::size_t max_nodes = std::size_t{1} << 20;
inline constexpr std::uint64_t max_integer_bytes = 1024;
inline constexpr std::size_t max_integer_digits = 2467;  // and a sign: what that many bytes hold

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
    Bounds(graph_).check();
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
    if (parse_integer(text, value)) return push_integer(value);
    if (text.size() > max_integer_digits)
      throw Error(Fault::limit, "pickle", "an integer of at most 1024 bytes", std::to_string(text.size()) + " digits",
                  now_);
    std::string bytes = detail::from_decimal(text);
    if (bytes.empty()) refuse("an integer", "another text");
    push(make_owned(Kind::long_integer, Text::of(std::move(bytes))));
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

  Steps steps_;
  Graph graph_;
  std::vector<Id> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Id> memo_;
  std::uint64_t now_ = 0;
};

// Read a pickle that is `bytes`, or their beginning (see Graph::end).
inline Graph parse(Bytes bytes) { return Machine(bytes).run(); }

}  // namespace braggio::pickle
