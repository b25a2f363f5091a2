// Tensors on the device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/dtype.hpp"
#include "runtime/stream.hpp"

namespace ptxmill::rt {

/// Extents, outermost first; up to `max_rank` of them, none negative, their product within 63 bits.
class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents)
      : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const { return rank_; }
  /// Extent `i`; a negative `i` counts from the end.
  std::int64_t operator[](int i) const {
    return extents_[static_cast<std::size_t>(i < 0 ? i + rank_ : i)];
  }
  /// The product of the extents: 1 for rank 0.
  std::int64_t elements() const { return elements_; }
  std::span<const std::int64_t> extents() const {
    return {extents_.data(), static_cast<std::size_t>(rank_)};
  }
  bool operator==(const Shape& other) const {
    return rank_ == other.rank_ && extents_ == other.extents_;
  }
  /// As `[3, 1500, 384]`.
  std::string text() const;

 private:
  std::array<std::int64_t, max_rank> extents_{};
  int rank_ = 0;
  std::int64_t elements_ = 1;
};

/// What was done with one allocation, all its views together.
struct TensorCounters {
  std::uint64_t transfers_to_device = 0;
  std::uint64_t transfers_to_host = 0;  ///< `peek_host` is not counted
  std::uint64_t launches = 0;           ///< kernels that were given it
};

struct Storage;

/// Elements of one type on a device. A copy of a Tensor, a slice and a reshape are views: they
/// share the memory, which is freed with the last of them, in the order of the stream that it was
/// allocated on. The last dimension is contiguous.
class Tensor {
 public:
  /// No tensor: what an absent optional argument is.
  Tensor() = default;
  /// Uninitialised memory. Throws `out_of_memory`; refused while `stream` records a graph.
  static Tensor empty(const Stream& stream, DType dtype, const Shape& shape);
  /// Memory that someone else has and keeps, or that `keep_alive` keeps. `strides`, in elements,
  /// one for each extent, may be left out where the memory is contiguous.
  static Tensor wrap(const Device& device, cu::DevicePointer pointer, DType dtype,
                     const Shape& shape, std::span<const std::int64_t> strides = {},
                     std::shared_ptr<void> keep_alive = nullptr);
  /// A new tensor with the bytes of `data`. Waits until `data` may be changed.
  static Tensor from_host(const Stream& stream, DType dtype, const Shape& shape,
                          std::span<const std::byte> data);
  template <class T>
  static Tensor from_host(const Stream& stream, const std::vector<T>& data, const Shape& shape) {
    return from_host(stream, DTypeOf<T>::value, shape, std::as_bytes(std::span(data)));
  }

  bool valid() const { return storage_ != nullptr; }
  explicit operator bool() const { return valid(); }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  /// The stride of dimension `i` in elements.
  std::int64_t stride(int i) const {
    return strides_[static_cast<std::size_t>(i < 0 ? i + shape_.rank() : i)];
  }
  std::int64_t elements() const { return shape_.elements(); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * size_of(dtype_); }
  bool contiguous() const { return contiguous_; }
  /// The address of the first element; null for no elements.
  cu::DevicePointer pointer() const { return pointer_; }
  const std::shared_ptr<Context>& context() const;
  TensorCounters counters() const;

  /// Replaces the elements. Waits until `data` may be changed.
  void copy_from_host(const Stream& stream, std::span<const std::byte> data) const;
  /// Copies the elements of a tensor of the same type and shape; both contiguous.
  void copy_from(const Stream& stream, const Tensor& other) const;
  /// Sets every element, as `encode` converts the value.
  void fill(const Stream& stream, double value) const;

  /// The elements in row-major order. Waits for the stream.
  void to_host(const Stream& stream, std::span<std::byte> data) const;
  /// As to_host, but not counted as a transfer: for traces and tests.
  void peek_host(const Stream& stream, std::span<std::byte> data) const;
  template <class T>
  std::vector<T> to_host(const Stream& stream) const {
    std::vector<T> data(typed_elements(DTypeOf<T>::value));
    to_host(stream, std::as_writable_bytes(std::span(data)));
    return data;
  }
  template <class T>
  std::vector<T> peek_host(const Stream& stream) const {
    std::vector<T> data(typed_elements(DTypeOf<T>::value));
    peek_host(stream, std::as_writable_bytes(std::span(data)));
    return data;
  }

  /// The elements `begin` to `end` (exclusive) of dimension `dim`.
  Tensor slice(int dim, std::int64_t begin, std::int64_t end) const;
  /// The same elements under another shape; contiguous tensors only.
  Tensor reshape(const Shape& shape) const;
  /// The same bytes as elements of another type; contiguous tensors only.
  Tensor as(DType dtype, const Shape& shape) const;
  /// As `f32[3, 1500, 384]`.
  std::string text() const;

  const std::shared_ptr<Storage>& storage() const { return storage_; }

 private:
  std::size_t typed_elements(DType dtype) const;
  void require_valid(const char* function) const;
  void require_stream(const char* function, const Stream& stream) const;
  void copy_to_host(const Stream& stream, std::span<std::byte> data) const;
  void set_shape(const Shape& shape);

  std::shared_ptr<Storage> storage_;
  cu::DevicePointer pointer_ = 0;
  Shape shape_;
  std::array<std::int64_t, Shape::max_rank> strides_{};
  DType dtype_ = DType::f32;
  bool contiguous_ = true;
};

}  // namespace ptxmill::rt
