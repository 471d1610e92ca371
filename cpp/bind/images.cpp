#include "braggio/images.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "bind.hpp"
#include "braggio/parallel.hpp"
#include "braggio/pixels.hpp"

namespace braggio::bind {
namespace {

ImageWork image_work(std::size_t rows, std::size_t columns, std::size_t bin, const std::string& kind,
                     const std::string& normalise, float sign) {
  ImageWork work{rows, columns, bin};
  if (kind != "mean" && kind != "max") throw py::value_error("bin_kind must be mean or max");
  work.kind = kind == "max" ? BinKind::max : BinKind::mean;
  if (normalise == "max")
    work.normalise = Normalise::max;
  else if (normalise == "std")
    work.normalise = Normalise::deviation;
  else if (normalise == "background")
    work.normalise = Normalise::background;
  else if (normalise != "none")
    throw py::value_error("normalize must be max, std, background or none");
  work.sign = sign;
  require_bin(work);
  return work;
}

void require_images(const py::array& array, const py::array& out, const ImageWork& work) {
  require_contiguous(array, "array");
  require_writeable(out, "out");
  if (array_type(out) != PixelType::f32) throw py::value_error("out must be float32");
  if (array.ndim() != 3 || out.ndim() != 3 || out.shape(0) != array.shape(0) ||
      static_cast<std::size_t>(out.shape(1)) != work.rows / work.bin ||
      static_cast<std::size_t>(out.shape(2)) != work.columns / work.bin)
    throw py::value_error("out must be of shape (n, rows / bin, columns / bin)");
}

// Images without contrast: they are centred, but there is nothing to scale them by.
std::size_t work_stack(const py::array& array, const py::array& out, std::size_t bin, const std::string& kind,
                       const std::string& normalise, float sign, std::size_t threads) {
  if (array.ndim() != 3) throw py::value_error("array must be of shape (n, rows, columns)");
  const ImageWork work = image_work(static_cast<std::size_t>(array.shape(1)), static_cast<std::size_t>(array.shape(2)),
                                    bin, kind, normalise, sign);
  require_images(array, out, work);
  if (array.size() == 0) return 0;
  const auto count = static_cast<std::size_t>(array.shape(0));
  auto* target = static_cast<float*>(const_cast<void*>(out.data()));
  const Level level = chosen_level();
  return with_pixel(array_type(array), [&]<class T>() {
    const auto* source = static_cast<const T*>(array.data());
    py::gil_scoped_release release;
    const std::size_t step = (work.rows / bin) * (work.columns / bin);
    const std::size_t parts =
        count * work.rows * work.columns * sizeof(T) < parallel_bytes ? 1 : std::min(threads, count);
    std::vector<std::size_t> flat(std::max<std::size_t>(parts, 1));
    for_ranges(count, parts, [&](std::size_t start, std::size_t stop, std::size_t part) {
      std::vector<double> sums;
      for (std::size_t i = start; i < stop; ++i)
        if (!work_image(source + i * work.rows * work.columns, target + i * step, work, sums, level)) ++flat[part];
    });
    return std::accumulate(flat.begin(), flat.end(), std::size_t{0});
  });
}

}  // namespace

void add_images(py::module_& module) {
  module.def("work_images", &work_stack, py::arg("array").noconvert(), py::arg("out").noconvert(), py::kw_only(),
             py::arg("bin"), py::arg("bin_kind"), py::arg("normalize"), py::arg("sign"), py::arg("threads") = 1,
             "Bin and normalise (n, rows, columns) images into float32 `out`; how many had no contrast.");
}

}  // namespace braggio::bind
