// f32 and f64 arithmetic (PTX ISA, "Floating Point Instructions").
#include <cfenv>
#include <cmath>

#include "emulator/lanes/floats.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

/// What .ftz does to operands and results, and .sat to results.
template <class T, bool ftz, bool sat>
struct Finish {
  static constexpr bool flushes = ftz;
  [[gnu::always_inline]] static T operand(T v) {
    if constexpr (ftz && std::is_same_v<T, float>) return flushed(v);
    return v;
  }
  [[gnu::always_inline]] static T result(T v) {
    // The order of the comparisons sends NaN to +0.
    if constexpr (sat) return v > T{0} ? (v < T{1} ? operand(v) : T{1}) : T{0};
    return canonical(operand(v));
  }
};

// 2^f for |f| <= 1/2 as the Taylor series of exp(f ln 2); the first term left out is below 2^-45.
[[gnu::always_inline]] inline double exp2_fraction(double f) {
  constexpr double ln2 = 0.6931471805599453;
  const double x = f * ln2;
  double r = 1.0 / 39916800;
  constexpr double terms[] = {1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
                              1.0 / 720,     1.0 / 120,    1.0 / 24,    1.0 / 6,
                              1.0 / 2,       1.0,          1.0};
  for (const double t : terms) r = r * x + t;
  return r;
}

[[gnu::always_inline]] inline float exp2_approx(float v) {
  // Beyond this range the result is zero or infinity in f32, and the scale below stays a normal.
  const float c = v < -200.f ? -200.f : v > 200.f ? 200.f : v;
  const float n = __builtin_rintf(v == v ? c : 0.f);
  const double fraction = static_cast<double>(v == v ? c : 0.f) - static_cast<double>(n);
  const auto exponent = static_cast<std::uint64_t>(static_cast<std::int32_t>(n) + 1023);
  const double scale = unpack<double>(exponent << 52);
  const float r = static_cast<float>(exp2_fraction(fraction) * scale);
  return v == v ? r : v;
}

template <bool want_max, bool nan_wins, bool absolute, class T>
[[gnu::always_inline]] inline T extremum(T x, T y) {
  const Word<T> sign = (bits_of(x) ^ bits_of(y)) & sign_of<T>;
  const T a = absolute ? unpack<T>(bits_of(x) & ~sign_of<T>) : x;
  const T b = absolute ? unpack<T>(bits_of(y) & ~sign_of<T>) : y;
  // Equal operands differ at most in the sign of a zero; +0 is the larger.
  const T equal = unpack<T>(want_max ? bits_of(a) & bits_of(b) : bits_of(a) | bits_of(b));
  T r = (want_max ? a > b : a < b) ? a : b;
  r = a == b ? equal : r;
  if constexpr (nan_wins) {
    r = b != b ? b : a != a ? a : r;
  } else {
    r = a != a ? b : b != b ? a : r;
  }
  if constexpr (std::is_same_v<T, double>) {
    if (r != r) return quiet(r);
  }
  if (r != r) return canonical(r);
  return absolute ? unpack<T>(bits_of(r) | sign) : r;
}

/// For |b| above 2^126 the reciprocal underflows, and the manual asks for a zero.
[[gnu::always_inline]] inline float divide_approx(float a, float b) {
  const bool huge = __builtin_fabsf(b) > 0x1p126f;
  const float zero = unpack<float>((bits_of(a) ^ bits_of(b)) & sign_of<float>);
  const bool infinite = __builtin_fabsf(a) > 3.4028235e38f;
  const float large = infinite || a != a ? unpack<float>(canonical_nan<float>) : zero;
  return huge ? large : a / b;
}

/// sin or, a quarter later, cos, of an angle that is first turned into a number of turns, cut
/// to f32: that is why large angles are far from the mathematical value.
template <int quarter>
float quarter_wave(float angle) {
  if (!(__builtin_fabsf(angle) <= 3.4028235e38f)) return unpack<float>(canonical_nan<float>);
  const double exact = static_cast<double>(angle) * 0x1.45f306p-3;
  const auto nearest = static_cast<float>(exact);
  const bool above = std::fabs(static_cast<double>(nearest)) > std::fabs(exact);
  const float turns = flushed(unpack<float>(bits_of(nearest) - (above ? 1 : 0)));
  const double quarters = 4 * std::fabs(static_cast<double>(turns));
  const double whole = std::floor(quarters);
  const double rest = (quarters - whole) * (std::acos(-1.0) / 2);
  const int which = static_cast<int>(std::fmod(whole, 4)) + quarter;
  const double v = which % 2 == 0 ? std::sin(rest) : std::cos(rest);
  const bool negative = (which & 2) != 0;
  const bool odd = quarter == 0 && (bits_of(turns) & sign_of<float>) != 0;
  return static_cast<float>(negative != odd ? -v : v);
}

