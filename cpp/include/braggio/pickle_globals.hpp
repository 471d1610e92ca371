// The classes and functions that a pickle may name: those that cctbx writes. A name is all that is ever made of them.
#pragma once

#include <string_view>

#include "braggio/flex.hpp"

namespace braggio::pickle {

enum class Meaning { object, encode, reconstruct, base, bytes };

struct Global {
  std::string_view module;
  std::string_view name;
  Meaning meaning = Meaning::object;
};

// Beside the flex types, every name in an image or integration pickle.
inline constexpr Global allowed[] = {
    {"scitbx_array_family_flex_ext", "grid"},
    {"dials_array_family_flex_ext", "reflection_table"},
    {"dials_array_family_flex_ext", "shoebox"},
    {"cctbx_uctbx_ext", "unit_cell"},
    {"cctbx_sgtbx_ext", "space_group"},
    {"cctbx_sgtbx_ext", "change_of_basis_op"},
    {"cctbx_sgtbx_ext", "rt_mx"},
    {"cctbx.sgtbx", "space_group_info"},
    {"cctbx.sgtbx", "empty"},
    {"cctbx.crystal", "symmetry"},
    {"cctbx.miller", "array"},
    {"cctbx.miller", "set"},
    {"cctbx.miller", "array_info"},
    {"cctbx.xray.observation_types", "intensity"},
    {"cctbx.xray.observation_types", "amplitude"},
    {"cctbx_orientation_ext", "crystal_orientation"},
    {"cctbx.crystal_orientation", "crystal_orientation"},
    {"scitbx.matrix", "col"},
    {"scitbx.matrix", "sqr"},
    {"scitbx.matrix", "rec"},
    {"_codecs", "encode", Meaning::encode},
    {"copy_reg", "_reconstructor", Meaning::reconstruct},
    {"copyreg", "_reconstructor", Meaning::reconstruct},
    {"__builtin__", "object", Meaning::base},
    {"builtins", "object", Meaning::base},
    {"__builtin__", "bytes", Meaning::bytes},
    {"builtins", "bytes", Meaning::bytes},
};

inline bool is_allowed(std::string_view module, std::string_view name) {
  if (flex::find_type(module, name) != nullptr) return true;
  for (const Global& global : allowed)
    if (global.module == module && global.name == name) return true;
  return false;
}

}  // namespace braggio::pickle
