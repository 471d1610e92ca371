// LCLS-I XTC: a file is a row of datagrams, each a header of 40 bytes and a tree of contributions ("Xtc") of 20-byte
// headers. The walker reads headers only, through a small window: payloads of megabytes are stepped over.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/error.hpp"
#include "braggio/source.hpp"

namespace braggio {

inline constexpr std::uint64_t xtc_header_bytes = 20, xtc_datagram_bytes = 40;
inline constexpr std::uint32_t xtc_container = 1;          // Id_Xtc: its payload is a row of Xtcs
inline constexpr std::uint32_t xtc_compressed = 1u << 31;  // of the type word
inline constexpr std::uint32_t xtc_incomplete = 1u << 15;  // damage: its payload is not to be trusted
inline constexpr std::uint32_t xtc_services = 13, xtc_levels = 7;
inline constexpr std::uint32_t xtc_max_depth = 16;
inline constexpr std::uint64_t xtc_max_nodes = std::uint64_t{1} << 17;   // of one datagram; real ones have hundreds
inline constexpr std::uint64_t xtc_many_nodes = std::uint64_t{1} << 16;  // after which a walk hands over what it has

// One Xtc of a datagram, as it stands in the file.
struct XtcNode {
  std::uint64_t offset = 0;    // of its header in the file
  std::uint32_t datagram = 0;  // which of the datagrams walked
  std::uint32_t depth = 0;
  std::uint32_t damage = 0;
  std::uint32_t log = 0;     // level << 24 | process
  std::uint32_t phy = 0;     // detector, or BLD number
  std::uint32_t type = 0;    // type | version << 16 | compressed << 31
  std::uint32_t extent = 0;  // bytes, with the header
  std::uint32_t unused = 0;
};

struct XtcDatagram {
  std::uint64_t offset = 0;
  std::uint32_t seconds = 0, nanoseconds = 0;  // UTC
  std::uint32_t ticks = 0, control = 0;        // control: service in bits 0-3, 4-5 kind, 7 extended
  std::uint32_t fiducials = 0, vector = 0;
  std::uint32_t env = 0;  // run number in BeginRun
  std::uint32_t damage = 0, log = 0, phy = 0, type = 0;
  std::uint32_t extent = 0;  // the datagram has 20 + extent bytes

  std::uint64_t size() const { return xtc_header_bytes + extent; }
};

// What is wrong inside a datagram; the rest of the container around it is lost, the containers above go on.
enum class XtcProblem : std::uint32_t { zero_extent = 1, short_extent, beyond_parent, leftover, too_deep, too_many };

struct XtcFault {
  std::uint64_t offset = 0;
  std::uint32_t datagram = 0;
  XtcProblem problem = XtcProblem::zero_extent;
  std::uint64_t found = 0, room = 0;  // the extent, and the bytes that its parent has left
};

struct XtcWalk {
  std::vector<XtcDatagram> datagrams;
  std::vector<XtcNode> nodes;
  std::vector<XtcFault> faults;
  std::uint64_t end = 0;  // byte after the last datagram
};

namespace detail {

inline std::uint32_t xtc_word(Bytes bytes, std::uint64_t index) {
  return load<std::uint32_t>(bytes, index * 4, ByteOrder::little, "Xtc header");
}

// A few kilobytes of the file, moved to where the next header is.
class XtcWindow {
 public:
  explicit XtcWindow(const Source& source) : source_(source) {}

  Bytes at(std::uint64_t offset, std::uint64_t count) {
    if (source_.in_memory()) return source_.view(offset, count);
    if (offset < start_ || offset - start_ > held_ || held_ - (offset - start_) < count) {
      held_ = std::min<std::uint64_t>(bytes_.size(), source_.size() - offset);
      source_.read(offset, MutableBytes(bytes_).first(held_));
      start_ = offset;
    }
    return Bytes(bytes_).subspan(offset - start_, count);
  }

