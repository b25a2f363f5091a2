// Typed registers: Val (immutable), Var (assignable), In (what an instruction takes), and the
// operators on them. Each operator records one instruction.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "generator/ptx/recorder.hpp"

namespace ptxmill::ptx {

// Type tags: the C++ names of PTX types.
struct pred {
  static constexpr isa::Type type = isa::Type::pred;
};
struct b8 {
  static constexpr isa::Type type = isa::Type::b8;
};
struct b16 {
  static constexpr isa::Type type = isa::Type::b16;
};
struct b32 {
  static constexpr isa::Type type = isa::Type::b32;
};
struct b64 {
  static constexpr isa::Type type = isa::Type::b64;
};
struct u8 {
  static constexpr isa::Type type = isa::Type::u8;
};
struct s8 {
  static constexpr isa::Type type = isa::Type::s8;
};
struct u16 {
  static constexpr isa::Type type = isa::Type::u16;
};
struct s16 {
  static constexpr isa::Type type = isa::Type::s16;
};
struct u32 {
  static constexpr isa::Type type = isa::Type::u32;
};
struct s32 {
  static constexpr isa::Type type = isa::Type::s32;
};
struct u64 {
  static constexpr isa::Type type = isa::Type::u64;
};
struct s64 {
  static constexpr isa::Type type = isa::Type::s64;
};
struct f16 {
  static constexpr isa::Type type = isa::Type::f16;
};
struct bf16 {
  static constexpr isa::Type type = isa::Type::bf16;
};
struct f32 {
  static constexpr isa::Type type = isa::Type::f32;
};
struct f64 {
  static constexpr isa::Type type = isa::Type::f64;
};
struct f16x2 {
  static constexpr isa::Type type = isa::Type::f16x2;
};
struct bf16x2 {
  static constexpr isa::Type type = isa::Type::bf16x2;
};

template <class T>
inline constexpr bool is_real = T::type == isa::Type::f32 || T::type == isa::Type::f64;
template <class T>
inline constexpr bool is_whole = isa::is_integer(T::type) || T::type == isa::Type::b16
                                 || T::type == isa::Type::b32 || T::type == isa::Type::b64;

/// A constant of the generating program that may stand where a register of type T is expected.
template <class L, class T>
concept LiteralFor = (is_whole<T> && std::integral<L> && !std::same_as<L, bool>) ||
                     (is_real<T> &&
                      (std::integral<L> || std::floating_point<L>)&&!std::same_as<L, bool>);

template <class T>
class Val;
template <class T>
class Var;

template <class T>
class In;

/// Two operands, at least one of them a register, name the recorder to write to.
template <class T>
Recorder& recorder_of(const In<T>& a, const In<T>& b);
template <class T, class R = T>
Val<R> record(Recorder& recorder, Op op, std::initializer_list<Operand> sources, Where where,
              isa::Type type = T::type);

/// What a comparison yields: Val<pred>, spelled so that it is looked up only where it is used.
template <class T>
struct comparison {
  using type = Val<pred>;
};

/// The operators of registers of type T, found by argument-dependent look-up.
template <class T>
struct Operators {
  static constexpr bool real = is_real<T>;
  using Compared = typename comparison<T>::type;

  friend Val<T> operator+(const In<T>& a, const In<T>& b) {
    return binary(real ? Op::add_rn : Op::add, a, b);
  }
  friend Val<T> operator-(const In<T>& a, const In<T>& b) {
    return binary(real ? Op::sub_rn : Op::sub, a, b);
  }
  friend Val<T> operator*(const In<T>& a, const In<T>& b) {
    return binary(real ? Op::mul_rn : Op::mul_lo, a, b);
  }
  /// Real: correctly rounded. Integer: a power of two becomes a shift or a mask.
  friend Val<T> operator/(const In<T>& a, const In<T>& b) {
    if (const int shift = power_of_two(b); shift >= 0)
      return record<T>(recorder_of(a, b), Op::shr,
                       {a.operand, Operand::literal(std::int64_t{shift}, isa::Type::u32)}, a.where);
    return binary(real ? Op::div_rn : Op::div, a, b);
  }
  friend Val<T> operator%(const In<T>& a, const In<T>& b) {
    if (power_of_two(b) >= 0)
      return record<T>(recorder_of(a, b), Op::and_,
                       {a.operand, Operand::literal(b.operand.integer - 1, T::type)}, a.where);
    return binary(Op::rem, a, b);
  }
  friend Val<T> operator&(const In<T>& a, const In<T>& b) { return binary(Op::and_, a, b); }
  friend Val<T> operator|(const In<T>& a, const In<T>& b) { return binary(Op::or_, a, b); }
  friend Val<T> operator^(const In<T>& a, const In<T>& b) { return binary(Op::xor_, a, b); }
  friend Val<T> operator<<(const In<T>& a, int n) { return shift(Op::shl, a, n); }
  friend Val<T> operator>>(const In<T>& a, int n) { return shift(Op::shr, a, n); }
  friend Val<T> operator-(const In<T>& a) {
    return record<T>(*a.recorder, Op::neg, {a.operand}, a.where);
  }

