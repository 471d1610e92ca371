#include "braggio/boxes.hpp"

#include "bind.hpp"

namespace braggio::bind {
namespace {

Edges edges_named(const std::string& name) {
  if (name == "constant") return Edges::constant;
  if (name == "reflect") return Edges::reflect;
  if (name == "edge") return Edges::edge;
  throw py::value_error("edges must be constant, reflect or edge");
}

void run_boxes(const py::array& image, const py::array_t<std::int64_t>& corners, const py::array& out,
               const std::string& edges, const py::array& fill) {
  require_contiguous(image, "image");
  require_contiguous(corners, "corners");
  require_writeable(out, "out");
  const PixelType type = array_type(image);
  if (image.ndim() != 2 || image.size() == 0) throw py::value_error("image must be 2-D and not empty");
  if (corners.ndim() != 2 || corners.shape(1) != 2) throw py::value_error("corners must be of shape (n, 2)");
  if (out.ndim() != 3 || out.shape(0) != corners.shape(0) || array_type(out) != type)
    throw py::value_error("out must be of shape (n, height, width) and of the dtype of image");
  if (fill.size() != 1 || array_type(fill) != type) throw py::value_error("fill must be one value of image's dtype");
  const Edges rule = edges_named(edges);
  const Level level = chosen_level();
  const std::int64_t* places = corners.data();
  const std::int64_t count = out.shape(0), height = out.shape(1), width = out.shape(2);
  with_pixel(type, [&]<class T>() {
    const Image<T> whole{static_cast<const T*>(image.data()), image.shape(0), image.shape(1)};
    auto* target = static_cast<T*>(const_cast<void*>(out.data()));
    const T value = *static_cast<const T*>(fill.data());
    py::gil_scoped_release release;
    for (std::int64_t i = 0; i < count; ++i)
      copy_box(whole, places[2 * i], places[2 * i + 1], height, width, rule, value, target + i * height * width, level);
  });
}

}  // namespace

void add_boxes(py::module_& module) {
  module.def("copy_boxes", &run_boxes, py::arg("image").noconvert(), py::arg("corners").noconvert(),
             py::arg("out").noconvert(), py::kw_only(), py::arg("edges"), py::arg("fill").noconvert(),
             "Fill `out` with the boxes of an image whose top left pixels are `corners`.");
}

}  // namespace braggio::bind
