// What a template's body writes to: the kernel under construction, with the template's dimensions
// and arguments as values of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "generator/ptx/kernel.hpp"
#include "templates/template.hpp"

namespace ptxmill::kernels {

using ptx::ceil_div;
using ptx::F32;
using ptx::GlobalPtr;
using ptx::In;
using ptx::Kernel;
using ptx::Level;
using ptx::Pred;
using ptx::SharedPtr;
using ptx::U32;
using ptx::U64;
using ptx::unroll;
using ptx::Val;
using ptx::Var;
using ptx::Where;

/// A dimension in a body: a constant of the generating program where the spec fixed it, else a
/// register. Arithmetic on constants folds, so that a body is written once for both.
class Extent : public ptx::Operators<ptx::u32> {
 public:
  using type = ptx::u32;
  // NOLINTBEGIN(google-explicit-constructor): both directions are what the class is for.
  Extent(std::int64_t constant) : constant_(constant) {}
  Extent(int constant) : constant_(constant) {}
  explicit Extent(const U32& value) : value_(value) {}
  // NOLINTEND(google-explicit-constructor)
  In<ptx::u32> in(Where where = Where::here()) const {
    return value_ ? In<ptx::u32>(*value_, where) : In<ptx::u32>(constant_, where);
  }

  bool is_static() const { return !value_.has_value(); }
  /// The value of a static extent.
  std::int64_t get() const { return constant_; }
  /// The register of an extent that is not static.
  const U32& value() const { return *value_; }
  /// Whether the extent is static and equal to n.
  bool is(std::int64_t n) const { return is_static() && constant_ == n; }

  friend Extent operator+(const Extent& a, const Extent& b) {
    return a.is_static() && b.is_static() ? Extent(a.constant_ + b.constant_)
                                          : Extent(a.in() + b.in());
  }
  friend Extent operator-(const Extent& a, const Extent& b) {
    return a.is_static() && b.is_static() ? Extent(a.constant_ - b.constant_)
                                          : Extent(a.in() - b.in());
  }
  friend Extent operator*(const Extent& a, const Extent& b) {
    if (a.is(1)) return b;
    if (b.is(1)) return a;
    return a.is_static() && b.is_static() ? Extent(a.constant_ * b.constant_)
                                          : Extent(a.in() * b.in());
  }
  friend Extent operator/(const Extent& a, const Extent& b) {
    return a.is_static() && b.is_static() ? Extent(a.constant_ / b.constant_)
                                          : Extent(a.in() / b.in());
  }
  friend Extent operator%(const Extent& a, const Extent& b) {
    return a.is_static() && b.is_static() ? Extent(a.constant_ % b.constant_)
                                          : Extent(a.in() % b.in());
  }
  friend Extent ceil_div(const Extent& a, std::int64_t b) {
    return (a + Extent(b - 1)) / Extent(b);
  }

 private:
  std::int64_t constant_ = 0;
  std::optional<U32> value_;
};

/// A pointer to elements whose type the spec decides. Loads convert to f32, stores from it.
class ElementPtr {
 public:
  ElementPtr(Dtype dtype, U64 base, std::int64_t offset_bytes)
      : dtype_(dtype), base_(base), offset_(offset_bytes) {}
  Dtype dtype() const { return dtype_; }
  const U64& base() const { return base_; }
  std::int64_t offset() const { return offset_; }
  template <class T>
  GlobalPtr<T> as() const {
    return {base_, offset_};
  }

  friend ElementPtr operator+(const ElementPtr& p, const In<ptx::u32>& index);
  friend ElementPtr operator+(const ElementPtr& p, const U64& index);

 private:
  Dtype dtype_;
  U64 base_;
  std::int64_t offset_;
};

/// A template's kernel under construction. All parameters are read at its start, as named values.
class Emitter : public Kernel {
 public:
  Emitter(const std::string& entry, ptx::Target target, const Template& declared, const Form& form);

  Extent dim(const Dim& dim) const { return dims_.at(&dim); }
  ElementPtr ptr(const Tensor& tensor) const { return pointers_.at(&tensor); }
  F32 scalar(const Scalar& scalar) const { return scalars_.at(&scalar); }

  using Kernel::let;
  using Kernel::load;
  using Kernel::store;
  ElementPtr let(const std::string& name, const ElementPtr& p, Where where = Where::here()) {
    return {p.dtype(), let(name, p.base(), where), p.offset()};
  }
  /// Names an extent's register; a constant stays one.
  Extent let(const std::string& name, const Extent& e, Where where = Where::here()) {
    return e.is_static() ? e : Extent(let(name, e.value(), where));
  }
  /// One element, as f32.
  F32 load(const ElementPtr& p, Where where = Where::here());
  /// `n` neighbouring elements (1, 2 or 4) in one access, as f32.
  std::vector<F32> load_vector(const ElementPtr& p, int n, Where where = Where::here());
  /// Rounds to the element type.
  void store(const ElementPtr& p, const In<ptx::f32>& value);
  void store_vector(const ElementPtr& p, const std::vector<F32>& values,
                    Where where = Where::here());

 private:
  std::map<const Dim*, Extent> dims_;
  std::map<const Tensor*, ElementPtr> pointers_;
  std::map<const Scalar*, F32> scalars_;
};

}  // namespace ptxmill::kernels