  friend Compared operator==(const In<T>& a, const In<T>& b) { return compare(Op::setp_eq, a, b); }
  friend Compared operator!=(const In<T>& a, const In<T>& b) { return compare(Op::setp_ne, a, b); }
  friend Compared operator<(const In<T>& a, const In<T>& b) { return compare(Op::setp_lt, a, b); }
  friend Compared operator<=(const In<T>& a, const In<T>& b) { return compare(Op::setp_le, a, b); }
  friend Compared operator>(const In<T>& a, const In<T>& b) { return compare(Op::setp_gt, a, b); }
  friend Compared operator>=(const In<T>& a, const In<T>& b) { return compare(Op::setp_ge, a, b); }

 private:
  static Val<T> binary(Op op, const In<T>& a, const In<T>& b) {
    return record<T>(recorder_of(a, b), op, {a.operand, b.operand}, a.where);
  }
  static Val<T> shift(Op op, const In<T>& a, int n) {
    return record<T>(*a.recorder, op,
                     {a.operand, Operand::literal(std::int64_t{n}, isa::Type::u32)}, a.where);
  }
  static Compared compare(Op op, const In<T>& a, const In<T>& b) {
    return record<T, pred>(recorder_of(a, b), op, {a.operand, b.operand}, a.where);
  }
  static int power_of_two(const In<T>& b) {
    if (!isa::is_unsigned(T::type) || b.operand.kind != Operand::Kind::integer) return -1;
    const std::int64_t v = b.operand.integer;
    if (v <= 0 || (v & (v - 1)) != 0) return -1;
    int shift = 0;
    while ((std::int64_t{1} << shift) < v) ++shift;
    return shift;
  }
};

/// Predicates combine with the logical operators; each records one instruction, always.
template <>
struct Operators<pred> {
  friend Val<pred> operator&&(const In<pred>& a, const In<pred>& b);
  friend Val<pred> operator||(const In<pred>& a, const In<pred>& b);
  friend Val<pred> operator!(const In<pred>& a);
};

/// An instruction's operand: a register or a constant, with the line that gave it.
template <class T>
class In : public Operators<T> {
 public:
  using type = T;
  // NOLINTBEGIN(google-explicit-constructor): operands convert implicitly, which is their purpose.
  In(const Val<T>& v, Where w = Where::here());
  In(Val<T>&& v, Where w = Where::here());
  In(const Var<T>& v, Where w = Where::here());
  template <LiteralFor<T> L>
  In(L literal, Where w = Where::here()) : where(w) {
    if constexpr (is_real<T>) {
      const auto value = static_cast<double>(literal);
      if (T::type == isa::Type::f32 && std::isfinite(value) &&
          std::isinf(static_cast<float>(value)))
        throw BuildError(w, "the constant " + std::to_string(value) + " does not fit .f32");
      operand = Operand::literal(value, T::type);
    } else {
      constexpr int width = isa::bits(T::type);
      const auto wide = static_cast<std::int64_t>(literal);
      if constexpr (width < 64) {
        constexpr int value_bits = isa::is_signed(T::type) ? width - 1 : width;
        const std::int64_t low =
            isa::is_signed(T::type) ? -(std::int64_t{1} << value_bits) : std::int64_t{0};
        if (wide < low || wide >= (std::int64_t{1} << value_bits))
          throw BuildError(w, "the constant " + std::to_string(wide) + " does not fit ." +
                                  std::string(isa::spelling(T::type)));
      }
      operand = Operand::literal(wide, T::type);
    }
  }
  /// Whatever knows how to become an operand: a dimension that is a constant or a register.
  template <class D>
  requires requires(const D& d, Where w) {
    { d.in(w) } -> std::same_as<In<T>>;
  }
  In(D&& d, Where w = Where::here())
      : In(d.in(w)) {  // NOLINT(bugprone-forwarding-reference-overload)
    operand.fresh = !std::is_lvalue_reference_v<D>;
  }
  // NOLINTEND(google-explicit-constructor)

  bool is_literal() const { return operand.kind != Operand::Kind::reg; }
  Operand operand;
  Recorder* recorder = nullptr;  ///< null for a constant
  Where where;
};

template <class T>
Recorder& recorder_of(const In<T>& a, const In<T>& b) {
  Recorder* r = a.recorder != nullptr ? a.recorder : b.recorder;
  if (r == nullptr) throw BuildError(a.where, "an operator needs a register on one side");
  return *r;
}

/// An immutable value in a register. Cheap to copy; valid in the phase, branch or loop that
/// computed it and in what they enclose. A value that crosses phases is named with Kernel::let.
template <class T>
class Val : public Operators<T> {
 public:
  using type = T;
  Val(Recorder& recorder, RegId id) : recorder_(&recorder), id_(id) {}
  RegId id() const { return id_; }
  Recorder& recorder() const { return *recorder_; }
  /// Another reading of a value that a variable of the template holds: no part of an expression.
  Val bound() const {
    Val v = *this;
    v.is_bound_ = true;
    return v;
  }
  bool is_bound() const { return is_bound_; }
  /// Which threads are known to hold the same value.
  Level uniform() const { return recorder_->reg(id_).uniform; }

