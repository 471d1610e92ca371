#include "braggio/spot_pass.hpp"

#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "braggio/deflate_masks.hpp"
#include "braggio/split.hpp"
#include "components.hpp"

namespace braggio::bind {
namespace {

// A thread's pass, and what it encodes masks with.
struct HeldPass {
  SpotPass pass;
  BitMask allowed;
  std::optional<BitMask> detector;
  Runs runs{};
  RunDeflater deflater{};
};

// The frames of a mask, taken from a Python sequence one at a time: a frame is held until the next is asked for.
class FrameSource {
 public:
  FrameSource(const py::sequence& frames, const py::array& limits) : frames_(frames), limits_(limits) {
    require_contiguous(limits, "limits");
  }

  std::size_t count() const { return py::len(frames_); }

  // Takes the lock for as long as Python needs to give the frame.
  const void* frame(std::size_t index) {
    if (index == index_) return held_.data();
    const py::gil_scoped_acquire lock;
    held_ = py::cast<py::array>(frames_[index]);
    index_ = index;
    require_shape(held_, static_cast<std::size_t>(limits_.shape(0)), static_cast<std::size_t>(limits_.shape(1)),
                  "frame");
    if (array_type(held_) != array_type(limits_)) throw py::value_error("limits must have the dtype of the frames");
    return held_.data();
  }

