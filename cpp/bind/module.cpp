// The compiled core: a table of contents.
#include "bind.hpp"

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  module.doc() = "The compiled core of braggio.";
  braggio::bind::add_errors(module);
  braggio::bind::add_cpu(module);
  braggio::bind::add_source(module);
  braggio::bind::add_layout(module);
  braggio::bind::add_publish(module);
  braggio::bind::add_clamp(module);
  braggio::bind::add_transcode(module);
  braggio::bind::add_headers(module);
  braggio::bind::add_star(module);
  braggio::bind::add_records(module);
  braggio::bind::add_images(module);
  braggio::bind::add_mask(module);
  braggio::bind::add_label(module);
  braggio::bind::add_spot_pass(module);
  braggio::bind::add_trimmed(module);
  braggio::bind::add_peaks(module);
  braggio::bind::add_ranks(module);
  braggio::bind::add_boxes(module);
  braggio::bind::add_accumulate(module);
  braggio::bind::add_xtc(module);
  braggio::bind::add_pickle(module);
  braggio::bind::add_cbf(module);
  braggio::bind::add_deflate(module);
}
