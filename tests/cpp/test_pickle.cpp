// The pickle machine: values of each opcode, refusals with their kind, damage of every byte.
#include "braggio/pickle.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "levels.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;
using pickle::Kind;

namespace {

using namespace std::string_literals;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

// What parsing promises, walked as the bindings walk it.
std::size_t walk(const pickle::Graph& graph, pickle::Id id) {
  const pickle::Node& node = graph.nodes[id];
  std::size_t count = 1;
  switch (node.kind) {
    case Kind::tuple:
    case Kind::list:
    case Kind::set:
    case Kind::frozenset:
    case Kind::dict:
      for (const pickle::Id child : graph.children(node)) count += walk(graph, child);
      return count;
    case Kind::object:
      count += graph.name(node).second.size() + walk(graph, node.arguments);
      return node.state == pickle::nothing ? count : count + walk(graph, node.state);
    case Kind::bytes:
    case Kind::byte_string:
    case Kind::text:
    case Kind::long_integer: return count + graph.text(node).size();
    default: return count;
  }
}

const std::string image =
    "\x80\x02}q\x00(X\x04\x00\x00\x00"s
    "DATAq\x01"
    "cscitbx_array_family_flex_ext\nint\nq\x02)Rq\x03"
    "cscitbx_array_family_flex_ext\ngrid\nq\x04K\x00\x85K\x02\x85\x88\x87RK\x02\x85"
    "bc_codecs\nencode\nX\x05\x00\x00\x00\x02\x02\x00\x02\x01X\x06\x00\x00\x00latin1\x86R\x86"
    "bX\x01\x00\x00\x00yG\x3f\xf0\x00\x00\x00\x00\x00\x00u."s;

Fault fault_of(const std::string& text) {
  const auto error = refusal([&] { pickle::parse(bytes_of(text)); });
  REQUIRE(error);
  return error->fault;
}

}  // namespace

TEST_CASE("an image pickle") {
  const pickle::Graph graph = pickle::parse(bytes_of(image));
  const pickle::Node& root = graph.nodes[graph.root];
  CHECK(root.kind == Kind::dict);
  REQUIRE(graph.children(root).size() == 4);
  CHECK(graph.text(graph.nodes[graph.children(root)[0]]) == "DATA");
  CHECK(graph.is(graph.nodes[graph.children(root)[1]], "scitbx_array_family_flex_ext", "int"));
  CHECK(graph.nodes[graph.children(root)[3]].real == 1.0);
  CHECK(graph.end == image.size());
  CHECK(walk(graph, graph.root) > 10);
}

TEST_CASE("refusals have their kind") {
  CHECK(fault_of("cos\nsystem\n(S'x'\ntR.") == Fault::unsafe);
  CHECK(fault_of("(S'x'\nios\nsystem\n.") == Fault::unsafe);
  CHECK(fault_of("\x80\x02\x82\x01.") == Fault::unsafe);
  CHECK(fault_of("\x80\x02]}b.") == Fault::unsafe);
  CHECK(fault_of("\x80\x02X\xff\xff\xff\x7fx.") == Fault::truncated);
  CHECK(fault_of("N") == Fault::truncated);
  CHECK(fault_of(".") == Fault::format);
  CHECK(fault_of("\x80\x02]q\x01h\x01"s + "a.") == Fault::unsupported);
  CHECK(fault_of(")" + std::string(200, '\x85') + ".") == Fault::limit);
  std::string laughs = ")";
  for (int i = 0; i < 60; ++i) laughs += "2\x86";
  CHECK(fault_of(laughs + ".") == Fault::limit);
}

TEST_CASE("Latin-1 through UTF-8") {
  std::string all, utf8;
  for (int c = 0; c < 256; ++c) {
    all += static_cast<char>(c);
    if (c < 128) {
      utf8 += static_cast<char>(c);
    } else {
      utf8 += static_cast<char>(0xc0 | c >> 6);
      utf8 += static_cast<char>(0x80 | (c & 0x3f));
    }
  }
  for (const Level level : levels())
    for (int shift = 0; shift < 16; ++shift)  // escapes at every place in a word
      CHECK(pickle::to_latin1(std::string(static_cast<std::size_t>(shift), 'x') + utf8, 0, level).view() ==
            std::string(static_cast<std::size_t>(shift), 'x') + all);
  for (const std::string& bad : {"\xc3"s, "\x80"s, "a\xc3z"s, "\xc4\x80"s, "\xc3\xc3\x80"s, "\xff"s})
    CHECK(refuses(Fault::format, [&] { pickle::to_latin1(bad, 0); }));
}

TEST_CASE("damage of every byte gives values or an error") {
  for (std::size_t cut = 0; cut < image.size(); ++cut)
    CHECK(refusal([&] { pickle::parse(bytes_of(image.substr(0, cut))); }));
  for (std::size_t i = 0; i < image.size(); ++i)
    for (int byte = 0; byte < 256; byte += 3) {
      std::string damaged(image);
      damaged[i] = static_cast<char>(byte);
      const std::vector<std::byte> held(bytes_of(damaged).begin(), bytes_of(damaged).end());
      refusal([&] {
        const pickle::Graph graph = pickle::parse(held);
        walk(graph, graph.root);
      });
    }
}
