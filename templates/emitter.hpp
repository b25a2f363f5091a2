// What a template's body writes to: the kernel under construction, with the template's dimensions
// and arguments as values of it.
#pragma once

#include <concepts>
#include <functional>
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

/// The name of the `i`-th of several values.
inline std::string numbered(const std::string& name, int i) { return name + std::to_string(i); }

class Extent;
/// Two operands of which one is an extent, and the other an extent or a whole number.
template <class A, class B>
concept ExtentOperands = (std::same_as<std::remove_cvref_t<A>, Extent> &&
                          std::same_as<std::remove_cvref_t<B>, Extent>) ||
                         (std::same_as<std::remove_cvref_t<A>, Extent> &&
                          std::integral<std::remove_cvref_t<B>>) ||
                         (std::integral<std::remove_cvref_t<A>> &&
                          std::same_as<std::remove_cvref_t<B>, Extent>);

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

  template <class A, class B>
  requires ExtentOperands<A, B>
  friend Extent operator+(A&& a, B&& b) {
    return combined(std::forward<A>(a), std::forward<B>(b), [](auto x, auto y) { return x + y; });
  }
  template <class A, class B>
  requires ExtentOperands<A, B>
  friend Extent operator-(A&& a, B&& b) {
    return combined(std::forward<A>(a), std::forward<B>(b), [](auto x, auto y) { return x - y; });
  }
  template <class A, class B>
  requires ExtentOperands<A, B>
  friend Extent operator*(A&& a, B&& b) {
    if (Extent(a).is(1)) return Extent(std::forward<B>(b));
    if (Extent(b).is(1)) return Extent(std::forward<A>(a));
    return combined(std::forward<A>(a), std::forward<B>(b), [](auto x, auto y) { return x * y; });
  }
  template <class A, class B>
  requires ExtentOperands<A, B>
  friend Extent operator/(A&& a, B&& b) {
    return combined(std::forward<A>(a), std::forward<B>(b), [](auto x, auto y) { return x / y; });
  }
  template <class A, class B>
  requires ExtentOperands<A, B>
  friend Extent operator%(A&& a, B&& b) {
    return combined(std::forward<A>(a), std::forward<B>(b), [](auto x, auto y) { return x % y; });
  }
  friend Extent ceil_div(const Extent& a, std::int64_t b) { return (a + (b - 1)) / b; }
  friend Extent ceil_div(Extent&& a, std::int64_t b) { return (std::move(a) + (b - 1)) / b; }

 private:
  /// Folds constants, or records what `f` says. An operand that is no variable of the template is
  /// part of the expression, so that it takes its place in the written order.
  template <class A, class B, class F>
  static Extent combined(A&& a, B&& b, F f) {
    const Extent x(a), y(b);
    if (x.is_static() && y.is_static()) return Extent(f(x.constant_, y.constant_));
    In<ptx::u32> left = x.in(), right = y.in();
    left.operand.fresh = !std::is_lvalue_reference_v<A>;
    right.operand.fresh = !std::is_lvalue_reference_v<B>;
    return Extent(f(left, right));
  }

  std::int64_t constant_ = 0;
  std::optional<U32> value_;
};

/// Elements of the widest access of one thread, 16 bytes.
inline int widest_vector(Dtype dtype) { return 16 / spec::size_bytes(dtype); }

/// A pointer to elements whose type the spec decides. Loads convert to f32, stores from it.
class ElementPtr {
 public:
  ElementPtr(Dtype dtype, U64 base, std::int64_t offset_bytes)
      : dtype_(dtype), base_(base), offset_(offset_bytes) {}
  Dtype dtype() const { return dtype_; }
  const U64& base() const { return base_; }
  std::int64_t offset() const { return offset_; }
  template <class T>
  GlobalPtr<T> as() const& {
    return {base_.bound(), offset_};
  }
  template <class T>
  GlobalPtr<T> as() && {
    return {base_, offset_};
  }

  friend ElementPtr operator+(const ElementPtr& p, const In<ptx::u32>& index) {
    return ElementPtr(p.dtype_, p.base_.bound(), p.offset_).advance(index, ptx::Op::mad_wide);
  }
  friend ElementPtr operator+(ElementPtr&& p, const In<ptx::u32>& index) {
    return p.advance(index, ptx::Op::mad_wide);
  }
  friend ElementPtr operator+(const ElementPtr& p, const ptx::RegisterIn<ptx::u64>& index) {
    return ElementPtr(p.dtype_, p.base_.bound(), p.offset_).advance(index, ptx::Op::mad_lo);
  }
  friend ElementPtr operator+(ElementPtr&& p, const ptx::RegisterIn<ptx::u64>& index) {
    return p.advance(index, ptx::Op::mad_lo);
  }

 private:
  template <class I>
  ElementPtr advance(const In<I>& index, ptx::Op op) const;

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
  /// A tensor that the form takes as a tensor map.
  const ptx::TensorMap& map(const Tensor& tensor) const { return maps_.at(&tensor); }
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
  F32 load(ElementPtr&& p, Where where = Where::here());
  /// `n` neighbouring elements (1, 2, 4, or 8 of 16 bits) in one access, as f32.
  std::vector<F32> load_vector(const ElementPtr& p, int n, Where where = Where::here());
  /// Gives each element to `take` as soon as it is f32, which may keep it in a variable.
  using Take = std::function<void(F32&&)>;
  void load_each(const ElementPtr& p, int n, const Take& take, Where where = Where::here());
  /// The elements of words as memory has them, in order.
  void each_element(Dtype dtype, const std::vector<ptx::B32>& words, const Take& take,
                    Where where = Where::here());
  /// Emits the body under a guard where there is a condition.
  void guard_if(const std::optional<Pred>& condition, const std::function<void()>& body);
  /// Rounds to the element type.
  void store(const ElementPtr& p, const In<ptx::f32>& value);
  void store(ElementPtr&& p, const In<ptx::f32>& value);
  void store_vector(const ElementPtr& p, const std::vector<F32>& values,
                    Where where = Where::here());

 private:
  std::map<const Dim*, Extent> dims_;
  std::map<const Tensor*, ElementPtr> pointers_;
  std::map<const Tensor*, ptx::TensorMap> maps_;
  std::map<const Scalar*, F32> scalars_;
};

}  // namespace ptxmill::kernels