template <class T, class M, T (*f)(T)>
void unary(Warp& w, const Instruction& i, LaneMask m) {
  map1<T, T>(w, i, m, [](T a) { return M::result(f(M::operand(a))); });
}
template <class T, class M, T (*f)(T, T)>
void binary(Warp& w, const Instruction& i, LaneMask m) {
  map2<T, T, T>(w, i, m, [](T a, T b) { return M::result(f(M::operand(a), M::operand(b))); });
}
template <class T, class M, T (*f)(T, T, T)>
void ternary(Warp& w, const Instruction& i, LaneMask m) {
  map3<T, T, T, T>(w, i, m, [](T a, T b, T c) {
    return M::result(f(M::operand(a), M::operand(b), M::operand(c)));
  });
}

/// .ftz flushes what is below the least normal before it is rounded to the spacing of subnormals;
/// IEEE rounding has made the least normal of some of that. `scaled` is 2^64 times the result,
/// where nothing is subnormal.
[[gnu::always_inline]] inline float flushed_before_rounding(float r, float scaled) {
  const bool least_normal = (bits_of(r) & ~sign_of<float>) == least_normal_bits<float>;
  const bool below = __builtin_fabsf(scaled) < 0x1p-62f;
  return least_normal && below ? unpack<float>(bits_of(r) & sign_of<float>) : r;
}

/// Runs `inner` in another rounding mode of the host. The calls that change the mode are opaque
/// to the compiler, and `inner` works on memory, so no arithmetic can move across them.
template <Handler inner, int mode>
void rounded(Warp& w, const Instruction& i, LaneMask m) {
  std::fesetround(mode);
  inner(w, i, m);
  std::fesetround(FE_TONEAREST);
}

template <Handler inner>
Handler in_mode(Rounding r) {
  switch (r) {
    case Rounding::none:
    case Rounding::rn: return inner;
    case Rounding::rz: return rounded<inner, FE_TOWARDZERO>;
    case Rounding::rm: return rounded<inner, FE_DOWNWARD>;
    case Rounding::rp: return rounded<inner, FE_UPWARD>;
    default: return nullptr;
  }
}

template <class T, bool ftz = false>
struct Arithmetic {
  static constexpr T up = T{4294967296};
  static T add(T a, T b) { return with_last_nan(a + b, a, b); }
  static T sub(T a, T b) { return with_last_nan(a - b, a, b); }
  static T mul(T a, T b) {
    if constexpr (ftz) return flushed_before_rounding(a * b, (a * up) * (b * up));
    return with_last_nan(a * b, a, b);
  }
  static T fma(T a, T b, T c) {
    const T r = std::fma(a, b, c);
    if constexpr (ftz) {
      return flushed_before_rounding(r, std::fma(a * up, b * up, c * up * up));
    }
    return with_last_nan(r, a, b, c);
  }
  static T div(T a, T b) {
    if constexpr (ftz) return flushed_before_rounding(a / b, (a * up * up) / b);
    return a / b;
  }
  static T rcp(T a) { return div(T{1}, a); }
  static T sqrt(T a) { return std::sqrt(a); }
  static T rsqrt(T a) { return T{1} / std::sqrt(a); }
  // Those of f64 leave a NaN its sign.
  static T magnitude(T a) { return with_last_nan(unpack<T>(bits_of(a) & ~sign_of<T>), a, a); }
  static T negative(T a) { return with_last_nan(unpack<T>(bits_of(a) ^ sign_of<T>), a, a); }
  // The manual's copysign takes the sign of its first operand and the magnitude of its second.
  static T copysign(T a, T b) {
    return unpack<T>((bits_of(a) & sign_of<T>) | (bits_of(b) & ~sign_of<T>));
  }
};

struct Approximate {
  static float div(float a, float b) { return divide_approx(a, b); }
  static float rsqrt(float a) {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(a)));
  }
  static float sin(float a) { return quarter_wave<0>(a); }
  static float cos(float a) { return quarter_wave<1>(a); }
  static float lg2(float a) { return static_cast<float>(std::log2(static_cast<double>(a))); }
  static float ex2(float a) { return exp2_approx(a); }
  static float tanh(float a) { return static_cast<float>(std::tanh(static_cast<double>(a))); }
};

template <class T, class M>
Handler rounding_op(FloatOp op, Rounding r) {
  using A = Arithmetic<T, M::flushes>;
  switch (op) {
    case FloatOp::add: return in_mode<binary<T, M, A::add>>(r);
    case FloatOp::sub: return in_mode<binary<T, M, A::sub>>(r);
    case FloatOp::mul: return in_mode<binary<T, M, A::mul>>(r);
    case FloatOp::fma: return in_mode<ternary<T, M, A::fma>>(r);
    case FloatOp::div: return in_mode<binary<T, M, A::div>>(r);
    case FloatOp::rcp: return in_mode<unary<T, M, A::rcp>>(r);
    case FloatOp::sqrt: return in_mode<unary<T, M, A::sqrt>>(r);
    default: return nullptr;
  }
}

