// A pickle graph as Python objects, flex buffers as numpy arrays and back. Nothing here imports or calls by a name of
// the file.
#include "braggio/pickle.hpp"

#include <complex>
#include <memory>
#include <optional>
#include <vector>

#include "bind.hpp"

namespace braggio::bind {
namespace {

using pickle::Graph;
using pickle::Id;
using pickle::Kind;
using pickle::Node;

// The whole source in memory: as it is, or read once without touching the pages before.
struct Whole {
  std::unique_ptr<std::byte[]> held;
  Bytes bytes;

  explicit Whole(const HeldSource& source) {
    py::gil_scoped_release release;
    const std::uint64_t size = source.source.size();
    if (source.source.in_memory()) {
      bytes = source.source.view(0, size);
      return;
    }
    held = std::make_unique_for_overwrite<std::byte[]>(size);
    source.source.read(0, {held.get(), size});
    bytes = {held.get(), size};
  }
};

template <class Fn>
auto with_element(flex::Element element, Fn&& fn) {
  switch (element) {
    case flex::Element::i8: return fn.template operator()<std::int8_t>();
    case flex::Element::u8: return fn.template operator()<std::uint8_t>();
    case flex::Element::i16: return fn.template operator()<std::int16_t>();
    case flex::Element::u16: return fn.template operator()<std::uint16_t>();
    case flex::Element::i32: return fn.template operator()<std::int32_t>();
    case flex::Element::u32: return fn.template operator()<std::uint32_t>();
    case flex::Element::i64: return fn.template operator()<std::int64_t>();
    case flex::Element::u64: return fn.template operator()<std::uint64_t>();
    case flex::Element::f32: return fn.template operator()<float>();
    default: return fn.template operator()<double>();
  }
}

py::str latin1(std::string_view text) {
  PyObject* decoded = PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), "strict");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::str utf8(std::string_view text) {
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogatepass");
  if (decoded == nullptr) {
    PyErr_Clear();
    throw Error(Fault::format, "pickle text", "UTF-8", "other bytes");
  }
  return py::reinterpret_steal<py::str>(decoded);
}

bool is_complex(const flex::Type& type) { return type.name == "complex_double"; }

// The items of a buffer, in the shape given (-1: as many as there are).
py::object decode_elements(const flex::Type& type, Bytes buffer, std::optional<std::vector<py::ssize_t>> shape) {
  std::size_t at = 0;
  const std::uint64_t count = flex::take_count(buffer, at, type.components);
  if (!shape) shape.emplace(1, static_cast<py::ssize_t>(count));
  std::uint64_t product = 1;
  for (const py::ssize_t length : *shape)
    product = checked_product(product, static_cast<std::uint64_t>(length), "grid");
  if (product != count)
    throw Error(Fault::format, "flex grid", std::to_string(count) + " items", std::to_string(product));
  if (type.element == flex::Element::text) {
    py::list texts;
    for (const std::string_view text : flex::decode_texts(buffer, at, count)) texts.append(latin1(text));
    return texts;
  }
  if (type.element == flex::Element::boolean) {
    py::array_t<bool> out(*shape);
    const std::span<bool> values(out.mutable_data(), count);
    py::gil_scoped_release release;
    flex::decode_booleans(buffer, at, values);
    return out;
  }
  if (is_complex(type)) {
    py::array_t<std::complex<double>> out(*shape);
    const std::span<double> values(reinterpret_cast<double*>(out.mutable_data()), 2 * count);
    py::gil_scoped_release release;
    flex::decode_numbers(buffer, at, values);
    return out;
  }
  if (type.components > 1) shape->push_back(type.components);
  return with_element(type.element, [&]<class T>() -> py::object {
    py::array_t<T> out(*shape);
    const std::span<T> values(out.mutable_data(), count * type.components);
    {
      py::gil_scoped_release release;
      flex::decode_numbers(buffer, at, values);
    }
    return out;
  });
}

class Converter {
 public:
  Converter(const Graph& graph, const py::object& make) : graph_(graph), make_(make), made_(graph.nodes.size()) {}

