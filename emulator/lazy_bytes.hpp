#pragma once

#include <cstddef>
#include <cstdint>

namespace ptxmill::emu {

/// A fixed number of zeroed bytes whose pages the host commits as they are touched, so that a large
/// allocation of which little is used costs little. `T` is a one-byte type.
template <class T>
class LazyBytes {
 public:
  explicit LazyBytes(std::size_t size);  ///< throws std::bad_alloc
  ~LazyBytes();
  LazyBytes(const LazyBytes&) = delete;
  LazyBytes& operator=(const LazyBytes&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  T* data_;
  std::size_t size_;
};
extern template class LazyBytes<std::byte>;
extern template class LazyBytes<std::uint8_t>;

}  // namespace ptxmill::emu