 private:
  const py::sequence& frames_;
  const py::array& limits_;
  py::array held_{};
  std::size_t index_ = std::numeric_limits<std::size_t>::max();
};

// An array of a mask: a zlib stream, nothing at all where the mask is empty, or its plain bytes.
using Payload = std::vector<std::uint8_t>;

struct WantedArrays {
  bool raw, filtered, united, labels, gzip;
};

template <class T>
struct FoundSpots {
  std::vector<Payload> raw{}, filtered{};
  Payload united{}, labels{};
  std::vector<std::uint64_t> passed{};  // pixels of each raw mask
  std::vector<std::vector<Spot<T>>> spots{};
};

Payload mask_payload(HeldPass& self, const BitMask& mask, bool gzip) {
  if (!gzip) {
    Payload bytes(mask.height() * mask.width());
    unpack(mask, bytes.data());
    return bytes;
  }
  self.runs.find(mask);
  if (self.runs.first.back() == 0) return {};
  const auto stream = deflate_mask(self.runs, mask.height(), mask.width(), self.deflater);
  return {stream.begin(), stream.end()};
}

Payload label_payload(HeldPass& self, bool gzip) {
  const Components& components = self.pass.components();
  if (!gzip) {
    Payload bytes(components.height() * components.width() * sizeof(std::int32_t));
    components.fill(reinterpret_cast<std::int32_t*>(bytes.data()), true);
    return bytes;
  }
  if (components.count() == 0) return {};
  const auto stream = deflate_labels(components, self.deflater);
  return {stream.begin(), stream.end()};
}

template <class T>
FoundSpots<T> run_pass(HeldPass& self, FrameSource& frames, const T* limits, const Reference<T>& reference,
                       const double* heights, std::size_t reach, const WantedArrays& wanted) {
  FoundSpots<T> found;
  const Level level = chosen_level();
  const std::size_t count = frames.count();
  const auto pixels = [&](std::size_t index) { return static_cast<const T*>(frames.frame(index)); };
  pixels(0);  // while the lock is held
  py::gil_scoped_release release;
  self.pass.begin();
  for (std::size_t index = 0; index < count; ++index) {
    found.passed.push_back(self.pass.add(pixels(index), limits, self.allowed, level));
    if (wanted.raw) found.raw.push_back(mask_payload(self, self.pass.mask(), wanted.gzip));
    self.pass.filter(self.detector ? &*self.detector : nullptr, level);
    if (wanted.filtered) found.filtered.push_back(mask_payload(self, self.pass.mask(), wanted.gzip));
  }
  if (wanted.united) found.united = mask_payload(self, self.pass.united(), wanted.gzip);
  self.pass.label();
  if (heights != nullptr) split(self.pass.components(), heights, static_cast<std::ptrdiff_t>(reach));
  if (wanted.labels) found.labels = label_payload(self, wanted.gzip);
  for (std::size_t index = 0; index < count; ++index)
    found.spots.push_back(self.pass.components().measure(pixels(index), reference));
  return found;
}

py::object payload_object(Payload&& payload, bool gzip, const py::dtype& dtype, const BitMask& shape) {
  if (gzip && payload.empty()) return py::none();
  if (gzip) return py::bytes(reinterpret_cast<const char*>(payload.data()), payload.size());
  auto kept = std::make_unique<Payload>(std::move(payload));
  void* data = kept->data();
  const py::capsule owner(kept.get(), [](void* bytes) { delete static_cast<Payload*>(bytes); });
  kept.release();
  return py::array(dtype, {shape.height(), shape.width()}, data, owner);
}

template <class T>
py::dict as_dict(HeldPass& self, FoundSpots<T>&& found, const WantedArrays& wanted, const Reference<T>& reference) {
  const auto bytes = py::dtype::of<std::uint8_t>();
  const auto list = [&](std::vector<Payload>& payloads) {
    py::list objects;
    for (Payload& payload : payloads)
      objects.append(payload_object(std::move(payload), wanted.gzip, bytes, self.allowed));
    return objects;
  };
  py::dict result;
  result["count"] = self.pass.components().count();
  result["passed"] = found.passed;
  if (wanted.raw) result["masks_raw"] = list(found.raw);
  if (wanted.filtered) result["masks_filtered"] = list(found.filtered);
  if (wanted.united) result["masks_synced"] = payload_object(std::move(found.united), wanted.gzip, bytes, self.allowed);
  if (wanted.labels)
    result["masks/labels"] =
        payload_object(std::move(found.labels), wanted.gzip, py::dtype::of<std::int32_t>(), self.allowed);
  const py::tuple lists = pixel_list_arrays(self.pass.components());
  result["pixel_list"] = lists[0];
  result["sizes"] = lists[1];
  result["boxes"] = box_array(self.pass.components().boxes());
  py::list spots;
  for (const auto& frame : found.spots) spots.append(spot_columns(frame, reference));
  result["spots"] = spots;
  return result;
}

py::dict find_spots(HeldPass& self, const py::sequence& frames, const py::array& limits,
                    const std::optional<py::array>& background, const std::optional<py::array>& noise,
                    const std::optional<py::array>& saturation, const std::optional<py::array>& heights,
                    std::size_t reach, const std::set<std::string>& arrays, bool gzip) {
  const std::size_t height = self.allowed.height(), width = self.allowed.width();
  require_shape(limits, height, width, "limits");
  if (py::len(frames) == 0) throw py::value_error("frames must be at least one");
  const WantedArrays wanted{arrays.contains("masks_raw"), arrays.contains("masks_filtered"),
                            arrays.contains("masks_synced"), arrays.contains("masks/labels"), gzip};
  const double* tops = map_of(heights, height, width, "heights");
  FrameSource source(frames, limits);
  const PixelType type = array_type(limits);
  return with_pixel(type, [&]<class T>() {
    const Reference<T> reference = reference_of<T>(background, noise, saturation, type, height, width);
    FoundSpots<T> found = run_pass<T>(self, source, static_cast<const T*>(limits.data()), reference, tops,
                                      std::min<std::size_t>(reach, 1000), wanted);
    return as_dict(self, std::move(found), wanted, reference);
  });
}

std::unique_ptr<HeldPass> make_pass(const BitMask& allowed, const std::optional<BitMask>& detector,
                                    std::size_t erosions, std::size_t dilations, int filter, int label,
                                    std::int64_t min_pixels) {
  const Sieve sieve{erosions, dilations, structure_of(filter), structure_of(label), min_pixels};
  return std::make_unique<HeldPass>(SpotPass(allowed.height(), allowed.width(), sieve), allowed, detector);
}

}  // namespace

void add_spot_pass(py::module_& module) {
  py::class_<HeldPass>(module, "SpotPass", "Frames of one mask to masks, labels and spots.")
      .def(py::init(&make_pass), py::arg("allowed"), py::kw_only(), py::arg("detector") = py::none(),
           py::arg("erosions"), py::arg("dilations"), py::arg("filter_connectivity"), py::arg("label_connectivity"),
           py::arg("min_pixels"))
      .def("find", &find_spots, py::arg("frames"), py::arg("limits").noconvert(), py::kw_only(),
           py::arg("background") = py::none(), py::arg("noise") = py::none(), py::arg("saturation") = py::none(),
           py::arg("heights") = py::none(), py::arg("reach") = 0, py::arg("arrays") = std::set<std::string>{},
           py::arg("gzip") = false, "All that one mask gives; the arrays asked for as zlib streams or as they are.");
}

}  // namespace braggio::bind