  py::object convert(Id id) {
    if (!made_[id]) made_[id] = fresh(graph_.nodes[id]);
    return made_[id];
  }

 private:
  py::object fresh(const Node& node) {
    switch (node.kind) {
      case Kind::none: return py::none();
      case Kind::boolean: return py::bool_(node.integer != 0);
      case Kind::integer: return py::int_(node.integer);
      case Kind::long_integer: return long_integer(graph_.text(node));
      case Kind::real: return py::float_(node.real);
      case Kind::bytes: {
        const std::string_view text = graph_.text(node);
        return py::bytes(text.data(), text.size());
      }
      case Kind::byte_string: return latin1(graph_.text(node));
      case Kind::text: return utf8(graph_.text(node));
      case Kind::tuple: {
        const auto& children = graph_.children(node);
        py::tuple result(children.size());
        for (std::size_t i = 0; i < children.size(); ++i) result[i] = convert(children[i]);
        return result;
      }
      case Kind::list: {
        py::list result;
        for (const Id child : graph_.children(node)) result.append(convert(child));
        return result;
      }
      case Kind::set:
      case Kind::frozenset: {
        py::set result;
        for (const Id child : graph_.children(node)) result.add(convert(child));
        return node.kind == Kind::set ? py::object(result) : py::object(py::frozenset(result));
      }
      case Kind::dict: {
        py::dict result;
        const auto& pairs = graph_.children(node);
        for (std::size_t i = 0; i < pairs.size(); i += 2) {
          const Node& key = graph_.nodes[pairs[i]];  // Python 2 wrote names as bytes
          result[key.kind == Kind::bytes ? latin1(graph_.text(key)) : convert(pairs[i])] = convert(pairs[i + 1]);
        }
        return result;
      }
      case Kind::global: return make(node, py::none(), py::none());
      case Kind::object: return object(node);
    }
    return py::none();
  }

