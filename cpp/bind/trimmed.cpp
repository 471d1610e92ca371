#include "braggio/trimmed.hpp"

#include "bind.hpp"

namespace braggio::bind {
namespace {

template <class T>
T* out_column(const py::array& out, const char* name, std::size_t pixels) {
  require_writeable(out, name);
  if (out.ndim() != 1 || static_cast<std::size_t>(out.size()) != pixels || !py::dtype::of<T>().equal(out.dtype()))
    throw py::value_error(std::string(name) + " must have one value of its dtype per pixel");
  return static_cast<T*>(const_cast<void*>(out.data()));
}

void run_trimmed(const py::array& stack, std::size_t removed, const py::array& avg, const py::array& spread,
                 const py::array& iqr, const py::array& max, const py::array& arg, std::size_t threads) {
  require_contiguous(stack, "stack");
  if (stack.ndim() != 2) throw py::value_error("stack must have two dimensions");
  const auto frames = static_cast<std::size_t>(stack.shape(0)), pixels = static_cast<std::size_t>(stack.shape(1));
  if (pixels < lanes || removed >= frames || frames >= std::size_t{1} << 31)
    throw py::value_error("at least 64 pixels, and fewer values removed than there are frames");
  const Level level = chosen_level();
  with_pixel(array_type(stack), [&]<class T>() {
    const FrameStack<T> values{static_cast<const T*>(stack.data()), frames, pixels, removed};
    const PixelSums<T> out{out_column<double>(avg, "avg", pixels), out_column<double>(spread, "spread", pixels),
                           out_column<double>(iqr, "iqr", pixels), out_column<T>(max, "max", pixels),
                           out_column<std::int32_t>(arg, "arg", pixels)};
    py::gil_scoped_release release;
    trimmed(values, out, threads, level);
  });
}

}  // namespace

void add_trimmed(py::module_& module) {
  module.def("trimmed", &run_trimmed, py::arg("stack").noconvert(), py::arg("n_removed"), py::arg("avg").noconvert(),
             py::arg("spread").noconvert(), py::arg("iqr").noconvert(), py::arg("max").noconvert(),
             py::arg("arg").noconvert(), py::arg("threads"), "Statistics of each column without its largest values.");
}

}  // namespace braggio::bind
