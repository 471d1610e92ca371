// A pickle: any answer but a crash, and everything the graph promises can be read.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "braggio/flex.hpp"
#include "braggio/pickle.hpp"

namespace {

using namespace braggio;
using pickle::Kind;

std::size_t walk(const pickle::Graph& graph, pickle::Id id, std::size_t& budget) {
  if (budget == 0) return 0;
  --budget;
  const pickle::Node& node = graph.nodes[id];
  std::size_t sum = 1;
  switch (node.kind) {
    case Kind::tuple:
    case Kind::list:
    case Kind::set:
    case Kind::frozenset:
    case Kind::dict:
      for (const pickle::Id child : graph.children(node)) sum += walk(graph, child, budget);
      return sum;
    case Kind::object:
      sum += walk(graph, node.arguments, budget);
      return node.state == pickle::nothing ? sum : sum + walk(graph, node.state, budget);
    case Kind::bytes:
    case Kind::byte_string:
    case Kind::text:
    case Kind::long_integer:
      for (const char c : graph.text(node)) sum += static_cast<unsigned char>(c);
      return sum;
    default: return sum;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const pickle::Graph graph = pickle::parse(std::as_bytes(std::span(data, size)));
    std::size_t budget = 100'000;
    volatile std::size_t sum = walk(graph, graph.root, budget);
    static_cast<void>(sum);
  } catch (const Error&) {
  }
  return 0;
}
