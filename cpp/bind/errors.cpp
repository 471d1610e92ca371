// The one place where a C++ failure becomes a Python exception of braggio.errors.
#include <array>
#include <cerrno>

#include "bind.hpp"
#include "braggio/error.hpp"

namespace braggio::bind {
namespace {

const char* class_name(Fault fault) {
  switch (fault) {
    case Fault::format: return "FormatError";
    case Fault::truncated: return "TruncatedError";
    case Fault::unsupported: return "UnsupportedError";
    case Fault::limit: return "LimitError";
    case Fault::unsafe: return "UnsafeError";
    case Fault::output: return "OutputError";
  }
  return "BraggioError";
}

void raise(const py::object& error) { PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr()); }

// Files may hold any byte, and an error that quotes one must still be a text.
py::str readable(const std::string& text) {
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

void raise_error(const Error& e) {
  using namespace pybind11::literals;
  const py::object type = py::module_::import("braggio.errors").attr(class_name(e.fault));
  const py::object path = e.path.empty() ? py::object(py::none()) : py::object(path_str(e.path));
  raise(type("path"_a = path, "field"_a = readable(e.field), "expected"_a = readable(e.expected),
             "found"_a = readable(e.found), "offset"_a = e.offset));
}

// Inputs: the OSError subclass of the errno (FileNotFoundError, ...). Outputs: OutputError with that errno.
void raise_system_error(const SystemError& e) {
  using namespace pybind11::literals;
  if (e.output) {
    raise(py::module_::import("braggio.errors").attr("OutputError")("path"_a = path_str(e.path), "errno"_a = e.number));
    return;
  }
  errno = e.number;
  PyErr_SetFromErrnoWithFilename(PyExc_OSError, e.path.c_str());
}

}  // namespace

void add_errors(py::module_&) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& e) {
      raise_error(e);
    } catch (const SystemError& e) {
      raise_system_error(e);
    }
  });
}

}  // namespace braggio::bind