  static py::object long_integer(std::string_view digits) {
    return py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&PyLong_Type))
        .attr("from_bytes")(py::bytes(digits.data(), digits.size()), "little", py::arg("signed") = true);
  }

  py::object make(const Node& global, const py::object& arguments, const py::object& state) {
    const auto& [module, name] = graph_.names[global.first];
    return make_(module, name, arguments, state);
  }

  py::object object(const Node& node) {
    const auto& [module, name] = graph_.name(node);
    if (const flex::Type* type = flex::find_type(module, name)) return array(*type, node);
    return make(graph_.nodes[node.first], convert(node.arguments),
                node.state == pickle::nothing ? py::none() : convert(node.state));
  }

  [[noreturn]] static void refuse(std::string expected) {
    throw Error(Fault::format, "flex array", std::move(expected), "another state");
  }

  py::object array(const flex::Type& type, const Node& node) {
    if (!graph_.children(graph_.nodes[node.arguments]).empty()) refuse("no arguments");
    static constexpr std::byte no_items[] = {std::byte{0}};
    if (node.state == pickle::nothing) return decode_elements(type, no_items, std::nullopt);
    const Node& state = graph_.nodes[node.state];
    if (state.kind != Kind::tuple || graph_.children(state).size() != 2) refuse("(grid, buffer)");
    const Node& buffer = graph_.nodes[graph_.children(state)[1]];
    if (buffer.kind != Kind::bytes && buffer.kind != Kind::byte_string) refuse("a buffer of bytes");
    const std::string_view text = graph_.text(buffer);
    const Grid grid = read_grid(graph_.nodes[graph_.children(state)[0]]);
    py::object result = decode_elements(type, std::as_bytes(std::span(text.data(), text.size())), grid.shape);
    if (grid.focus == grid.shape || type.element == flex::Element::text) return result;
    py::tuple used(grid.focus.size());  // a padded grid: the part in focus
    for (std::size_t i = 0; i < grid.focus.size(); ++i) used[i] = py::slice(0, grid.focus[i], 1);
    return result[used];
  }

  struct Grid {
    std::vector<py::ssize_t> shape;  // last - origin
    std::vector<py::ssize_t> focus;  // focus - origin
  };

  Grid read_grid(const Node& node) const {
    if (!graph_.is(node, "scitbx_array_family_flex_ext", "grid")) refuse("a flex grid");
    const auto& arguments = graph_.children(graph_.nodes[node.arguments]);
    if (arguments.empty()) return {{0}, {0}};
    if (arguments.size() < 2) refuse("a grid with origin and last");
    const auto origin = integers(arguments[0]), last = integers(arguments[1]);
    const bool open = arguments.size() < 3 || graph_.nodes[arguments[2]].integer != 0;
    auto focus = last;
    if (node.state != pickle::nothing && graph_.nodes[node.state].kind == Kind::tuple)
      if (auto given = integers(node.state); !given.empty()) focus = std::move(given);
    if (origin.size() != last.size() || focus.size() != last.size() || origin.size() > 10)
      refuse("a grid of 1 to 10 axes");
    Grid grid;
    for (std::size_t i = 0; i < last.size(); ++i) {
      const std::int64_t stop = last[i] + (open ? 0 : 1);
      if (origin[i] > stop || focus[i] < origin[i] || focus[i] > stop || stop > (std::int64_t{1} << 40) ||
          origin[i] < -(std::int64_t{1} << 40))
        refuse("a grid with origin <= focus <= last");
      grid.shape.push_back(static_cast<py::ssize_t>(stop - origin[i]));
      grid.focus.push_back(static_cast<py::ssize_t>(focus[i] - origin[i]));
    }
    return grid;
  }

  std::vector<std::int64_t> integers(Id id) const {
    if (graph_.nodes[id].kind != Kind::tuple) refuse("a grid of tuples");
    std::vector<std::int64_t> found;
    for (const Id child : graph_.children(graph_.nodes[id])) {
      if (graph_.nodes[child].kind != Kind::integer) refuse("a grid of integers");
      found.push_back(graph_.nodes[child].integer);
      if (found.back() >= (std::int64_t{1} << 60) || found.back() <= -(std::int64_t{1} << 60))
        refuse("a grid of sizes");
    }
    return found;
  }

  const Graph& graph_;
  const py::object& make_;
  std::vector<py::object> made_;
};

py::tuple load_pickle(const HeldSource& source, const py::object& make) {
  const Whole whole(source);
  Graph graph;
  {
    py::gil_scoped_release release;
    graph = pickle::parse(whole.bytes);
  }
  return py::make_tuple(Converter(graph, make).convert(graph.root), graph.end);
}

