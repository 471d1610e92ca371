#include "braggio/transcode.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "bind.hpp"

namespace braggio::bind {
namespace {

using namespace pybind11::literals;

// Frames of sources: what Python knows as tuples. Held, so that no other thread can let go of one meanwhile.
struct Streamed {
  py::object owners;
  const HeldSource* held = nullptr;
  const FrameLayout* layout = nullptr;
  std::uint64_t frame = 0;
};

std::vector<Streamed> streams_of(const py::sequence& frames) {
  std::vector<Streamed> streams;
  for (const py::handle each : frames) {
    const auto [held, layout, frame] = each.cast<std::tuple<const HeldSource*, const FrameLayout*, std::uint64_t>>();
    layout->require_within(held->source.size());
    streams.push_back({py::reinterpret_borrow<py::object>(each), held, layout, frame});
  }
  return streams;
}

// fn.template operator()<T>(i) for every stream i, T being its pixel type, with the lock let go of.
template <class Fn>
void for_streams(const std::vector<Streamed>& streams, Fn fn) {
  const py::gil_scoped_release release;
  for (std::size_t i = 0; i < streams.size(); ++i)
    with_pixel(streams[i].layout->type, [&]<class T>() { fn.template operator()<T>(i); });
}

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

void require_low_fraction(double fraction) {
  if (!(fraction >= 0.0 && fraction <= 0.5)) throw py::value_error("low_fraction must be in 0..0.5");
}

using AnyStats = std::variant<FrameStats<std::uint8_t>, FrameStats<std::uint16_t>, FrameStats<std::uint32_t>,
                              FrameStats<std::int8_t>, FrameStats<std::int16_t>, FrameStats<std::int32_t>,
                              FrameStats<float>, FrameStats<double>>;

py::dict describe_any(AnyStats& found) {
  return std::visit([](auto& stats) { return describe(stats); }, found);
}

// Now, because half of the pixels may be held for the low quantile.
template <class T>
void keep(std::vector<AnyStats>& found, FrameStats<T>&& stats) {
  stats.low_quantile();
  found.emplace_back(std::move(stats));
}

py::list scan(const py::sequence& frames, bool moments, double low_fraction, Scratch& scratch) {
  const Level level = chosen_level();
  require_low_fraction(low_fraction);
  const auto streams = streams_of(frames);
  std::vector<AnyStats> found;
  found.reserve(streams.size());
  for_streams(streams, [&]<class T>(std::size_t i) {
    const Streamed& each = streams[i];
    FrameStats<T> stats(each.layout->pixels(), moments ? Depth::moments : Depth::extremes, low_fraction, level);
    for_each_block<T>(each.held->source, *each.layout, each.frame, scratch.input,
                      [&](std::span<const T> block) { stats.add(block); });
    keep(found, std::move(stats));
  });
  py::list described;
  for (AnyStats& each : found) described.append(describe_any(each));
  return described;
}

py::list write_clamped_frames(const py::sequence& frames, const std::vector<py::object>& paths,
                              const std::vector<py::bytes>& headers, std::int64_t offset, std::size_t positions,
                              std::optional<double> low_fraction, Scratch& scratch) {
  const Level level = chosen_level();
  if (low_fraction) require_low_fraction(*low_fraction);
  const auto streams = streams_of(frames);
  if (paths.size() != streams.size() || headers.size() != streams.size())
    throw py::value_error("frames, paths and headers must be of one length");
  std::vector<std::string> names;
  std::vector<Bytes> texts;
  for (const py::object& path : paths) names.push_back(path_bytes(path));
  for (const py::bytes& header : headers) texts.push_back(std::as_bytes(std::span(std::string_view(header))));
  std::vector<Clipped> lost;
  std::vector<AnyStats> found;
  for_streams(streams, [&]<class T>(std::size_t i) {
    const Streamed& each = streams[i];
    FrameStats<T> stats(each.layout->pixels(), Depth::extremes, low_fraction.value_or(0.0), level);
    lost.push_back(write_clamped<T>(each.held->source, *each.layout, each.frame, names[i], texts[i], offset, positions,
                                    low_fraction ? &stats : nullptr, scratch, level));
    if (low_fraction) keep(found, std::move(stats));
  });
  py::list written;
  for (std::size_t i = 0; i < lost.size(); ++i)
    written.append(py::make_tuple(std::move(lost[i]), low_fraction ? describe_any(found[i]) : py::dict()));
  return written;
}

py::tuple run_transcode(const HeldSource& held, const FrameLayout& layout, std::uint64_t frame, const Sink& sink,
                        bool with_stats, const std::optional<std::pair<std::int64_t, std::int64_t>>& range,
                        std::size_t positions, Scratch& scratch) {
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
      exact = transcode<T>(held.source, layout, frame, sink, with_stats ? &stats : nullptr, exact_range, clipped,
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
  module.def("scan", &scan, py::arg("frames"), py::kw_only(), py::arg("moments"), py::arg("low_fraction"),
             py::arg("scratch"),
             "Statistics of every frame, (source, layout, index), in one pass; sums only with `moments`.");
  module.def("transcode", &run_transcode, py::arg("source"), py::arg("layout"), py::arg("frame"), py::arg("sink"),
             py::kw_only(), py::arg("stats") = false, py::arg("exact_range") = py::none(), py::arg("positions") = 0,
             py::arg("scratch"),
             "One frame, read once, into the sink: (every pixel in exact_range, Clipped with the first `positions` of "
             "each side, statistics or None).");
  module.def("write_clamped", &write_clamped_frames, py::arg("frames"), py::arg("paths"), py::arg("headers"),
             py::kw_only(), py::arg("offset"), py::arg("positions"), py::arg("low_fraction") = py::none(),
             py::arg("scratch"),
             "Every frame, (source, layout, index), into a file of its own: its header, then uint16 = clamp(pixel + "
             "offset). A Clipped each, and what `scan` gives: nothing without `low_fraction`.");
  module.def("clipped", &clipped, py::arg("source"), py::arg("layout"), py::arg("frame"), py::kw_only(),
             py::arg("offset"), py::arg("positions"), py::arg("scratch"),
             "What a clamp loses; rounded pixels are not counted.");
}

}  // namespace braggio::bind
