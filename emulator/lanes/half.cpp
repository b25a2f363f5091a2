// f16 and bf16 arithmetic, scalar and packed (PTX ISA, "Half Precision Floating Point
// Instructions"). Computed in double and rounded once.
#include <cmath>

#include "emulator/lanes/floats.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

/// a + b rounded to odd: what is rounded from it to half the precision is as if rounded from the
/// exact sum (S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved
/// algorithms using rounding to odd", 2008).
double add_to_odd(double a, double b) {
  const double s = a + b;
  if (!std::isfinite(s)) return s;
  const double b_part = s - a;
  const double error = (a - (s - b_part)) + (b - b_part);  // Knuth's TwoSum
  const std::uint64_t bits = bits_of(s);
  if (error == 0 || (bits & 1) != 0) return s;
  const bool away = (error > 0) == (s > 0);
  return unpack<double>(away ? bits + 1 : bits - 1);
}

struct HalfAdd {
  static double apply(double a, double b, double) { return add_to_odd(a, b); }
};
struct HalfSub {
  static double apply(double a, double b, double) { return add_to_odd(a, -b); }
};
struct HalfMul {  // a product of two is exact in a double
  static double apply(double a, double b, double) { return a * b; }
};
struct HalfFma {
  static double apply(double a, double b, double c) { return add_to_odd(a * b, c); }
};
struct HalfExp2 {
  static double apply(double a, double, double) { return std::exp2(a); }
};
struct HalfTanh {
  static double apply(double a, double, double) { return std::tanh(a); }
};
struct HalfNeg {
  static double apply(double a, double, double) { return -a; }
};
struct HalfAbs {
  static double apply(double a, double, double) { return std::fabs(a); }
};
template <bool want_max, bool nan_wins>
struct HalfExtremum {
  static double apply(double a, double b, double) {
    if (std::isnan(a) || std::isnan(b)) return nan_wins || std::isnan(b) ? (nan_wins ? NAN : a) : b;
    if (a == b) return std::signbit(a) == want_max ? b : a;
    return (a > b) == want_max ? a : b;
  }
};

template <class H>
H flush_half(H v) {
  const auto exponent = static_cast<std::uint16_t>(v.bits & infinity_bits<H>);
  return exponent == 0 ? H{static_cast<std::uint16_t>(v.bits & 0x8000u)} : v;
}

/// What .ftz keeps: it flushes what is below the least normal after rounding to the precision of a
/// normal. Half a unit in the last place below the least normal is a tie, which goes up.
template <class H>
inline constexpr double least_kept = std::is_same_v<H, F16> ? 0x1.ffep-15 : 0x1.ffp-127;

template <class H, class Op, bool ftz, bool sat, bool relu>
H compute(H a, H b, H c) {
  if constexpr (ftz) a = flush_half(a), b = flush_half(b), c = flush_half(c);
  double r = Op::apply(static_cast<double>(to_float(a)), static_cast<double>(to_float(b)),
                       static_cast<double>(to_float(c)));
  if constexpr (sat) r = r > 0 ? (r < 1 ? r : 1) : 0;
  if constexpr (relu) r = r > 0 || std::isnan(r) ? r : 0;
  if (ftz && std::fabs(r) < least_kept<H>) r = std::copysign(0.0, r);
  return round_to_half<H>(r);
}

template <class H, class Op, int halves, bool ftz, bool sat, bool relu>
void run(Warp& w, const Instruction& i, LaneMask m) {
  std::uint32_t r[lane_count];
  const std::uint32_t* a = w.lanes<std::uint32_t>(i.s[0]);
  const std::uint32_t* b = w.lanes<std::uint32_t>(i.s[1]);
  const std::uint32_t* c = w.lanes<std::uint32_t>(i.s[2]);
  for (int l = 0; l < lane_count; ++l) {
    r[l] = 0;
    if (!has(m, l)) continue;
    for (int shift = 0; shift < 16 * halves; shift += 16) {
      const auto part = [&](std::uint32_t v) { return H{static_cast<std::uint16_t>(v >> shift)}; };
      const H h = compute<H, Op, ftz, sat, relu>(part(a[l]), part(b[l]), part(c[l]));
      r[l] |= static_cast<std::uint32_t>(h.bits) << shift;
    }
  }
  write_lanes(w.lanes<std::uint32_t>(i.d[0]), r, m);
}

template <class H, int halves, class Op>
Handler in_mode(FloatMode mode) {
  const bool is_f16 = std::is_same_v<H, F16>;
  if (mode.ftz && !is_f16) return nullptr;
  if (mode.sat && mode.relu) return nullptr;
  if (mode.sat)
    return mode.ftz ? run<H, Op, halves, true, true, false>
                    : run<H, Op, halves, false, true, false>;
  if (mode.relu)
    return mode.ftz ? run<H, Op, halves, true, false, true>
                    : run<H, Op, halves, false, false, true>;
  return mode.ftz ? run<H, Op, halves, true, false, false>
                  : run<H, Op, halves, false, false, false>;
}

template <class H, int halves>
Handler operation(FloatOp op, FloatMode mode) {
  switch (op) {
    case FloatOp::add: return in_mode<H, halves, HalfAdd>(mode);
    case FloatOp::sub: return in_mode<H, halves, HalfSub>(mode);
    case FloatOp::mul: return in_mode<H, halves, HalfMul>(mode);
    case FloatOp::fma: return in_mode<H, halves, HalfFma>(mode);
    default: break;
  }
  if (mode.sat || mode.relu) return nullptr;
  switch (op) {
    case FloatOp::ex2: return in_mode<H, halves, HalfExp2>(mode);
    case FloatOp::tanh: return in_mode<H, halves, HalfTanh>(mode);
    case FloatOp::neg: return in_mode<H, halves, HalfNeg>(mode);
    case FloatOp::abs: return in_mode<H, halves, HalfAbs>(mode);
    case FloatOp::min: return in_mode<H, halves, HalfExtremum<false, false>>(mode);
    case FloatOp::max: return in_mode<H, halves, HalfExtremum<true, false>>(mode);
    case FloatOp::min_nan: return in_mode<H, halves, HalfExtremum<false, true>>(mode);
    case FloatOp::max_nan: return in_mode<H, halves, HalfExtremum<true, true>>(mode);
    default: return nullptr;
  }
}

}  // namespace

Handler half(FloatOp op, isa::Type type, FloatMode mode) {
  using isa::Type;
  if (mode.rounding != Rounding::rn && mode.rounding != Rounding::none) return nullptr;
  switch (type) {
    case Type::f16: return operation<F16, 1>(op, mode);
    case Type::f16x2: return operation<F16, 2>(op, mode);
    case Type::bf16: return operation<BF16, 1>(op, mode);
    case Type::bf16x2: return operation<BF16, 2>(op, mode);
    default: return nullptr;
  }
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
