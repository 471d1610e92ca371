#include "braggio/mask.hpp"

#include "components.hpp"

namespace braggio::bind {
namespace {

void set_threshold(BitMask& self, const py::array& frame, const py::array& limits) {
  require_contiguous(frame, "frame");
  require_contiguous(limits, "threshold");
  require_shape(frame, self.height(), self.width(), "frame");
  require_shape(limits, self.height(), self.width(), "threshold");
  const PixelType type = array_type(frame);
  if (array_type(limits) != type) throw py::value_error("threshold must have the dtype of frame");
  const Level level = chosen_level();
  with_pixel(type, [&]<class T>() {
    const auto* pixels = static_cast<const T*>(frame.data());
    const auto* bounds = static_cast<const T*>(limits.data());
    py::gil_scoped_release release;
    threshold(pixels, bounds, self, level);
  });
}

void require_bytes(const py::array& array) {
  if (array.itemsize() != 1) throw py::value_error("mask must be bool or uint8");
}

void set_bytes(BitMask& self, const py::array& mask) {
  require_contiguous(mask, "mask");
  require_shape(mask, self.height(), self.width(), "mask");
  require_bytes(mask);
  const auto* bytes = static_cast<const std::uint8_t*>(mask.data());
  const Level level = chosen_level();
  py::gil_scoped_release release;
  pack(bytes, self, level);
}

void get_bytes(const BitMask& self, const py::array& out) {
  require_writeable(out, "out");
  require_shape(out, self.height(), self.width(), "out");
  require_bytes(out);
  auto* bytes = static_cast<std::uint8_t*>(const_cast<void*>(out.data()));
  py::gil_scoped_release release;
  unpack(self, bytes);
}

}  // namespace

void add_mask(py::module_& module) {
  py::class_<BitMask>(module, "BitMask", "A 2-D mask as packed bits.")
      .def(py::init<std::size_t, std::size_t>(), py::arg("height"), py::arg("width"))
      .def_property_readonly("height", &BitMask::height)
      .def_property_readonly("width", &BitMask::width)
      .def("threshold", &set_threshold, py::arg("frame").noconvert(), py::arg("limits").noconvert(),
           "Become frame >= limits.")
      .def("pack", &set_bytes, py::arg("mask").noconvert(), "Become mask != 0.")
      .def("unpack", &get_bytes, py::arg("out").noconvert(), "Fill out with 0 and 1.")
      .def(
          "erode", [](BitMask& self, std::size_t steps, int c) { erode(self, steps, structure_of(c), chosen_level()); },
          py::arg("steps"), py::arg("connectivity"), py::call_guard<py::gil_scoped_release>())
      .def(
          "dilate",
          [](BitMask& self, std::size_t steps, int c) { dilate(self, steps, structure_of(c), chosen_level()); },
          py::arg("steps"), py::arg("connectivity"), py::call_guard<py::gil_scoped_release>())
      .def(
          "count", [](const BitMask& self) { return count(self, chosen_level()); },
          py::call_guard<py::gil_scoped_release>());
}

}  // namespace braggio::bind