 private:
  const Source& source_;
  std::array<std::byte, 8192> bytes_{};
  std::uint64_t start_ = 0, held_ = 0;
};

inline XtcNode xtc_node(Bytes bytes, std::uint64_t offset) {
  XtcNode node;
  node.offset = offset;
  node.damage = xtc_word(bytes, 0);
  node.log = xtc_word(bytes, 1);
  node.phy = xtc_word(bytes, 2);
  node.type = xtc_word(bytes, 3);
  node.extent = xtc_word(bytes, 4);
  return node;
}

inline void require_xtc(bool condition, const char* field, const char* expected, std::uint64_t found,
                        std::uint64_t offset) {
  if (!condition) throw Error(Fault::format, field, expected, std::to_string(found), offset);
}

inline XtcDatagram xtc_datagram(const Source& source, XtcWindow& window, std::uint64_t offset) {
  const std::uint64_t left = source.size() - offset;
  if (left < xtc_datagram_bytes)
    throw Error(Fault::truncated, "datagram header", "40 bytes", std::to_string(left), offset);
  const Bytes bytes = window.at(offset, xtc_datagram_bytes);
  XtcDatagram gram;
  gram.offset = offset;
  gram.nanoseconds = xtc_word(bytes, 0);
  gram.seconds = xtc_word(bytes, 1);
  const std::uint32_t low = xtc_word(bytes, 2), high = xtc_word(bytes, 3);
  gram.ticks = low & 0xffffff;
  gram.control = low >> 24;
  gram.fiducials = high & 0x1ffff;
  gram.vector = high >> 17;
  gram.env = xtc_word(bytes, 4);
  const XtcNode root = xtc_node(bytes.subspan(20), offset + 20);
  gram.damage = root.damage;
  gram.log = root.log;
  gram.phy = root.phy;
  gram.type = root.type;
  gram.extent = root.extent;
  require_xtc((gram.control & 15) < xtc_services, "datagram service", "0 to 12", gram.control & 15, offset + 11);
  require_xtc(gram.nanoseconds < 1000000000, "datagram nanoseconds", "less than 10^9", gram.nanoseconds, offset);
  require_xtc(gram.log >> 24 < xtc_levels, "datagram level", "0 to 6", gram.log >> 24, offset + 27);
  require_xtc(gram.extent >= xtc_header_bytes, "datagram extent", "at least 20", gram.extent, offset + 36);
  if (gram.size() > left)
    throw Error(Fault::truncated, "datagram extent", std::to_string(gram.size()) + " bytes in the file",
                std::to_string(left), offset + 36);
  return gram;
}

// The Xtcs of one datagram in the order of the file, containers before what they contain.
class XtcTree {
 public:
  XtcTree(XtcWindow& window, XtcWalk& walk) : window_(window), walk_(walk) {}

  void read(const XtcDatagram& gram) {
    datagram_ = static_cast<std::uint32_t>(walk_.datagrams.size() - 1);
    first_ = walk_.nodes.size();
    depth_ = 0;
    ends_[0] = gram.offset + gram.size();
    if ((gram.damage & xtc_incomplete) != 0 && (gram.type & 0xffff) != xtc_container) return;
    for (std::uint64_t at = gram.offset + xtc_datagram_bytes; at < ends_[0];) at = step(at);
  }

 private:
  // Handles what stands at byte `at`; gives the byte to go on at.
  std::uint64_t step(std::uint64_t at) {
    while (depth_ > 0 && at >= ends_[depth_]) --depth_;
    const std::uint64_t end = ends_[depth_], room = end - at;
    if (room == 0) return at;
    if (walk_.nodes.size() - first_ >= xtc_max_nodes) {
      fault(at, XtcProblem::too_many, xtc_max_nodes, room);
      return ends_[0];
    }
    if (room < xtc_header_bytes) return fault(at, XtcProblem::leftover, room, room);
    XtcNode node = xtc_node(window_.at(at, xtc_header_bytes), at);
    if (node.extent == 0) return fault(at, XtcProblem::zero_extent, 0, room);
    if (node.extent < xtc_header_bytes) return fault(at, XtcProblem::short_extent, node.extent, room);
    if (node.extent > room) return fault(at, XtcProblem::beyond_parent, node.extent, room);
    node.datagram = datagram_;
    node.depth = depth_;
    walk_.nodes.push_back(node);
    if ((node.type & (xtc_compressed | 0xffff)) != xtc_container || (node.damage & xtc_incomplete) != 0)
      return at + node.extent;
    if (depth_ + 1 == xtc_max_depth) {
      fault(at, XtcProblem::too_deep, depth_ + 1, room);
      return at + node.extent;
    }
    ends_[++depth_] = at + node.extent;
    return at + xtc_header_bytes;
  }

  // Nothing more can be found in this container: go on behind it.
  std::uint64_t fault(std::uint64_t at, XtcProblem problem, std::uint64_t found, std::uint64_t room) {
    walk_.faults.push_back({at, datagram_, problem, found, room});
    return ends_[depth_];
  }

  XtcWindow& window_;
  XtcWalk& walk_;
  std::array<std::uint64_t, xtc_max_depth> ends_{};
  std::uint32_t depth_ = 0, datagram_ = 0;
  std::size_t first_ = 0;
};

}  // namespace detail

// At most `count` datagrams from byte `offset` on, with their Xtcs if `nested`. A datagram that is cut or is none ends
// the walk before it; an Error tells of it only when it is the first, so everything before it is usable.
inline XtcWalk walk_xtc(const Source& source, std::uint64_t offset, std::uint64_t count, bool nested) {
  XtcWalk walk;
  walk.end = offset;
  detail::XtcWindow window(source);
  detail::XtcTree tree(window, walk);
  while (walk.datagrams.size() < count && walk.nodes.size() < xtc_many_nodes && walk.end < source.size()) {
    XtcDatagram gram;
    try {
      gram = detail::xtc_datagram(source, window, walk.end);
    } catch (const Error&) {
      if (walk.datagrams.empty()) throw;
      break;
    }
    walk.datagrams.push_back(gram);
    if (nested) tree.read(gram);
    walk.end += gram.size();
  }
  return walk;
}

}  // namespace braggio
