// A graph is bounded: no cycles, no deep nesting, no few bytes that stand for many values, and keys that can be keys.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "braggio/error.hpp"
#include "braggio/pickle_graph.hpp"

namespace braggio::pickle {

inline constexpr unsigned max_depth = 100;
inline constexpr std::uint64_t max_unfolded = std::uint64_t{1} << 23;  // values; a shared one counts where it is used

class Bounds {
 public:
  explicit Bounds(const Graph& graph) : graph_(graph) {}

  // Throws if they are left.
  void check() {
    heights_.assign(graph_.nodes.size(), 0);
    unfolded_.assign(graph_.nodes.size(), 0);
    visit(graph_.root, 1);
    if (unfolded_[graph_.root] > max_unfolded)
      throw Error(Fault::limit, "pickle", "at most " + std::to_string(max_unfolded) + " values when written out",
                  std::to_string(unfolded_[graph_.root]));
  }

 private:
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

  const Graph& graph_;
  std::vector<unsigned> heights_{};
  std::vector<std::uint64_t> unfolded_{};
};

}  // namespace braggio::pickle