// (offset, opcode, what follows) of every step, and (offset, module, name, allowed) of every global.
py::tuple scan_pickle(const HeldSource& source, std::size_t most) {
  const Whole whole(source);
  pickle::Steps steps(whole.bytes);
  py::list found, globals;
  std::vector<std::string> recent;  // texts pushed, for STACK_GLOBAL
  std::unordered_map<std::uint64_t, std::string> memo;
  std::uint64_t memoized = 0;
  bool last_is_text = false;
  const auto text = [&](std::uint64_t start, std::uint64_t size) {
    return std::string(pickle::text_of(whole.bytes, start, std::min<std::uint64_t>(size, 200)));
  };
  const auto add_global = [&](std::uint64_t offset, const std::string& module, const std::string& name) {
    globals.append(py::make_tuple(offset, latin1(module), latin1(name), pickle::is_allowed(module, name)));
  };
  for (;;) {
    const pickle::Step step = steps.next();
    const pickle::Opcode& opcode = *step.opcode;
    py::object follows = py::none();
    const bool is_text = opcode.follows == pickle::Follows::bytes && opcode.name.find("UNI") != std::string_view::npos;
    switch (opcode.follows) {
      case pickle::Follows::nothing: break;
      case pickle::Follows::number: follows = py::int_(step.number); break;
      case pickle::Follows::real: follows = py::float_(step.real); break;
      case pickle::Follows::bytes:
        follows = py::make_tuple(step.size, latin1(text(step.start, std::min<std::uint64_t>(step.size, 60))));
        break;
      case pickle::Follows::line: follows = latin1(text(step.start, std::min<std::uint64_t>(step.size, 60))); break;
      case pickle::Follows::two_lines:
        follows = latin1(text(step.start, step.size) + " " + text(step.start2, step.size2));
        add_global(step.offset, text(step.start, step.size), text(step.start2, step.size2));
        break;
    }
    if (opcode.name == "STACK_GLOBAL")
      add_global(step.offset, recent.size() < 2 ? "?" : recent[recent.size() - 2],
                 recent.empty() ? "?" : recent.back());
    const bool puts = opcode.name == "MEMOIZE" || opcode.name == "BINPUT" || opcode.name == "LONG_BINPUT";
    if (puts) {
      const std::uint64_t index = opcode.name == "MEMOIZE" ? memoized : static_cast<std::uint64_t>(step.number);
      ++memoized;
      if (last_is_text && !recent.empty()) memo[index] = recent.back();
    } else if (opcode.name == "BINGET" || opcode.name == "LONG_BINGET") {
      const auto known = memo.find(static_cast<std::uint64_t>(step.number));
      if (known != memo.end()) recent.push_back(known->second);
    } else if (is_text) {
      recent.push_back(text(step.start, step.size));
    }
    last_is_text = is_text || (puts && last_is_text);
    if (recent.size() > 64) recent.erase(recent.begin(), recent.end() - 2);
    if (py::len(found) < most) found.append(py::make_tuple(step.offset, std::string(opcode.name), follows));
    if (opcode.code == '.') return py::make_tuple(found, globals, steps.at());
  }
}

const flex::Type& type_named(const std::string& name) {
  for (const flex::Type& type : flex::types)
    if (type.name == name) return type;
  throw py::value_error("no flex type " + name);
}

py::object decode_flex(const HeldSource& source, const std::string& name) {
  const Whole whole(source);
  return decode_elements(type_named(name), whole.bytes, std::nullopt);
}

py::bytes to_bytes(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

py::bytes encode_flex(const py::array& array, const std::string& name) {
  require_contiguous(array, "array");
  const flex::Type& type = type_named(name);
  std::vector<std::byte> encoded;
  if (type.element == flex::Element::text) throw py::value_error("texts are not encoded");
  if (type.element == flex::Element::boolean) {
    if (array.itemsize() != 1) throw py::value_error("array must be bool");
    encoded = flex::encode_booleans({static_cast<const bool*>(array.data()), static_cast<std::size_t>(array.size())});
    return to_bytes(encoded);
  }
  with_element(type.element, [&]<class T>() {
    const std::size_t numbers = static_cast<std::size_t>(array.nbytes()) / sizeof(T);
    if (numbers % type.components != 0) throw py::value_error("array has another number of components");
    const std::span<const T> values(static_cast<const T*>(array.data()), numbers);
    py::gil_scoped_release release;
    encoded = flex::encode_numbers(values, type.components);
  });
  return to_bytes(encoded);
}

}  // namespace

void add_pickle(py::module_& module) {
  module.def("load_pickle", &load_pickle, py::arg("source"), py::arg("make"),
             "(value, end): the value of a pickle, make(module, name, arguments, state) in place of its objects.");
  module.def("scan_pickle", &scan_pickle, py::arg("source"), py::arg("most"),
             "(steps, globals, end) of a pickle, without a stack: what it would ask for.");
  module.def("decode_flex", &decode_flex, py::arg("source"), py::arg("name"), "The items of a flex buffer, one axis.");
  module.def("encode_flex", &encode_flex, py::arg("array").noconvert(), py::arg("name"),
             "The flex buffer of an array whose dtype is that of the flex type `name`.");
}

}  // namespace braggio::bind
