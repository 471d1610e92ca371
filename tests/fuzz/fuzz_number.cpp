// The quick parsers of padded numbers against the careful ones, at every level of this machine.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "braggio/number_simd.hpp"

namespace {

struct SameCells {
  std::string_view token;

  std::string_view text(std::size_t) const { return token; }
  const char* end(std::size_t) const { return token.data() + token.size(); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace braggio;
  if (size < 2) return 0;
  std::string text(reinterpret_cast<const char*>(data + 1), 1 + data[0] % (size - 1));
  for (char& c : text)
    if (detail::is_blank(c)) c = '0';  // the texts of cells have no blanks
  const std::string padded = (data[0] % 2 ? "       5.76543- " : "7654321 5.765-3\t") + text + std::string(24, '7');
  const std::string_view token = std::string_view(padded).substr(16, text.size());
  const Real expected = parse_real(text);
  for (int level = 0; level <= static_cast<int>(best_level()); ++level) {
    std::array<double, 5> values{};
    const bool all = parse_reals(static_cast<Level>(level), 5, SameCells{token}, values.data(), [&](const Real& real) {
      if (real.ok != expected.ok || (real.ok && real.integral != expected.integral)) std::abort();
      return real.ok;
    });
    if (all != expected.ok) std::abort();
    for (const double value : values)
      if (all && std::memcmp(&value, &expected.value, sizeof value) != 0) std::abort();
  }
  std::int64_t ours = 0, theirs = 0;
  if (parse_ended_integer(token.data() + token.size(), ours) && (!parse_integer(text, theirs) || ours != theirs))
    std::abort();
  return 0;
}
