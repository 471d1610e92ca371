// Which instructions this machine has, and how one plain loop is compiled for each level of them.
//
// A kernel is a struct with a static, always-inline `run`; `on_level<Kernel>` instantiates it three times under
// explicit feature lists. No ifunc and no target_clones: ziglang, which builds the portable wheels, links neither.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include "braggio/error.hpp"

#define BRAGGIO_INLINE [[gnu::always_inline]] static inline

#if defined(__x86_64__)
#define BRAGGIO_AVX2 __attribute__((target("avx2,bmi,bmi2,fma,lzcnt,popcnt,f16c,movbe")))
#define BRAGGIO_AVX512_FEATURES "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi,bmi2,fma,lzcnt,popcnt,f16c,movbe"
#if defined(__clang__)
#define BRAGGIO_AVX512 __attribute__((target(BRAGGIO_AVX512_FEATURES)))
#else
#define BRAGGIO_AVX512 __attribute__((target(BRAGGIO_AVX512_FEATURES ",prefer-vector-width=512")))
#endif
#endif

namespace braggio {

enum class Level { baseline, avx2, avx512 };

inline constexpr std::string_view level_names[] = {"baseline", "avx2", "avx512"};

inline std::string_view name(Level level) { return level_names[static_cast<int>(level)]; }

// The best level that both the processor (cpuid) and the operating system (xgetbv) support. Asked directly, because
// __builtin_cpu_supports needs a compiler runtime symbol that portable builds do not have.
inline Level detected_level() {
#if defined(__x86_64__)
  constexpr unsigned osxsave = 1u << 27, fma = 1u << 12, movbe = 1u << 22, popcnt = 1u << 23, f16c = 1u << 29;  // 1.ecx
  constexpr unsigned leaf1 = osxsave | fma | movbe | popcnt | f16c;
  constexpr unsigned bmi1_avx2_bmi2 = 1u << 3 | 1u << 5 | 1u << 8;                          // 7.ebx
  constexpr unsigned f_dq_cd_bw_vl = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;  // 7.ebx
  constexpr unsigned lzcnt = 1u << 5;                                                       // 0x80000001.ecx
  constexpr unsigned ymm_state = 0x06, zmm_state = 0xe6;                                    // xcr0
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1) != leaf1) return Level::baseline;
  unsigned xcr0 = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  if ((xcr0 & ymm_state) != ymm_state) return Level::baseline;
  if (!__get_cpuid(0x80000001u, &a, &b, &c, &d) || (c & lzcnt) == 0) return Level::baseline;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & bmi1_avx2_bmi2) != bmi1_avx2_bmi2) return Level::baseline;
  return (b & f_dq_cd_bw_vl) == f_dq_cd_bw_vl && (xcr0 & zmm_state) == zmm_state ? Level::avx512 : Level::avx2;
#else
  return Level::baseline;
#endif
}

// Asked once: each cpuid of a virtual machine is a call of its host, and all of them took 28 us on the machine that
// found this out.
inline Level best_level() {
  static const Level level = detected_level();
  return level;
}

// The level named by the environment (BRAGGIO_CPU), or the best one. Read at each call: a getenv costs nothing
// beside a kernel, and there is no state to reset in tests.
inline Level chosen_level() {
  const Level best = best_level();
  const char* wish = std::getenv("BRAGGIO_CPU");
  if (wish == nullptr || *wish == '\0') return best;
  for (int i = 0; i <= static_cast<int>(best); ++i)
    if (level_names[i] == wish) return static_cast<Level>(i);
  throw Error(Fault::unsupported, "BRAGGIO_CPU", "baseline up to " + std::string(name(best)) + " on this machine",
              wish);
}

template <class Kernel, class... Args>
auto on_baseline(Args... args) {
  return Kernel::run(args...);
}

#if defined(__x86_64__)
template <class Kernel, class... Args>
BRAGGIO_AVX2 auto on_avx2(Args... args) {
  return Kernel::run(args...);
}

template <class Kernel, class... Args>
BRAGGIO_AVX512 auto on_avx512(Args... args) {
  return Kernel::run(args...);
}
#endif

// Kernel::run(args...) compiled for `level`.
template <class Kernel, class... Args>
auto on_level(Level level, Args... args) {
#if defined(__x86_64__)
  if (level == Level::avx512) return on_avx512<Kernel>(args...);
  if (level == Level::avx2) return on_avx2<Kernel>(args...);
#endif
  return on_baseline<Kernel>(args...);
}

// Loops over blocks that a read() has just left in L2 ask for the lines one step ahead: L2 alone gives 50 GB/s, with
// the request 70 (bench_stats).
template <class T, std::size_t count>
[[gnu::always_inline]] inline void prefetch(const T* data) {
  constexpr std::size_t line = 64;
  const char* bytes = reinterpret_cast<const char*>(data);
  for (std::size_t i = 0; i < count * sizeof(T); i += line) __builtin_prefetch(bytes + i);
}

}  // namespace braggio
