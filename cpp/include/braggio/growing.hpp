// Arrays whose length is known when the last value has come: grown by what is in use, never touched before.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include "braggio/memory.hpp"

namespace braggio {

template <class T>
class Growing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Growing() = default;
  Growing(Growing&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  Growing& operator=(Growing&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Growing() {
    if (data_ != nullptr) LargePages<T>().deallocate(data_, capacity_);
  }

  T* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }
  T& operator[](std::size_t i) const { return data_[i]; }

  // Room for `capacity` values, the first `used` of them kept. The others are not set.
  void move_to(std::size_t capacity, std::size_t used) {
    Growing wider;
    wider.data_ = LargePages<T>().allocate(capacity);
    wider.capacity_ = capacity;
    if (used > 0) std::memcpy(wider.data_, data_, used * sizeof(T));
    std::swap(data_, wider.data_);
    std::swap(capacity_, wider.capacity_);
  }

 private:
  T* data_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace braggio
