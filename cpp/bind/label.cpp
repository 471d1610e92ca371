#include "components.hpp"

#include <limits>

namespace braggio::bind {
namespace {

std::size_t run_label(Components& self, const BitMask& mask, int connectivity, std::int64_t min_pixels) {
  const Structure structure = structure_of(connectivity);
  py::gil_scoped_release release;
  return self.label(mask, structure, min_pixels);
}

void fill(const Components& self, const py::array& out, bool zeroed) {
  require_shape(out, self.height(), self.width(), "out");
  require_writeable(out, "out");
  void* labels = const_cast<void*>(out.data());
  const PixelType type = array_type(out);
  if (type != PixelType::i32 && type != PixelType::u16) throw py::value_error("out must be int32 or uint16");
  py::gil_scoped_release release;
  if (type == PixelType::i32) return self.fill(static_cast<std::int32_t*>(labels), zeroed);
  constexpr std::size_t most = std::numeric_limits<std::uint16_t>::max();
  if (self.count() > most)
    throw Error(Fault::limit, "labels", "at most " + std::to_string(most) + " in uint16", std::to_string(self.count()));
  self.fill(static_cast<std::uint16_t*>(labels), zeroed);
}

py::dict measure(const Components& self, const py::array& image) {
  require_shape(image, self.height(), self.width(), "image");
  return with_pixel(array_type(image), [&]<class T>() {
    const auto* pixels = static_cast<const T*>(image.data());
    std::vector<Spot<T>> spots;
    {
      py::gil_scoped_release release;
      spots = self.measure(pixels, {});
    }
    return spot_columns<T>(spots, {});
  });
}

}  // namespace

void add_label(py::module_& module) {
  py::class_<Components>(module, "Components", "The connected components of a mask.")
      .def(py::init<>())
      .def("label", &run_label, py::arg("mask"), py::arg("connectivity"), py::arg("min_pixels") = 1,
           "Find them; how many there are.")
      .def_property_readonly("count", &Components::count)
      .def("fill", &fill, py::arg("out").noconvert(), py::arg("zeroed") = false, "Write the label image.")
      .def(
          "boxes", [](const Components& self) { return box_array(self.boxes()); },
          "(n, 4) half-open row and column bounds.")
      .def("pixel_lists", &pixel_list_arrays, "(flat indices of all components, pixels of each).")
      .def("measure", &measure, py::arg("image").noconvert(), "Sums and maxima of an image over each component.");
}

}  // namespace braggio::bind
