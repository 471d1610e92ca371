// Work on ranges of pixels in several threads; the threads live for one call and nothing else knows of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace braggio {

// Below this a thread costs more (40-50 us to start and join) than it saves.
inline constexpr std::size_t parallel_bytes = std::size_t{8} << 20;

// fn(start, stop, part) over `parts` consecutive ranges of [0, count). The first error of the lowest range is rethrown.
template <class Fn>
void for_ranges(std::size_t count, std::size_t parts, Fn&& fn) {
  if (parts <= 1) return fn(std::size_t{0}, count, std::size_t{0});
  std::vector<std::exception_ptr> errors(parts);
  std::vector<std::thread> threads;
  const auto guarded = [&](std::size_t part) {
    try {
      fn(count * part / parts, count * (part + 1) / parts, part);
    } catch (...) {
      errors[part] = std::current_exception();
    }
  };
  threads.reserve(parts);
  for (std::size_t part = 1; part < parts; ++part) {
    try {
      threads.emplace_back(guarded, part);
    } catch (const std::system_error&) {
      guarded(part);  // no thread to be had: the work is done all the same
    }
  }
  guarded(0);
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace braggio
