// What a call refuses with, so that a test can look at it.
#pragma once

#include <optional>

#include "braggio/error.hpp"

namespace braggio::testing {

// The Error that fn() throws, or nothing.
template <class Fn>
std::optional<Error> refusal(Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

template <class Fn>
std::optional<SystemError> system_refusal(Fn&& fn) {
  try {
    fn();
  } catch (const SystemError& error) {
    return error;
  }
  return std::nullopt;
}

template <class Fn>
bool refuses(Fault fault, Fn&& fn) {
  const auto error = refusal(fn);
  return error && error->fault == fault;
}

}  // namespace braggio::testing
