#include "braggio/ranks.hpp"

#include "bind.hpp"

namespace braggio::bind {
namespace {

void run_ranks(const py::array& values, const py::array& out) {
  require_contiguous(values, "values");
  require_writeable(out, "out");
  if (array_type(values) != PixelType::f32 || array_type(out) != PixelType::f64 || values.size() != out.size())
    throw py::value_error("values must be float32, and out float64 of the same size");
  const auto* numbers = static_cast<const float*>(values.data());
  auto* target = static_cast<double*>(const_cast<void*>(out.data()));
  const auto count = static_cast<std::size_t>(values.size());
  py::gil_scoped_release release;
  fill_ranks(numbers, count, target);
}

}  // namespace

void add_ranks(py::module_& module) {
  module.def("fill_ranks", &run_ranks, py::arg("values").noconvert(), py::arg("out").noconvert(),
             "Fill `out` with the ranks of the values, from 1; equal ones share their mean.");
}

}  // namespace braggio::bind
