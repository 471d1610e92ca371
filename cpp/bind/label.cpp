#include "braggio/label.hpp"
#include "braggio/split.hpp"

#include <optional>

#include "bind.hpp"

namespace braggio::bind {
namespace {

std::size_t run_label(Components& self, const BitMask& mask, int connectivity, std::int64_t min_pixels) {
  if (connectivity != 1 && connectivity != 2) throw py::value_error("connectivity must be 1 or 2");
  py::gil_scoped_release release;
  return self.label(mask, static_cast<Structure>(connectivity), min_pixels);
}

void require_frame(const Components& self, const py::array& array, const char* name) {
  require_contiguous(array, name);
  if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(0)) != self.height() ||
      static_cast<std::size_t>(array.shape(1)) != self.width())
    throw py::value_error(std::string(name) + " must have the shape of the mask");
}

void fill(const Components& self, const py::array& out, bool zeroed) {
  require_frame(self, out, "out");
  require_writeable(out, "out");
  if (array_type(out) != PixelType::i32) throw py::value_error("out must be int32");
  auto* labels = static_cast<std::int32_t*>(const_cast<void*>(out.data()));
  py::gil_scoped_release release;
  self.fill(labels, zeroed);
}

py::array_t<std::int32_t> boxes(const Components& self) {
  std::vector<Box> found;
  {
    py::gil_scoped_release release;
    found = self.boxes();
  }
  py::array_t<std::int32_t> out({found.size(), std::size_t{4}});
  auto view = out.mutable_unchecked<2>();
  for (py::ssize_t i = 0; i < view.shape(0); ++i) {
    const Box& box = found[static_cast<std::size_t>(i)];
    view(i, 0) = box.row_begin;
    view(i, 1) = box.row_end;
    view(i, 2) = box.column_begin;
    view(i, 3) = box.column_end;
  }
  return out;
}

py::tuple pixel_lists(const Components& self) {
  std::vector<std::int64_t> sizes;
  {
    py::gil_scoped_release release;
    sizes = self.pixels();
  }
  std::int64_t total = 0;
  for (const std::int64_t size : sizes) total += size;
  py::array_t<std::int32_t> list(total);
  py::array_t<std::int64_t> counts(static_cast<py::ssize_t>(sizes.size()), sizes.data());
  auto* target = list.mutable_data();
  {
    py::gil_scoped_release release;
    self.list_pixels(sizes, target);
  }
  return py::make_tuple(list, counts);
}

// One field of every spot, as an array.
template <class Out, class T, class Get>
py::array_t<Out> spot_column(const std::vector<Spot<T>>& spots, Get get) {
  py::array_t<Out> out(static_cast<py::ssize_t>(spots.size()));
  auto* data = out.mutable_data();
  for (std::size_t i = 0; i < spots.size(); ++i) data[i] = static_cast<Out>(get(spots[i]));
  return out;
}

const double* map_of(const Components& self, const std::optional<py::array>& array, const char* name) {
  if (!array) return nullptr;
  require_frame(self, *array, name);
  if (array_type(*array) != PixelType::f64) throw py::value_error(std::string(name) + " must be float64");
  return static_cast<const double*>(array->data());
}

template <class T>
py::dict columns(const std::vector<Spot<T>>& spots, bool background, bool noise, bool saturation) {
  py::dict found;
  found["n_pixels"] = spot_column<std::int64_t>(spots, [](const auto& s) { return s.pixels; });
  found["sum"] = spot_column<PixelSum<T>>(spots, [](const auto& s) { return s.sum; });
  found["max"] = spot_column<T>(spots, [](const auto& s) { return s.max; });
  found["argmax"] = spot_column<std::int64_t>(spots, [](const auto& s) { return s.argmax; });
  if (noise) found["variance"] = spot_column<double>(spots, [](const auto& s) { return s.variance; });
  if (saturation) found["n_saturated"] = spot_column<std::int64_t>(spots, [](const auto& s) { return s.saturated; });
  if (background) found["background"] = spot_column<double>(spots, [](const auto& s) { return s.background; });
  if (!noise) return found;
  found["weight"] = spot_column<double>(spots, [](const auto& s) { return s.weight; });
  found["weighted_row"] = spot_column<double>(spots, [](const auto& s) { return s.weighted_row; });
  found["weighted_column"] = spot_column<double>(spots, [](const auto& s) { return s.weighted_column; });
  return found;
}

py::dict measure(const Components& self, const py::array& image, const std::optional<py::array>& background,
                 const std::optional<py::array>& noise, const std::optional<py::array>& saturation) {
  require_frame(self, image, "image");
  const PixelType type = array_type(image);
  if (saturation && (saturation->size() != 1 || array_type(*saturation) != type))
    throw py::value_error("saturation must be one value of the dtype of image");
  const double* levels = map_of(self, background, "background");
  const double* sigmas = map_of(self, noise, "noise");
  if (sigmas != nullptr && levels == nullptr) throw py::value_error("noise needs a background");
  return with_pixel(type, [&]<class T>() {
    const auto* pixels = static_cast<const T*>(image.data());
    const Reference<T> reference{levels, sigmas, saturation ? static_cast<const T*>(saturation->data()) : nullptr};
    std::vector<Spot<T>> spots;
    {
      py::gil_scoped_release release;
      spots = self.measure(pixels, reference);
    }
    return columns(spots, levels != nullptr, sigmas != nullptr, saturation.has_value());
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
      .def("boxes", &boxes, "(n, 4) half-open row and column bounds.")
      .def("pixel_lists", &pixel_lists, "(flat indices of all components, pixels of each).")
      .def(
          "split",
          [](Components& self, const py::array& heights, std::size_t reach) {
            const double* values = map_of(self, heights, "heights");
            py::gil_scoped_release release;
            return split(self, values, static_cast<std::ptrdiff_t>(std::min<std::size_t>(reach, 1000)));
          },
          py::arg("heights").noconvert(), py::arg("reach"), "Split them at local maxima; how many there are.")
      .def("measure", &measure, py::arg("image").noconvert(), py::arg("background") = py::none(),
           py::arg("noise") = py::none(), py::arg("saturation") = py::none(),
           "Sums and maxima of an image over each component.");
}

}  // namespace braggio::bind