template <class T, bool ftz>
Handler sign_or_order(FloatOp op) {
  using M = Finish<T, ftz, false>;
  using A = Arithmetic<T>;
  switch (op) {
    case FloatOp::abs: return unary<T, M, A::magnitude>;
    case FloatOp::neg: return unary<T, M, A::negative>;
    case FloatOp::min: return binary<T, M, extremum<false, false, false, T>>;
    case FloatOp::max: return binary<T, M, extremum<true, false, false, T>>;
    default: return nullptr;
  }
}

template <bool ftz>
Handler approximate(FloatOp op) {
  using M = Finish<float, ftz, false>;
  using A = Arithmetic<float>;
  switch (op) {
    case FloatOp::div_full: return binary<float, M, A::div>;
    case FloatOp::div_approx: return binary<float, M, Approximate::div>;
    case FloatOp::rcp_approx: return unary<float, M, A::rcp>;
    case FloatOp::sqrt_approx: return unary<float, M, A::sqrt>;
    case FloatOp::rsqrt_approx: return unary<float, M, Approximate::rsqrt>;
    case FloatOp::sin: return unary<float, M, Approximate::sin>;
    case FloatOp::cos: return unary<float, M, Approximate::cos>;
    case FloatOp::lg2: return unary<float, M, Approximate::lg2>;
    case FloatOp::ex2: return unary<float, M, Approximate::ex2>;
    case FloatOp::tanh: return unary<float, M, Approximate::tanh>;
    case FloatOp::min_nan: return binary<float, M, extremum<false, true, false, float>>;
    case FloatOp::max_nan: return binary<float, M, extremum<true, true, false, float>>;
    case FloatOp::min_abs: return binary<float, M, extremum<false, false, true, float>>;
    case FloatOp::max_abs: return binary<float, M, extremum<true, false, true, float>>;
    case FloatOp::min_nan_abs: return binary<float, M, extremum<false, true, true, float>>;
    case FloatOp::max_nan_abs: return binary<float, M, extremum<true, true, true, float>>;
    default: return sign_or_order<float, ftz>(op);
  }
}

template <class T>
void copy_sign(Warp& w, const Instruction& i, LaneMask m) {
  map2<T, T, T>(w, i, m, [](T a, T b) { return Arithmetic<T>::copysign(a, b); });
}

Handler single(FloatOp op, FloatMode mode) {
  if (op == FloatOp::copysign) return copy_sign<float>;
  Handler h = nullptr;
  if (mode.ftz && mode.sat) h = rounding_op<float, Finish<float, true, true>>(op, mode.rounding);
  if (mode.ftz && !mode.sat) h = rounding_op<float, Finish<float, true, false>>(op, mode.rounding);
  if (!mode.ftz && mode.sat) h = rounding_op<float, Finish<float, false, true>>(op, mode.rounding);
  if (!mode.ftz && !mode.sat)
    h = rounding_op<float, Finish<float, false, false>>(op, mode.rounding);
  if (h != nullptr || mode.sat) return h;
  return mode.ftz ? approximate<true>(op) : approximate<false>(op);
}

/// The approximations of the flushing f64 forms: they see and deliver the upper 32 bits.
template <double (*f)(double)>
void upper_half(Warp& w, const Instruction& i, LaneMask m) {
  constexpr std::uint64_t upper = 0xffffffff00000000u;
  map1<double, double>(w, i, m, [](double a) {
    const std::uint64_t b = bits_of(a);
    const bool small = (b & infinity_bits<double>) == 0;
    const double r = f(unpack<double>(small ? b & sign_of<double> : b & upper));
    const std::uint64_t kept = bits_of(r) & upper;
    const bool tiny = (kept & infinity_bits<double>) == 0;
    return unpack<double>(r != r ? 0x7fffffff00000000u : tiny ? kept & sign_of<double> : kept);
  });
}

Handler dual(FloatOp op, FloatMode mode) {
  using M = Finish<double, false, false>;
  if (mode.ftz) {
    if (op == FloatOp::rcp_approx) return upper_half<Arithmetic<double>::rcp>;
    return op == FloatOp::rsqrt_approx ? upper_half<Arithmetic<double>::rsqrt> : nullptr;
  }
  switch (op) {
    case FloatOp::copysign: return copy_sign<double>;
    case FloatOp::rsqrt_approx: return unary<double, M, Arithmetic<double>::rsqrt>;
    default: break;
  }
  const Handler h = rounding_op<double, M>(op, mode.rounding);
  return h != nullptr ? h : sign_or_order<double, false>(op);
}

}  // namespace

Handler floating(FloatOp op, isa::Type type, FloatMode mode) {
  if (mode.relu) return nullptr;
  if (type == isa::Type::f32) return single(op, mode);
  return type == isa::Type::f64 && !mode.sat ? dual(op, mode) : nullptr;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
