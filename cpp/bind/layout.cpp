#include "braggio/layout.hpp"
#include "bind.hpp"

namespace braggio::bind {
namespace {

FrameLayout make_layout(const std::string& dtype, std::uint64_t width, std::uint64_t height, std::uint64_t nframes,
                        std::uint64_t first, bool big_endian) {
  FrameLayout layout;
  layout.type = pixel_type(dtype);
  layout.order = big_endian ? ByteOrder::big : ByteOrder::little;
  layout.width = width;
  layout.height = height;
  layout.nframes = nframes;
  layout.first = first;
  layout.extent();  // refuses sizes whose products do not fit
  layout.stride = layout.frame_bytes();
  layout.extent();
  return layout;
}

FrameLayout flipped(const FrameLayout& self) {
  FrameLayout layout = self;
  layout.flip = !layout.flip;
  return layout;
}

}  // namespace

void add_layout(py::module_& module) {
  py::class_<FrameLayout>(module, "FrameLayout", "Where the pixels of a frame stack lie: type, order, shape, offsets.")
      .def(py::init(&make_layout), py::kw_only(), py::arg("dtype"), py::arg("width"), py::arg("height"),
           py::arg("nframes") = 1, py::arg("first") = 0, py::arg("big_endian") = native_order == ByteOrder::big)
      .def_property_readonly("dtype", [](const FrameLayout& self) { return std::string(info(self.type).name); })
      .def_property_readonly("big_endian", [](const FrameLayout& self) { return self.order == ByteOrder::big; })
      .def_readonly("width", &FrameLayout::width)
      .def_readonly("height", &FrameLayout::height)
      .def_readonly("nframes", &FrameLayout::nframes)
      .def_readonly("flip", &FrameLayout::flip)
      .def_property_readonly("frame_bytes", &FrameLayout::frame_bytes)
      .def_property_readonly("extent", &FrameLayout::extent, "The byte after the furthest frame.")
      .def("frame_offset", &FrameLayout::frame_offset, py::arg("frame"))
      .def("flipped", &flipped, "The same frames with the order of their rows reversed.");
}

}  // namespace braggio::bind
