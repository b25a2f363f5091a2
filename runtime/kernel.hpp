// Launching kernels.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tensor.hpp"

namespace ptxmill::rt {

struct KernelInfo;
struct VariantState;
class LibraryState;

/// A dimension by name, as in `{{"rows", 1500}}`.
struct Dim {
  std::string_view name;
  std::int64_t value = 0;
};

/// A value that lives on the device, with what the caller believes it to be: the belief is checked
/// against the range that the kernel allows, the device's value is what the kernel reads.
struct DeviceScalar {
  const Tensor& value;
  std::int64_t mirror;
};

/// Memory for a kernel's workspace parameters, in place of the stream's own. Given after the other
/// arguments. `zeroed` holds zeros, for the parameters that ask for them.
struct Workspace {
  const Tensor& memory;
  const Tensor& zeroed;
};

/// Bytes that a launch's workspace parameters take.
struct WorkspaceBytes {
  std::size_t plain = 0;
  std::size_t zeroed = 0;
};

/// One argument of a launch. Refers to the tensors that it is made from.
class Argument {
 public:
  enum class Kind : std::uint8_t { null, tensor, real, integer, natural, bytes, workspace };

  /// A null pointer, for an optional tensor.
  Argument(std::nullptr_t) {}
  /// A tensor; one that is not valid counts as null.
  Argument(const Tensor& tensor) : Argument(Kind::tensor, tensor) {}
  /// `elements` elements of a contiguous tensor from `offset` on.
  Argument(const Tensor& tensor, std::int64_t offset, std::int64_t elements)
      : Argument(Kind::tensor, tensor) {
    pointer_ += static_cast<std::size_t>(offset) * size_of(dtype_);
    elements_ = elements;
  }
  Argument(const DeviceScalar& scalar) : Argument(Kind::tensor, scalar.value) {
    has_mirror_ = true;
    integer_ = scalar.mirror;
  }
  Argument(const Workspace& workspace)
      : kind_(Kind::workspace), tensor_(&workspace.memory), zeroed_(&workspace.zeroed) {}
  template <std::floating_point T>
  Argument(T value) : kind_(Kind::real), real_(static_cast<double>(value)) {}
  template <std::signed_integral T>
  Argument(T value) : kind_(Kind::integer), integer_(value) {}
  template <std::unsigned_integral T>
  Argument(T value) : kind_(Kind::natural), natural_(value) {}
  /// Bytes passed by value.
  Argument(std::span<const std::byte> bytes)
      : kind_(Kind::bytes),
        elements_(static_cast<std::int64_t>(bytes.size())),
        bytes_(bytes.data()) {}

  Kind kind() const { return kind_; }

 private:
  friend class Launcher;
  Argument(Kind kind, const Tensor& tensor) {
    if (!tensor.valid()) return;
    kind_ = kind;
    dtype_ = tensor.dtype();
    contiguous_ = tensor.contiguous();
    elements_ = tensor.elements();
    pointer_ = tensor.pointer();
    tensor_ = &tensor;
  }

  Kind kind_ = Kind::null;
  DType dtype_ = DType::f32;
  bool contiguous_ = true;
  bool has_mirror_ = false;
  std::int64_t elements_ = 0;
  cu::DevicePointer pointer_ = 0;
  const Tensor* tensor_ = nullptr;
  const Tensor* zeroed_ = nullptr;
  double real_ = 0;
  std::int64_t integer_ = 0;
  std::uint64_t natural_ = 0;
  const std::byte* bytes_ = nullptr;
};

/// A kernel of a library, in the variant that suits the library's device. A small handle: copy it,
/// keep it, launch it from any thread. Loaded at its first launch.
class Kernel {
 public:
  /// Puts the kernel on the stream. `dims` names every dynamic dimension (static ones may be named,
  /// and must agree); the tensors and scalars follow in the order of the kernel's parameters.
  ///
  /// Before anything is launched, throws `invalid_argument` naming the argument for a wrong count,
  /// kind, dtype, device, alignment or element count, a dimension out of its range, or a grid
  /// beyond the device's; `incompatible` for a cooperative grid that cannot be resident at once,
  /// with the numbers. An extent of zero in the grid is a success without a launch.
  template <class... Arguments>
  void launch(const Stream& stream, std::initializer_list<Dim> dims,
              const Arguments&... arguments) const {
    const std::array<Argument, sizeof...(Arguments)> packed{Argument(arguments)...};
    launch_packed(stream, std::span<const Dim>(dims.begin(), dims.size()), packed);
  }
  void launch_packed(const Stream& stream, std::span<const Dim> dims,
                     std::span<const Argument> arguments) const;
  /// As launch_packed, with the values of all dimensions in the order of info().dims.
  void launch_values(const Stream& stream, std::span<const std::int64_t> dims,
                     std::span<const Argument> arguments) const;

  const std::string& name() const;
  /// The chosen target, as `sm_90a`.
  const std::string& target() const;
  const KernelInfo& info() const;
  /// The names of the arguments that a launch takes, in order.
  const std::vector<std::string>& argument_names() const;
  /// The most that any form takes for these values of all dimensions, in the order of info().dims.
  WorkspaceBytes workspace_bytes(std::span<const std::int64_t> dims) const;
  /// Loads it now, rather than at the first launch.
  void load() const;

 private:
  friend class LibraryState;
  friend class Launcher;
  Kernel(std::shared_ptr<LibraryState> library, VariantState* variant)
      : library_(std::move(library)), variant_(variant) {}
  std::span<const std::int64_t> with_sm_count(std::span<const std::int64_t> dims,
                                              std::span<std::int64_t> storage) const;

  std::shared_ptr<LibraryState> library_;
  VariantState* variant_;
};

}  // namespace ptxmill::rt
