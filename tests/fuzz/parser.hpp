// What every parser target does with its input: parse it, and read all the frames that the parser promises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "braggio/error.hpp"
#include "braggio/source.hpp"
#include "damage.hpp"

namespace braggio::testing {

// An Error is an answer; any other exception, and a layout outside the file, is a finding.
template <class Parse>
void fuzz_parser(const std::uint8_t* data, std::size_t size, Parse&& parse) {
  const Source source = Source::over(std::as_bytes(std::span(data, size)));
  try {
    const auto parsed = parse(source);
    if (!frames_are_within(source, parsed.layout)) std::abort();
  } catch (const Error&) {
  }
}

}  // namespace braggio::testing
