// Core texts as Python's: UTF-8, and bytes that are not UTF-8 kept as surrogate escapes (as os.fsdecode keeps them).
#pragma once

#include <pybind11/pybind11.h>

#include <string_view>

#include "braggio/dictionary.hpp"

namespace braggio::bind {

inline pybind11::str to_text(std::string_view text) {
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
  if (decoded == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::str>(decoded);
}

inline pybind11::list to_texts(const Dictionary& dictionary) {
  pybind11::list texts(dictionary.size());
  for (std::size_t code = 0; code < dictionary.size(); ++code) texts[code] = to_text(dictionary[code]);
  return texts;
}

}  // namespace braggio::bind
