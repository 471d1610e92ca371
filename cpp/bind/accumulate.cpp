#include "braggio/accumulate.hpp"

#include "bind.hpp"

namespace braggio::bind {
namespace {

constexpr std::size_t max_pixels = std::size_t{1} << 31;

Accumulator make(std::size_t height, std::size_t width, std::size_t bins, double low, double high) {
  if (height == 0 || width == 0 || height > max_pixels / width)
    throw py::value_error("shape must have from 1 to 2^31 pixels");
  if (bins > 0 && !(low < high && std::isfinite(low) && std::isfinite(high)))
    throw py::value_error("the histogram must have low < high");
  return Accumulator(height, width, Histogram(bins, low, high));
}

void require_correlograms(const Accumulator& self, const py::array& batch) {
  require_contiguous(batch, "correlograms");
  if (batch.ndim() != 3 || array_type(batch) != PixelType::f32 ||
      static_cast<std::size_t>(batch.shape(1)) != self.height() ||
      static_cast<std::size_t>(batch.shape(2)) != self.width())
    throw py::value_error("correlograms must be float32 of shape (n, height, width)");
}

void check(const Accumulator& self, const py::array& batch) {
  require_correlograms(self, batch);
  const auto* values = static_cast<const float*>(batch.data());
  const auto count = static_cast<std::size_t>(batch.shape(0));
  const Level level = chosen_level();
  py::gil_scoped_release release;
  self.require(values, count, level);
}

void update(Accumulator& self, const py::array& batch, const py::array_t<std::int64_t>& indices, std::size_t threads) {
  require_correlograms(self, batch);
  require_contiguous(indices, "indices");
  if (batch.shape(0) != indices.size()) throw py::value_error("indices must be one for each correlogram");
  const std::span<const std::int64_t> numbers(indices.data(), static_cast<std::size_t>(indices.size()));
  const auto* values = static_cast<const float*>(batch.data());
  const Level level = chosen_level();
  py::gil_scoped_release release;
  self.update(values, numbers, threads, level);
}

template <class Vector>
py::array view(const py::object& self, Vector& values, std::vector<py::ssize_t> shape) {
  return py::array_t<typename Vector::value_type>(std::move(shape), values.data(), self);
}

// What a partial result holds; the arrays are the state itself and keep it alive.
py::dict arrays(const py::object& self) {
  auto& accumulator = self.cast<Accumulator&>();
  auto& state = accumulator.state();
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(accumulator.height()),
                                       static_cast<py::ssize_t>(accumulator.width())};
  py::dict found;
  found["best"] = view(self, state.best, shape);
  found["index"] = view(self, state.index, shape);
  found["sum_high"] = view(self, state.sum_high, shape);
  found["sum_low"] = view(self, state.sum_low, shape);
  found["square_high"] = view(self, state.square_high, shape);
  found["square_low"] = view(self, state.square_low, shape);
  auto& counts = accumulator.histogram_counts();
  found["histogram"] = view(self, counts, {static_cast<py::ssize_t>(counts.size())});
  return found;
}

py::tuple finish(const Accumulator& self, std::size_t threads) {
  const std::vector<std::size_t> shape{self.height(), self.width()};
  py::array_t<float> mean(shape), deviation(shape), scaled(shape);
  const Accumulator::Maps maps{mean.mutable_data(), deviation.mutable_data(), scaled.mutable_data()};
  {
    py::gil_scoped_release release;
    self.finish(maps, threads);
  }
  return py::make_tuple(mean, deviation, scaled);
}

}  // namespace

void add_accumulate(py::module_& module) {
  py::class_<Accumulator>(module, "Accumulator", "Exact statistics of correlograms, per pixel.")
      .def(py::init(&make), py::arg("height"), py::arg("width"), py::kw_only(), py::arg("bins") = 0,
           py::arg("low") = 0.0, py::arg("high") = 1.0)
      .def_property_readonly("height", &Accumulator::height)
      .def_property_readonly("width", &Accumulator::width)
      .def_property_readonly("count", &Accumulator::count)
      .def("check", &check, py::arg("correlograms").noconvert(), "Would an update take them? It throws if not.")
      .def("update", &update, py::arg("correlograms").noconvert(), py::arg("indices").noconvert(), py::arg("threads"))
      .def("merge", &Accumulator::merge, py::arg("other"), py::call_guard<py::gil_scoped_release>())
      .def("arrays", &arrays, "The state itself, by name.")
      .def("restore", &Accumulator::restore, py::arg("count"), py::call_guard<py::gil_scoped_release>(),
           "The arrays have been filled: check them, and take the number of correlograms.")
      .def("finish", &finish, py::arg("threads"), "(mean, standard deviation, scaled best).");
}

}  // namespace braggio::bind
