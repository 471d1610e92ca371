#include "braggio/clamp.hpp"

#include <algorithm>
#include <vector>

#include "bind.hpp"
#include "braggio/parallel.hpp"

namespace braggio::bind {
namespace {

ClampCounts run_clamp(const py::array& array, const py::array& out, std::int64_t offset, std::size_t threads) {
  require_contiguous(array, "array");
  require_writeable(out, "out");
  const PixelType type = array_type(array);
  if (array_type(out) != PixelType::u16) throw py::value_error("out must be uint16");
  if (array.size() != out.size()) throw py::value_error("out must have the size of array");
  const auto count = static_cast<std::size_t>(array.size());
  auto* target = static_cast<std::uint16_t*>(const_cast<void*>(out.data()));
  const Level level = chosen_level();
  return with_pixel(type, [&]<class T>() {
    const auto* source = static_cast<const T*>(array.data());
    const std::size_t parts = count * sizeof(T) < parallel_bytes ? 1 : std::max<std::size_t>(threads, 1);
    std::vector<ClampCounts> counts(parts);
    py::gil_scoped_release release;
    for_ranges(count, parts, [&](std::size_t start, std::size_t stop, std::size_t part) {
      counts[part] = clamp(source + start, target + start, stop - start, offset, level);
    });
    ClampCounts all;
    for (const ClampCounts& part : counts) all += part;
    return all;
  });
}

}  // namespace

void add_clamp(py::module_& module) {
  py::class_<ClampCounts>(module, "ClampCounts", "Pixels that a clamp lost or rounded.")
      .def_readonly("low", &ClampCounts::low)
      .def_readonly("high", &ClampCounts::high)
      .def_readonly("rounded", &ClampCounts::rounded);
  module.def("clamp", &run_clamp, py::arg("array").noconvert(), py::arg("out").noconvert(), py::arg("offset"),
             py::arg("threads"), "out = clip(array + offset, 0, 65535), with the counts of what was lost.");
}

}  // namespace braggio::bind
