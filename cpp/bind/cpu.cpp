#include "braggio/cpu.hpp"
#include "bind.hpp"

namespace braggio::bind {

void add_cpu(py::module_& module) {
  module.def(
      "cpu_level", [] { return std::string(name(chosen_level())); },
      "The instruction level the kernels run at: baseline, avx2 or avx512.");
  module.def(
      "cpu_levels",
      [] {
        py::list names;
        for (int i = 0; i <= static_cast<int>(best_level()); ++i) names.append(std::string(level_names[i]));
        return names;
      },
      "Every level this machine can run, lowest first.");
}

}  // namespace braggio::bind
