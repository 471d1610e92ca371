// Components and what is measured in them, as numpy arrays.
#pragma once

#include "braggio/label.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include "bind.hpp"

namespace braggio::bind {

inline Structure structure_of(int connectivity) {
  if (connectivity != 1 && connectivity != 2) throw py::value_error("connectivity must be 1 or 2");
  return static_cast<Structure>(connectivity);
}

inline void require_shape(const py::array& array, std::size_t height, std::size_t width, const char* name) {
  require_contiguous(array, name);
  if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(0)) != height ||
      static_cast<std::size_t>(array.shape(1)) != width)
    throw py::value_error(std::string(name) + " must have the shape of the mask");
}

// The float64 of a map that need not be there.
inline const double* map_of(const std::optional<py::array>& array, std::size_t height, std::size_t width,
                            const char* name) {
  if (!array) return nullptr;
  require_shape(*array, height, width, name);
  if (array_type(*array) != PixelType::f64) throw py::value_error(std::string(name) + " must be float64");
  return static_cast<const double*>(array->data());
}

// What spots are measured against, beside images of type T.
template <class T>
Reference<T> reference_of(const std::optional<py::array>& background, const std::optional<py::array>& noise,
                          const std::optional<py::array>& saturation, PixelType type, std::size_t height,
                          std::size_t width) {
  if (saturation && (saturation->size() != 1 || array_type(*saturation) != type))
    throw py::value_error("saturation must be one value of the dtype of image");
  if (noise && !background) throw py::value_error("noise needs a background");
  return {map_of(background, height, width, "background"), map_of(noise, height, width, "noise"),
          saturation ? static_cast<const T*>(saturation->data()) : nullptr};
}

inline py::array_t<std::int32_t> box_array(const std::vector<Box>& boxes) {
  py::array_t<std::int32_t> out({boxes.size(), std::size_t{4}});
  std::int32_t* next = out.mutable_data();
  for (const Box& box : boxes)
    for (const std::int32_t edge : {box.row_begin, box.row_end, box.column_begin, box.column_end}) *next++ = edge;
  return out;
}

// (flat indices of all components, pixels of each).
inline py::tuple pixel_list_arrays(const Components& components) {
  const std::vector<std::int64_t> sizes = components.pixels();
  py::array_t<std::int32_t> list(std::accumulate(sizes.begin(), sizes.end(), py::ssize_t{0}));
  auto* target = list.mutable_data();
  {
    py::gil_scoped_release release;
    components.list_pixels(sizes, target);
  }
  return py::make_tuple(list, py::array_t<std::int64_t>(static_cast<py::ssize_t>(sizes.size()), sizes.data()));
}

// One field of every spot.
template <class Out, class T, class Get>
py::array_t<Out> spot_column(const std::vector<Spot<T>>& spots, Get get) {
  py::array_t<Out> out(static_cast<py::ssize_t>(spots.size()));
  auto* data = out.mutable_data();
  for (std::size_t i = 0; i < spots.size(); ++i) data[i] = static_cast<Out>(get(spots[i]));
  return out;
}

// The fields that `reference` gave a meaning.
template <class T>
py::dict spot_columns(const std::vector<Spot<T>>& spots, const Reference<T>& reference) {
  py::dict found;
  found["n_pixels"] = spot_column<std::int64_t>(spots, [](const auto& s) { return s.pixels; });
  found["sum"] = spot_column<PixelSum<T>>(spots, [](const auto& s) { return s.sum; });
  found["max"] = spot_column<T>(spots, [](const auto& s) { return s.max; });
  found["argmax"] = spot_column<std::int64_t>(spots, [](const auto& s) { return s.argmax; });
  if (reference.saturation != nullptr)
    found["n_saturated"] = spot_column<std::int64_t>(spots, [](const auto& s) { return s.saturated; });
  if (reference.background == nullptr) return found;
  found["background"] = spot_column<double>(spots, [](const auto& s) { return s.background; });
  if (reference.noise == nullptr) return found;
  found["variance"] = spot_column<double>(spots, [](const auto& s) { return s.variance; });
  found["weight"] = spot_column<double>(spots, [](const auto& s) { return s.weight; });
  found["weighted_row"] = spot_column<double>(spots, [](const auto& s) { return s.weighted_row; });
  found["weighted_column"] = spot_column<double>(spots, [](const auto& s) { return s.weighted_column; });
  return found;
}

}  // namespace braggio::bind
