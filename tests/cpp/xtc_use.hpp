// What every walk owes to a damaged run: Xtcs inside their datagrams, datagrams inside the file, or a typed refusal.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "braggio/source.hpp"
#include "braggio/xtc.hpp"
#include "braggio/xtc_cspad.hpp"
#include "braggio/xtc_unpack.hpp"

namespace braggio::testing {

// False when memory would have been asked for that the bytes do not justify; an Error is an answer.
inline bool use_packed(std::span<const std::byte> bytes) {
  const std::vector<std::byte> packed(bytes.begin(), bytes.end());  // of just this size, for the sanitizer
  try {
    return unpack_xtc(packed).size() <= xtc_max_unpacked;
  } catch (const Error&) {
    return true;
  }
}

inline bool use_xtc(std::span<const std::byte> bytes) {
  const std::vector<std::byte> file(bytes.begin(), bytes.end());
  const Source source = Source::over(file);
  for (std::uint64_t at = 0; at < file.size();) {
    XtcWalk walk;
    try {
      walk = walk_xtc(source, at, 2, true);
    } catch (const Error&) {
      return true;
    }
    if (walk.end <= at || walk.end > file.size()) return false;
    for (const XtcNode& node : walk.nodes) {
      const XtcDatagram& gram = walk.datagrams[node.datagram];
      if (node.offset < gram.offset + xtc_datagram_bytes || node.extent < xtc_header_bytes ||
          node.offset + node.extent > gram.offset + gram.size())
        return false;
      if ((node.type & xtc_compressed) != 0 &&
          !use_packed(source.view(node.offset + xtc_header_bytes, node.extent - xtc_header_bytes)))
        return false;
    }
    at = walk.end;
  }
  return true;
}

}  // namespace braggio::testing
