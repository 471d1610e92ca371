#include "braggio/deflate.hpp"

#include <memory>

#include "bind.hpp"
#include "braggio/deflate_masks.hpp"
#include "braggio/inflate.hpp"
#include "braggio/shuffle.hpp"

namespace braggio::bind {
namespace {

py::bytes encode_shuffled(const py::array& values) {
  require_contiguous(values, "values");
  const auto* data = static_cast<const std::uint8_t*>(values.data());
  const auto count = static_cast<std::size_t>(values.size()), size = static_cast<std::size_t>(values.itemsize());
  const auto deflater = std::make_unique<RunDeflater>();
  std::span<const std::uint8_t> stream;
  {
    py::gil_scoped_release release;
    stream = deflate_shuffled(data, count, size, *deflater);
  }
  return py::bytes(reinterpret_cast<const char*>(stream.data()), stream.size());
}

MutableBytes bytes_of(const py::array& out) {
  require_writeable(out, "out");
  return {static_cast<std::byte*>(const_cast<void*>(out.data())), static_cast<std::size_t>(out.nbytes())};
}

void decode(const py::bytes& stream, const py::array& out) {
  const Bytes bytes = std::as_bytes(std::span(std::string_view(stream)));
  const MutableBytes target = bytes_of(out);
  const Level level = chosen_level();
  py::gil_scoped_release release;
  Inflater().inflate(bytes, target, level);
}

void join_planes(const py::array& planes, const py::array& out) {
  require_contiguous(planes, "planes");
  const MutableBytes target = bytes_of(out);
  if (planes.nbytes() != out.nbytes()) throw py::value_error("planes and out must be of one size");
  const Level level = chosen_level();
  const auto count = static_cast<std::size_t>(out.size()), size = static_cast<std::size_t>(out.itemsize());
  const auto* source = static_cast<const std::uint8_t*>(planes.data());
  py::gil_scoped_release release;
  unshuffle(source, count, size, reinterpret_cast<std::uint8_t*>(target.data()), level);
}

}  // namespace

void add_deflate(py::module_& module) {
  module.def("deflate_shuffled", &encode_shuffled, py::arg("values").noconvert(),
             "A zlib stream of the bytes of numbers, the first byte of all of them first.");
  module.def("inflate", &decode, py::arg("stream"), py::arg("out").noconvert(),
             "Fill an array with the bytes of a zlib stream, which must be as many.");
  module.def("unshuffle", &join_planes, py::arg("planes").noconvert(), py::arg("out").noconvert(),
             "Fill an array with numbers whose first bytes stand first, then the second ones, and so on.");
}

}  // namespace braggio::bind
