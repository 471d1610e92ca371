// What the binding files share: their entry points, and the Python faces of core types.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "braggio/header.hpp"
#include "braggio/layout.hpp"
#include "braggio/smv.hpp"
#include "braggio/source.hpp"

namespace py = pybind11;

namespace braggio::bind {

// A Source together with whatever Python object owns its memory.
struct HeldSource {
  Source source;
  py::buffer_info memory;
};

// numpy's dtype name of an array in native byte order, else a TypeError-like refusal.
inline PixelType array_type(const py::array& array) {
  if (array.dtype().byteorder() == (native_order == ByteOrder::little ? '>' : '<'))
    throw py::value_error("array must be in native byte order");
  const char kind = array.dtype().kind();
  for (std::size_t i = 0; i < pixel_infos.size();
       ++i)  // kinds are the first letters of the names, which numpy is slow to say
    if (pixel_infos[i].name.front() == kind && static_cast<py::ssize_t>(pixel_infos[i].size) == array.itemsize())
      return static_cast<PixelType>(i);
  return pixel_type(py::cast<std::string>(array.dtype().attr("name")));
}

inline void require_contiguous(const py::array& array, const char* name) {
  if ((array.flags() & py::array::c_style) == 0) throw py::value_error(std::string(name) + " must be C-contiguous");
}

inline void require_writeable(const py::array& array, const char* name) {
  require_contiguous(array, name);
  if (!array.writeable()) throw py::value_error(std::string(name) + " must be writeable");
}

// A path as the system takes it: any str (surrogate escapes too), bytes or os.PathLike; Python refuses NUL bytes.
inline std::string path_bytes(const py::object& path) {
  PyObject* bytes = nullptr;
  if (PyUnicode_FSConverter(path.ptr(), &bytes) == 0) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(bytes);
}

inline py::str path_str(const std::string& path) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<py::ssize_t>(path.size())));
}

void add_errors(py::module_& module);
void add_cpu(py::module_& module);
void add_source(py::module_& module);
void add_layout(py::module_& module);
void add_publish(py::module_& module);
void add_clamp(py::module_& module);
void add_transcode(py::module_& module);
void add_headers(py::module_& module);
void add_star(py::module_& module);
void add_records(py::module_& module);
void add_images(py::module_& module);
void add_mask(py::module_& module);
void add_label(py::module_& module);
void add_spot_pass(py::module_& module);
void add_trimmed(py::module_& module);
void add_peaks(py::module_& module);
void add_ranks(py::module_& module);
void add_boxes(py::module_& module);
void add_accumulate(py::module_& module);
void add_xtc(py::module_& module);
void add_pickle(py::module_& module);
void add_cbf(py::module_& module);
void add_deflate(py::module_& module);

}  // namespace braggio::bind
