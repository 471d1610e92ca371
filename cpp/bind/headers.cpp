// The header parsers: bytes in, (fields, layout) out.
#include "bind.hpp"
#include "braggio/mrc.hpp"
#include "braggio/ser.hpp"
#include "braggio/smv.hpp"
#include "braggio/tia_raw.hpp"

namespace braggio::bind {
namespace {

// Text fields are bytes in Python: their encoding is the file's business.
py::object to_python(const Value& value) {
  return std::visit(
      [](const auto& held) -> py::object {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::string>)
          return py::bytes(held);
        else
          return py::cast(held);
      },
      value);
}

py::dict to_python(const Header& header) {
  py::dict result;
  for (const auto& [name, value] : header) result[py::str(name)] = to_python(value);
  return result;
}

template <class Parse>
auto unlocked(Parse parse, const HeldSource& held) {
  py::gil_scoped_release release;
  return parse(held.source);
}

py::tuple tia_raw(const HeldSource& held) {
  Parsed parsed = unlocked(parse_tia_raw, held);
  return py::make_tuple(to_python(parsed.header), std::move(parsed.layout));
}

py::tuple mrc(const HeldSource& held) {
  Parsed parsed = unlocked(parse_mrc, held);
  return py::make_tuple(to_python(parsed.header), std::move(parsed.layout));
}

py::tuple ser(const HeldSource& held, bool strict) {
  ParsedSer parsed = unlocked([&](const Source& source) { return parse_ser(source, strict); }, held);
  return py::make_tuple(to_python(parsed.header), std::move(parsed.layout), std::move(parsed.times));
}

py::tuple smv(const HeldSource& held, bool strict) {
  ParsedText parsed = unlocked([&](const Source& source) { return parse_smv(source, strict); }, held);
  py::list entries;
  for (const auto& [key, value] : parsed.header) entries.append(py::make_tuple(py::bytes(key), py::bytes(value)));
  return py::make_tuple(entries, std::move(parsed.layout));
}

}  // namespace

void add_headers(py::module_& module) {
  module.def("parse_tia_raw", &tia_raw, py::arg("source"), "(fields, layout) of a TIA raw file.");
  module.def("parse_ser", &ser, py::arg("source"), py::kw_only(), py::arg("strict") = true,
             "(fields, layout, times) of a TIA .ser series.");
  module.def("parse_mrc", &mrc, py::arg("source"), "(fields, layout) of an MRC file.");
  module.def("parse_smv", &smv, py::arg("source"), py::kw_only(), py::arg("strict") = true,
             "([(key, value), ...], layout) of an SMV file.");
}

}  // namespace braggio::bind
