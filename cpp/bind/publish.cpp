#include <memory>

#include "bind.hpp"
#include "braggio/publish.hpp"

namespace braggio::bind {
namespace {

void write_part(PartFile& self, const py::buffer& buffer, std::uint64_t offset) {
  const py::buffer_info memory = buffer.request();
  if (PyBuffer_IsContiguous(memory.view(), 'C') == 0) throw py::value_error("memory must be C-contiguous");
  const Bytes bytes(static_cast<const std::byte*>(memory.ptr), static_cast<std::size_t>(memory.size * memory.itemsize));
  py::gil_scoped_release release;
  self.write(offset, bytes);
}

}  // namespace

void add_publish(py::module_& module) {
  module.def(
      "part_name", [](const py::object& target) { return path_str(part_name(path_bytes(target))); }, py::arg("target"),
      "A new name beside a file, under which it is made.");
  py::class_<PartFile>(module, "PartFile", "A file that appears under its name whole, or not at all.")
      .def(py::init([](const py::object& target) {
             std::string path = path_bytes(target);
             py::gil_scoped_release release;
             return PartFile(std::move(path));
           }),
           py::arg("target"))
      .def_property_readonly("target", [](const PartFile& self) { return path_str(self.target()); })
      .def("reserve", &PartFile::reserve, py::arg("size"), py::call_guard<py::gil_scoped_release>())
      .def("write", &write_part, py::arg("memory"), py::arg("offset"))
      .def("publish", &PartFile::publish, py::kw_only(), py::arg("overwrite"), py::arg("durable") = false,
           py::call_guard<py::gil_scoped_release>())
      .def("discard", &PartFile::discard, py::call_guard<py::gil_scoped_release>())
      .def(
          "__enter__", [](PartFile& self) -> PartFile& { return self; }, py::return_value_policy::reference)
      .def("__exit__", [](PartFile& self, const py::args&) { self.discard(); });
}

}  // namespace braggio::bind
