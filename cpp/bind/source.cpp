#include <optional>
#include <vector>

#include "bind.hpp"
#include "braggio/pixels.hpp"

namespace braggio::bind {
namespace {

HeldSource over(const py::buffer& buffer, std::optional<std::uint64_t> size) {
  py::buffer_info memory = buffer.request();
  py::ssize_t expected = memory.itemsize;
  for (auto axis = memory.ndim; axis-- > 0;) {  // C order without gaps
    const auto i = static_cast<std::size_t>(axis);
    if (memory.shape[i] > 1 && memory.strides[i] != expected) throw py::value_error("memory must be C-contiguous");
    expected *= memory.shape[i];
  }
  const auto held = static_cast<std::size_t>(memory.size * memory.itemsize);
  const Bytes bytes(static_cast<const std::byte*>(memory.ptr), held);
  return {Source::over(bytes, size.value_or(held)), std::move(memory)};
}

py::bytes read_bytes(const HeldSource& self, std::uint64_t offset, std::uint64_t count) {
  const std::uint64_t size = self.source.available();
  if (offset > size) offset = size;
  const std::uint64_t available = std::min(count, size - offset);
  std::vector<std::byte> bytes(available);
  {
    py::gil_scoped_release release;
    self.source.read(offset, bytes);
  }
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void read_frame(const HeldSource& self, const FrameLayout& layout, std::uint64_t frame, const py::array& out) {
  require_writeable(out, "out");
  if (static_cast<std::uint64_t>(out.nbytes()) != layout.frame_bytes())
    throw py::value_error("out has another size than the frame");
  const MutableBytes target(static_cast<std::byte*>(const_cast<void*>(out.data())),
                            static_cast<std::size_t>(out.nbytes()));
  py::gil_scoped_release release;
  for (std::uint64_t at = 0; at < target.size(); at += block_bytes)
    read_block(self.source, layout, frame, at,
               target.subspan(at, std::min<std::size_t>(block_bytes, target.size() - at)));
}

// Frame frames[k] into out[places[k]].
void read_frames(const HeldSource& self, const FrameLayout& layout, const py::array_t<std::int64_t>& frames,
                 const py::array& out, const py::array_t<std::int64_t>& places) {
  require_writeable(out, "out");
  if (frames.ndim() != 1 || places.ndim() != 1 || frames.size() != places.size())
    throw py::value_error("frames and places must be of one length");
  if (out.ndim() == 0 || static_cast<std::uint64_t>(out.nbytes()) !=
                             checked_product(static_cast<std::uint64_t>(out.shape(0)), layout.frame_bytes(), "out"))
    throw py::value_error("out has another size than its frames");
  const auto all =
      std::span(static_cast<std::byte*>(const_cast<void*>(out.data())), static_cast<std::size_t>(out.nbytes()));
  const auto room = out.shape(0);
  const auto from = frames.unchecked<1>(), to = places.unchecked<1>();
  for (py::ssize_t k = 0; k < frames.size(); ++k)
    if (from(k) < 0 || to(k) < 0 || to(k) >= room) throw py::index_error("frame or place out of range");
  py::gil_scoped_release release;
  for (py::ssize_t k = 0; k < frames.size(); ++k) {
    const MutableBytes target =
        all.subspan(static_cast<std::size_t>(to(k)) * layout.frame_bytes(), layout.frame_bytes());
    for (std::uint64_t at = 0; at < target.size(); at += block_bytes)
      read_block(self.source, layout, static_cast<std::uint64_t>(from(k)), at,
                 target.subspan(at, std::min<std::size_t>(block_bytes, target.size() - at)));
  }
}

void read_single(const HeldSource& self, const FrameLayout& layout, std::uint64_t frame,
                 const py::array_t<std::int64_t>& indices, const py::array& out) {
  require_contiguous(indices, "indices");
  require_writeable(out, "out");
  const std::size_t size = info(layout.type).size;
  if (out.size() != indices.size() || static_cast<std::size_t>(out.itemsize()) != size)
    throw py::value_error("out must have one stored pixel for each index");
  const std::span<const std::int64_t> places(indices.data(), static_cast<std::size_t>(indices.size()));
  const MutableBytes target(static_cast<std::byte*>(const_cast<void*>(out.data())),
                            static_cast<std::size_t>(out.nbytes()));
  py::gil_scoped_release release;
  read_pixels(self.source, layout, frame, places, target);
}

}  // namespace

void add_source(py::module_& module) {
  py::class_<HeldSource>(module, "Source", "Bytes of a regular file, or of memory.")
      .def_static(
          "open",
          [](const py::object& path) {
            const std::string name = path_bytes(path);
            py::gil_scoped_release release;
            return HeldSource{Source::open(name), {}};
          },
          py::arg("path"))
      .def_static("over", &over, py::arg("memory"), py::arg("size") = py::none(),
                  "`size`: the memory is only the beginning of that many bytes, enough for a header.")
      .def_property_readonly("size", [](const HeldSource& self) { return self.source.size(); })
      .def_property_readonly("in_memory", [](const HeldSource& self) { return self.source.in_memory(); })
      .def("read", &read_bytes, py::arg("offset"), py::arg("count"),
           "At most `count` bytes from `offset` on; fewer at the end.")
      .def("read_frames", &read_frames, py::arg("layout"), py::arg("frames"), py::arg("out").noconvert(),
           py::arg("places"), "Fill out[places[k]] with frame frames[k], in native byte order.")
      .def("read_frame", &read_frame, py::arg("layout"), py::arg("frame"), py::arg("out").noconvert(),
           "Fill `out` with the native pixels of one frame.")
      .def("read_pixels", &read_single, py::arg("layout"), py::arg("frame"), py::arg("indices").noconvert(),
           py::arg("out").noconvert(), "Fill `out` with single pixels of one frame, by flat index.");
}

}  // namespace braggio::bind
