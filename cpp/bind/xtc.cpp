#include "braggio/xtc.hpp"

#include <span>
#include <vector>

#include "bind.hpp"
#include "braggio/xtc_cspad.hpp"
#include "braggio/xtc_unpack.hpp"

namespace braggio::bind {
namespace {

template <class Record>
py::array_t<Record> to_array(const std::vector<Record>& records) {
  py::array_t<Record> array(static_cast<py::ssize_t>(records.size()));
  if (!records.empty()) std::memcpy(array.mutable_data(), records.data(), records.size() * sizeof(Record));
  return array;
}

py::tuple walk(const HeldSource& self, std::uint64_t offset, std::uint64_t count, bool nested) {
  XtcWalk found;
  {
    py::gil_scoped_release release;
    found = walk_xtc(self.source, offset, count, nested);
  }
  return py::make_tuple(to_array(found.datagrams), to_array(found.nodes), to_array(found.faults), found.end);
}

py::bytes unpack(const HeldSource& self, std::uint64_t offset, std::uint64_t count) {
  std::vector<std::byte> out;
  {
    py::gil_scoped_release release;
    if (offset > self.source.available() || self.source.available() - offset < count)
      throw Error(Fault::truncated, "compressed payload", std::to_string(count) + " bytes",
                  std::to_string(self.source.available()) + " bytes in all", offset);
    std::vector<std::byte> packed(count);
    self.source.read(offset, packed);
    out = unpack_xtc(packed);
  }
  return py::bytes(reinterpret_cast<const char*>(out.data()), out.size());
}

py::array_t<CspadQuad> cspad(const HeldSource& self, std::uint64_t offset, std::uint64_t size,
                             const std::array<std::uint8_t, cspad_quads>& masks, const py::array_t<std::int16_t>& out) {
  require_writeable(out, "out");
  if (static_cast<std::size_t>(out.size()) != cspad_pixels)
    throw py::value_error("out must have 4 x 8 x 185 x 388 pixels");
  const std::span<std::int16_t, cspad_pixels> pixels(const_cast<std::int16_t*>(out.data()), cspad_pixels);
  std::vector<CspadQuad> quads;
  {
    py::gil_scoped_release release;
    quads = read_cspad(self.source, offset, size, masks, pixels);
  }
  return to_array(quads);
}

}  // namespace

void add_xtc(py::module_& module) {
  PYBIND11_NUMPY_DTYPE(XtcDatagram, offset, seconds, nanoseconds, ticks, control, fiducials, vector, env, damage, log,
                       phy, type, extent);
  PYBIND11_NUMPY_DTYPE(XtcNode, offset, datagram, depth, damage, log, phy, type, extent, unused);
  PYBIND11_NUMPY_DTYPE(XtcFault, offset, datagram, problem, found, room);
  PYBIND11_NUMPY_DTYPE(CspadQuad, virtual_channel, lane, tid, acq_count, op_code, quad, seq_count, ticks, fiducials,
                       sb_temp, frame_type, sections);
  module.def("walk_xtc", &walk, py::arg("source"), py::arg("offset"), py::arg("count"), py::arg("nested") = true,
             "(datagrams, nodes, faults, end) of at most `count` datagrams from byte `offset` on.");
  module.def("unpack_xtc", &unpack, py::arg("source"), py::arg("offset"), py::arg("count"),
             "The payload that `count` bytes of compressed payload stand for.");
  module.def("read_cspad", &cspad, py::arg("source"), py::arg("offset"), py::arg("size"), py::arg("masks"),
             py::arg("out").noconvert(), "Fill `out` from a CspadElement; the headers of its quadrants.");
}

}  // namespace braggio::bind
