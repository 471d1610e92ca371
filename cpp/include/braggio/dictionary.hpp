// Texts to small numbers, in order of first appearance: a column of repeated names is stored once per name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/error.hpp"

namespace braggio {

class Dictionary {
 public:
  std::size_t size() const { return ends_.size(); }

  std::string_view operator[](std::size_t code) const {
    const std::size_t start = code == 0 ? 0 : ends_[code - 1];
    return std::string_view(pool_).substr(start, ends_[code] - start);
  }

  // The code of `text`, new or known. Rows that repeat the row before cost one comparison.
  std::int32_t code(std::string_view text) {
    if (last_ < size() && (*this)[last_] == text) return static_cast<std::int32_t>(last_);
    if (2 * size() >= slots_.size()) grow();
    std::size_t slot = std::hash<std::string_view>{}(text) & (slots_.size() - 1);
    while (slots_[slot] != 0 && (*this)[slots_[slot] - 1] != text) slot = (slot + 1) & (slots_.size() - 1);
    if (slots_[slot] == 0) {
      if (size() >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        throw Error(Fault::limit, "different texts", "at most 2^31", "more");
      pool_.append(text);
      ends_.push_back(pool_.size());
      slots_[slot] = static_cast<std::uint32_t>(size());
    }
    last_ = slots_[slot] - 1;
    return static_cast<std::int32_t>(last_);
  }

 private:
  void grow() {
    std::vector<std::uint32_t> wider(slots_.empty() ? 64 : 2 * slots_.size(), 0);
    for (std::size_t code = 0; code < size(); ++code) {
      std::size_t slot = std::hash<std::string_view>{}((*this)[code]) & (wider.size() - 1);
      while (wider[slot] != 0) slot = (slot + 1) & (wider.size() - 1);
      wider[slot] = static_cast<std::uint32_t>(code + 1);
    }
    slots_.swap(wider);
  }

  std::string pool_;                  // the texts one after the other
  std::vector<std::size_t> ends_;     // where each ends
  std::vector<std::uint32_t> slots_;  // open addressing: code + 1, 0 where free
  std::size_t last_ = 0;
};

}  // namespace braggio
