#include "braggio/transcode.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "bind.hpp"

namespace braggio::bind {
namespace {

using namespace pybind11::literals;

// One frame of a source.
struct FrameAt {
  const HeldSource& held;
  const FrameLayout& layout;
  std::uint64_t frame;
};

py::object wide_int(const WideSum& sum) { return (py::int_(sum.high) << py::int_(64)) | py::int_(sum.low); }

template <class T>
py::dict describe(FrameStats<T>& stats) {
  py::dict result("count"_a = stats.count, "min"_a = stats.min, "max"_a = stats.max, "not_finite"_a = stats.not_finite,
                  "low_quantile"_a = stats.not_finite ? stats.min : stats.low_quantile());
  if (stats.depth() == Depth::moments) {
    result["pivot"] = stats.pivot;
    result["sum"] = stats.sum;
    if constexpr (std::is_floating_point_v<T>)
      result["squares"] = stats.float_squares;
    else
      result["squares"] = wide_int(stats.squares);
  }
  return result;
}

py::dict scan(const HeldSource& held, const FrameLayout& layout, std::uint64_t frame, bool moments, double low_fraction,
              Scratch& scratch) {
  const Level level = chosen_level();
  if (!(low_fraction >= 0.0 && low_fraction <= 0.5)) throw py::value_error("low_fraction must be in 0..0.5");
  layout.require_within(held.source.size());
  return with_pixel(layout.type, [&]<class T>() {
    FrameStats<T> stats(layout.pixels(), moments ? Depth::moments : Depth::extremes, low_fraction, level);
    {
      py::gil_scoped_release release;
      for_each_block<T>(held.source, layout, frame, scratch.input, [&](std::span<const T> block) { stats.add(block); });
    }
    return describe(stats);
  });
}

py::tuple run_transcode(const HeldSource& held, const FrameLayout& layout, std::uint64_t frame,
                        const std::vector<Sink>& sinks, bool with_stats,
                        const std::optional<std::pair<std::int64_t, std::int64_t>>& range, std::size_t positions,
                        Scratch& scratch) {
  const Level level = chosen_level();
  layout.require_within(held.source.size());
  std::optional<ExactRange> exact_range;
  if (range) exact_range = ExactRange{range->first, range->second};
  return with_pixel(layout.type, [&]<class T>() {
    FrameStats<T> stats(layout.pixels(), Depth::moments, 0.0, level);
    Clipped clipped;
    clipped.limit = positions;
    bool exact = true;
    {
      py::gil_scoped_release release;
      exact = transcode<T>(held.source, layout, frame, sinks, with_stats ? &stats : nullptr, exact_range, clipped,
                           scratch, level);
    }
    py::object described = py::none();
    if (with_stats) described = describe(stats);
    return py::make_tuple(exact, std::move(clipped), described);
  });
}

Clipped clipped(const HeldSource& held, const FrameLayout& layout, std::uint64_t frame, std::int64_t offset,
                std::size_t positions, Scratch& scratch) {
  const Level level = chosen_level();
  layout.require_within(held.source.size());
  Clipped found;
  found.limit = positions;
  with_pixel(layout.type, [&]<class T>() {
    py::gil_scoped_release release;
    std::uint64_t pixel = 0;
    for_each_block<T>(held.source, layout, frame, scratch.input, [&](std::span<const T> block) {
      found.find(block, offset, pixel, level);
      pixel += block.size();
    });
  });
  return found;
}

py::array_t<std::int64_t> as_array(const std::vector<std::int64_t>& values) {
  return py::array_t<std::int64_t>(static_cast<py::ssize_t>(values.size()), values.data());
}

Sink make_sink(PartFile& file, std::uint64_t position, const std::string& dtype,
               std::optional<std::int64_t> clamp_offset) {
  Sink sink;
  sink.file = &file;
  sink.position = position;
  sink.type = pixel_type(dtype);
  sink.clamped = clamp_offset.has_value();
  sink.offset = clamp_offset.value_or(0);
  if (sink.clamped && sink.type != PixelType::u16) throw py::value_error("only uint16 is clamped");
  return sink;
}

}  // namespace

void add_transcode(py::module_& module) {
  py::class_<Scratch>(module, "Scratch", "Buffers that one thread reuses from frame to frame.").def(py::init<>());
  py::class_<Sink>(module, "Sink", "A place in a part file that takes one frame, little-endian.")
      .def(py::init(&make_sink), py::arg("file"), py::kw_only(), py::arg("position"), py::arg("dtype"),
           py::arg("clamp_offset") = py::none(), py::keep_alive<1, 2>());
  py::class_<Clipped>(module, "Clipped", "What a clamp loses of one frame.")
      .def_property_readonly("low", [](const Clipped& self) { return self.counts.low; })
      .def_property_readonly("high", [](const Clipped& self) { return self.counts.high; })
      .def_property_readonly("rounded", [](const Clipped& self) { return self.counts.rounded; })
      .def_property_readonly(
          "low_positions", [](const Clipped& self) { return as_array(self.low); }, "Flat indices, ascending.")
      .def_property_readonly("high_positions", [](const Clipped& self) { return as_array(self.high); });
  module.def("scan", &scan, py::arg("source"), py::arg("layout"), py::arg("frame"), py::kw_only(), py::arg("moments"),
             py::arg("low_fraction"), py::arg("scratch"),
             "Statistics of one frame in one pass; sums only with `moments`.");
  module.def("transcode", &run_transcode, py::arg("source"), py::arg("layout"), py::arg("frame"), py::arg("sinks"),
             py::kw_only(), py::arg("stats") = false, py::arg("exact_range") = py::none(), py::arg("positions") = 0,
             py::arg("scratch"),
             "One frame, read once, into all sinks: (every pixel in exact_range, Clipped with the first `positions` "
             "of each side, statistics or None).");
  module.def("clipped", &clipped, py::arg("source"), py::arg("layout"), py::arg("frame"), py::kw_only(),
             py::arg("offset"), py::arg("positions"), py::arg("scratch"),
             "What a clamp loses; rounded pixels are not counted.");
}

}  // namespace braggio::bind
