// The quick parsers of padded numbers against the careful ones, at every level of this machine.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "braggio/number_simd.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace braggio;
  if (size < 2) return 0;
  const std::size_t length = 1 + data[0] % (size - 1);
  std::string padded(16, data[0] % 2 ? ' ' : '7');
  padded.append(reinterpret_cast<const char*>(data + 1), size - 1);
  padded.append(24, '7');
  const std::string_view token = std::string_view(padded).substr(16, length);
  const std::string alone(token);
  const Real expected = parse_real(alone);
  for (int level = 0; level <= static_cast<int>(best_level()); ++level)
    parse_reals(
        static_cast<Level>(level), 5, [&](std::size_t) { return token; },
        [&](std::size_t, const Real& real) {
          if (real.ok != expected.ok) std::abort();
          if (real.ok &&
              (real.integral != expected.integral || std::memcmp(&real.value, &expected.value, sizeof real.value) != 0))
            std::abort();
          return true;
        });
  std::int64_t ours = 0, theirs = 0;
  const bool ok = parse_padded_integer(token, ours);
  if (ok != parse_integer(alone, theirs) || (ok && ours != theirs)) std::abort();
  return 0;
}
