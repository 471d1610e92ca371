#include "braggio/peaks.hpp"

#include <optional>

#include "bind.hpp"

namespace braggio::bind {
namespace {

py::array_t<std::int64_t> run_peaks(const py::array& map, float cutoff, double radius, std::size_t border,
                                    std::size_t max_peaks, const std::optional<py::array>& allowed,
                                    std::size_t threads) {
  require_contiguous(map, "map");
  if (map.ndim() != 2 || array_type(map) != PixelType::f32) throw py::value_error("map must be 2-D float32");
  PickRules rules{cutoff, radius, border, max_peaks};
  if (allowed) {
    require_contiguous(*allowed, "allowed");
    if (allowed->itemsize() != 1 || allowed->ndim() != 2 || allowed->shape(0) != map.shape(0) ||
        allowed->shape(1) != map.shape(1))
      throw py::value_error("allowed must be bool and of the shape of map");
    rules.allowed = static_cast<const std::uint8_t*>(allowed->data());
  }
  const auto height = static_cast<std::size_t>(map.shape(0)), width = static_cast<std::size_t>(map.shape(1));
  const auto* values = static_cast<const float*>(map.data());
  const Level level = chosen_level();
  std::vector<std::int64_t> peaks;
  {
    py::gil_scoped_release release;
    peaks = pick_peaks(values, height, width, rules, threads, level);
  }
  return py::array_t<std::int64_t>(static_cast<py::ssize_t>(peaks.size()), peaks.data());
}

}  // namespace

void add_peaks(py::module_& module) {
  module.def("pick_peaks", &run_peaks, py::arg("map").noconvert(), py::kw_only(), py::arg("cutoff"), py::arg("radius"),
             py::arg("border"), py::arg("max_peaks"), py::arg("allowed") = py::none(), py::arg("threads") = 1,
             "Flat indices of the peaks above the cutoff, the highest first.");
}

}  // namespace braggio::bind