 private:
  Recorder* recorder_;
  RegId id_;
  bool is_bound_ = false;
};

/// An assignable register. Reading it as an operand reads its present value; `Val<T> v = var.get()`
/// would alias, so there is no such thing: copy a value with Kernel::let.
template <class T>
class Var : public Operators<T> {
 public:
  using type = T;
  Var(Recorder& recorder, RegId id) : recorder_(&recorder), id_(id) {}
  Var(const Var&) = delete;
  Var(Var&&) noexcept = default;
  Var& operator=(Var&&) = delete;
  ~Var() = default;

  Var& operator=(const In<T>& value) {
    recorder_->assign(id_, value.operand, false, value.where);
    return *this;
  }
  /// Assigns a value just computed: its instruction writes this variable directly.
  void set(Val<T>&& value, Where where = Where::here()) {
    recorder_->assign(id_, Operand::of(value.id()), true, where);
  }
  Var& operator=(Val<T>&& value) {
    recorder_->assign(id_, Operand::of(value.id()), true, recorder_->reg(value.id()).defined);
    return *this;
  }
  Var& operator=(const Var& other) {  // NOLINT(cert-oop54-cpp): assigns the other's present value
    return *this = In<T>(other);
  }
  Var& operator+=(const In<T>& b) { return *this = In<T>(*this, b.where) + b; }
  Var& operator-=(const In<T>& b) { return *this = In<T>(*this, b.where) - b; }
  Var& operator*=(const In<T>& b) { return *this = In<T>(*this, b.where) * b; }
  RegId id() const { return id_; }
  Recorder& recorder() const { return *recorder_; }

 private:
  Recorder* recorder_;
  RegId id_;
};

template <class T>
In<T>::In(const Val<T>& v, Where w)
    : operand(Operand::of(v.id())), recorder(&v.recorder()), where(w) {}
template <class T>
In<T>::In(Val<T>&& v, Where w) : In(std::as_const(v), w) {
  operand.fresh = !v.is_bound();
}
template <class T>
In<T>::In(const Var<T>& v, Where w)
    : operand(Operand::of(v.id())), recorder(&v.recorder()), where(w) {}

/// An operand that is a register, where a constant would be ambiguous.
template <class T>
class RegisterIn : public In<T> {
 public:
  // NOLINTBEGIN(google-explicit-constructor): as for In.
  RegisterIn(const Val<T>& v, Where w = Where::here()) : In<T>(v, w) {}
  RegisterIn(Val<T>&& v, Where w = Where::here()) : In<T>(std::move(v), w) {}
  // NOLINTEND(google-explicit-constructor)
};

/// Records an instruction with one result of type R and operands spelled as T.
template <class T, class R>
Val<R> record(Recorder& recorder, Op op, std::initializer_list<Operand> sources, Where where,
              isa::Type type) {
  const RegId result = recorder.temporary(R::type, where);
  std::vector<Operand> operands{Operand::of(result)};
  operands.insert(operands.end(), sources);
  recorder.emit(op, type, std::move(operands), where);
  return {recorder, result};
}

inline Val<pred> operator&&(const In<pred>& a, const In<pred>& b) {
  return record<pred>(recorder_of(a, b), Op::and_, {a.operand, b.operand}, a.where);
}
inline Val<pred> operator||(const In<pred>& a, const In<pred>& b) {
  return record<pred>(recorder_of(a, b), Op::or_, {a.operand, b.operand}, a.where);
}
inline Val<pred> operator!(const In<pred>& a) {
  return record<pred>(*a.recorder, Op::not_, {a.operand}, a.where);
}

using Pred = Val<pred>;
using B32 = Val<b32>;
using U32 = Val<u32>;
using S32 = Val<s32>;
using U64 = Val<u64>;
using S64 = Val<s64>;
using F16 = Val<f16>;
using BF16 = Val<bf16>;
using F32 = Val<f32>;
using F64 = Val<f64>;

/// The register type among an instruction's arguments: that of the first that is a register.
template <class... A>
struct register_among;
template <class A, class... Rest>
requires requires { typename std::remove_cvref_t<A>::type; }
struct register_among<A, Rest...> {
  using type = typename std::remove_cvref_t<A>::type;
};
template <class A, class... Rest>
requires(!requires { typename std::remove_cvref_t<A>::type; }) struct register_among<A, Rest...>
    : register_among<Rest...> {
};
template <class... A>
using register_among_t = typename register_among<A...>::type;

}  // namespace ptxmill::ptx
