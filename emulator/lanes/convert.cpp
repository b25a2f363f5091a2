// Conversions (PTX ISA, "cvt"). Where a register is wider than the type in it, the decoder adds a
// step; here a lane holds what its type needs, sign- or zero-extended to 32 bits at least.
#include <cfenv>
#include <cmath>
#include <limits>

#include "emulator/lanes/floats.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

// Bits of Instruction::aux.
constexpr std::uint32_t flush = 1;

template <class T>
inline constexpr bool is_integer = std::is_integral_v<T>;

/// A lane of an integer result, extended to its word.
template <class T>
[[gnu::always_inline]] inline Word<T> extended(T v) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<Word<T>>(static_cast<std::make_signed_t<Word<T>>>(v));
  } else {
    return v;
  }
}

/// `f` per lane to an integer of type `To`. imm masks what a 16-bit register holds.
template <class To, class From, class F>
[[gnu::always_inline]] inline void to_integer(Warp& w, const Instruction& i, LaneMask m, F f) {
  alignas(64) Word<To> r[lane_count];
  const Word<From>* a = w.lanes<Word<From>>(i.s[0]);
  const auto mask = static_cast<Word<To>>(i.imm);
  for (int l = 0; l < lane_count; ++l) r[l] = extended<To>(f(unpack<From>(a[l]))) & mask;
  write_lanes(w.lanes<Word<To>>(i.d[0]), r, m);
}

template <class To, class From>
[[gnu::always_inline]] inline To saturated(From v) {
  using Limits = std::numeric_limits<To>;
  if constexpr (std::is_signed_v<From>) {
    if (v < 0) {
      if constexpr (!std::is_signed_v<To>) return 0;
      return static_cast<std::int64_t>(v) < static_cast<std::int64_t>(Limits::min())
                 ? Limits::min()
                 : static_cast<To>(v);
    }
  }
  return static_cast<std::uint64_t>(v) > static_cast<std::uint64_t>(Limits::max())
             ? Limits::max()
             : static_cast<To>(v);
}

template <class To, class From>
Handler integer_to_integer(bool sat) {
  if (sat) {
    return [](Warp& w, const Instruction& i, LaneMask m) {
      to_integer<To, From>(w, i, m, [](From v) { return saturated<To>(v); });
    };
  }
  return [](Warp& w, const Instruction& i, LaneMask m) {
    to_integer<To, From>(w, i, m, [](From v) { return static_cast<To>(v); });
  };
}

template <Rounding r>
[[gnu::always_inline]] inline double integral(double v) {
  if constexpr (r == Rounding::rni) return __builtin_rint(v);
  if constexpr (r == Rounding::rzi) return __builtin_trunc(v);
  if constexpr (r == Rounding::rmi) return __builtin_floor(v);
  return __builtin_ceil(v);
}

/// Clamps to the range of To. NaN gives 0, or the top bit where a 64-bit format takes part.
template <class To, bool wide_source>
[[gnu::always_inline]] inline To clamped(double v) {
  using Limits = std::numeric_limits<To>;
  constexpr To at_nan = sizeof(To) == 8 || wide_source
                            ? static_cast<To>(std::make_unsigned_t<To>{1} << (sizeof(To) * 8 - 1))
                            : To{0};
  if constexpr (sizeof(To) <= 4) {
    constexpr auto lo = static_cast<double>(Limits::min());
    constexpr auto hi = static_cast<double>(Limits::max());
    const double c = v > lo ? (v < hi ? v : hi) : lo;
    using Through =
        std::conditional_t<std::is_same_v<To, std::uint32_t>, std::int64_t, std::int32_t>;
    const To r = static_cast<To>(static_cast<Through>(c));
    return v == v ? r : at_nan;
  } else {
    if (v != v) return at_nan;
    // 2^63 and 2^64 are doubles; the largest integers are not.
    constexpr double above = std::is_signed_v<To> ? 0x1p63 : 0x1p64;
    if (v >= above) return Limits::max();
    if (v < static_cast<double>(Limits::min())) return Limits::min();
    return static_cast<To>(v);
  }
}

template <class F>
[[gnu::always_inline]] inline double widened(F v, bool ftz) {
  if constexpr (std::is_same_v<F, double>) {
    return v;
  } else if constexpr (std::is_same_v<F, float>) {
    return static_cast<double>(ftz ? flushed(v) : v);
  } else {
    return static_cast<double>(to_float(v));
  }
}

template <class To, class From, Rounding r>
void float_to_integer(Warp& w, const Instruction& i, LaneMask m) {
  const bool ftz = (i.aux & flush) != 0;
  to_integer<To, From>(w, i, m, [=](From v) {
    return clamped<To, sizeof(From) == 8>(integral<r>(widened(v, ftz)));
  });
}

template <class To, class From>
Handler float_to_integer(Rounding r) {
  switch (r) {
    case Rounding::rni: return float_to_integer<To, From, Rounding::rni>;
    case Rounding::rzi: return float_to_integer<To, From, Rounding::rzi>;
    case Rounding::rmi: return float_to_integer<To, From, Rounding::rmi>;
    case Rounding::rpi: return float_to_integer<To, From, Rounding::rpi>;
    default: return nullptr;
  }
}

template <Handler inner, int mode>
void rounded(Warp& w, const Instruction& i, LaneMask m) {
  std::fesetround(mode);
  inner(w, i, m);
  std::fesetround(FE_TONEAREST);
}

template <Handler inner>
Handler in_mode(Rounding r) {
  switch (r) {
    case Rounding::rn: return inner;
    case Rounding::rz: return rounded<inner, FE_TOWARDZERO>;
    case Rounding::rm: return rounded<inner, FE_DOWNWARD>;
    case Rounding::rp: return rounded<inner, FE_UPWARD>;
    default: return nullptr;
  }
}

template <bool sat, class T>
[[gnu::always_inline]] inline T finished(T v) {
  if constexpr (sat) return v > 0 ? (v < 1 ? v : T{1}) : T{0};
  return canonical(v);
}

template <class To, class From, bool sat>
void integer_to_float(Warp& w, const Instruction& i, LaneMask m) {
  // Zero by itself: a compiler may put 64 bits together from halves, whose sum rounds down to -0.
  map1<To, From>(w, i, m,
                 [](From v) { return finished<sat>(v == 0 ? To{0} : static_cast<To>(v)); });
}

/// An integer as a double with a sticky last bit, so that a second rounding does no harm.
template <class From>
[[gnu::always_inline]] inline double to_odd(From v) {
  if constexpr (sizeof(From) < 8) {
    return static_cast<double>(v);
  } else {
    const bool negative = v < 0;
    const std::uint64_t u =
        negative ? 0 - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v);
    const std::uint64_t kept =
        u >> 53 == 0 ? u : (u >> 12 << 12) | ((u & 0xfff) != 0 ? 0x1000u : 0u);
    const auto d = static_cast<double>(kept);
    return negative ? -d : d;
  }
}

template <class To, class From, bool toward_zero>
void integer_to_half(Warp& w, const Instruction& i, LaneMask m) {
  map1<To, From>(w, i, m, [](From v) { return round_to_half<To>(to_odd(v), toward_zero); });
}

template <class To, class From, bool up>
void integer_to_half_directed(Warp& w, const Instruction& i, LaneMask m) {
  map1<To, From>(w, i, m, [](From v) { return round_to_half_directed<To>(to_odd(v), up); });
}

template <class To, class From>
Handler from_integer(FloatMode mode) {
  if constexpr (std::is_class_v<To>) {
    if (mode.sat || mode.relu) return nullptr;
    switch (mode.rounding) {
      case Rounding::rn: return integer_to_half<To, From, false>;
      case Rounding::rz: return integer_to_half<To, From, true>;
      case Rounding::rm: return integer_to_half_directed<To, From, false>;
      case Rounding::rp: return integer_to_half_directed<To, From, true>;
      default: return nullptr;
    }
  } else {
    return mode.sat ? in_mode<integer_to_float<To, From, true>>(mode.rounding)
                    : in_mode<integer_to_float<To, From, false>>(mode.rounding);
  }
}

template <class To>
[[gnu::always_inline]] inline To flushed_if(To v, bool ftz) {
  if constexpr (std::is_same_v<To, float>) return ftz ? flushed(v) : v;
  return v;
}

/// The f32 NaN of arithmetic in another format.
template <class To>
inline constexpr To flushed_nan = static_cast<To>(std::bit_cast<float>(canonical_nan<float>));

/// Between f32 and f64 in the host's rounding mode, and from a half to either.
template <class To, class From, bool sat>
void float_to_float(Warp& w, const Instruction& i, LaneMask m) {
  const bool ftz = (i.aux & flush) != 0;
  map1<To, From>(w, i, m, [=](From v) {
    // What keeps or appends bits is a move, also of a NaN.
    if constexpr (std::is_same_v<To, float> && !sat) {
      if constexpr (std::is_same_v<From, float>) {
        if (!ftz) return v;
      } else if constexpr (std::is_same_v<From, BF16>) {
        return to_float(v);
      }
    }
    const To r = flushed_if(static_cast<To>(widened(v, ftz)), ftz);
    // Between f32 and f64 the payload of a NaN stays, unless subnormals are flushed on the way in.
    constexpr bool keeps_nan = sizeof(From) >= 4 && sizeof(To) != sizeof(From);
    if (keeps_nan && !sat && is_nan(v)) return ftz && sizeof(From) == 4 ? flushed_nan<To> : r;
    return finished<sat>(r);
  });
}

template <class T, Rounding r, bool sat>
void float_to_integral(Warp& w, const Instruction& i, LaneMask m) {
  const bool ftz = (i.aux & flush) != 0;
  map1<T, T>(w, i, m,
             [=](T v) { return finished<sat>(static_cast<T>(integral<r>(widened(v, ftz)))); });
}

template <class T, bool sat>
Handler float_to_integral(Rounding r) {
  switch (r) {
    case Rounding::none: return float_to_float<T, T, sat>;
    case Rounding::rni: return float_to_integral<T, Rounding::rni, sat>;
    case Rounding::rzi: return float_to_integral<T, Rounding::rzi, sat>;
    case Rounding::rmi: return float_to_integral<T, Rounding::rmi, sat>;
    case Rounding::rpi: return float_to_integral<T, Rounding::rpi, sat>;
    default: return nullptr;
  }
}

template <class H, class From, bool toward_zero, bool sat, bool relu>
[[gnu::always_inline]] inline H to_half(From v, bool ftz) {
  double d = widened(v, ftz);
  if constexpr (sat) d = d > 0 ? (d < 1 ? d : 1) : 0;
  if constexpr (relu) d = d > 0 || d != d ? d : 0;
  // A NaN that comes from f64 keeps its sign and the top of its payload.
  if (sizeof(From) == 8 && d != d) {
    const std::uint64_t b = bits_of(d) >> 48 & 0x8000u;
    const std::uint64_t payload = bits_of(d) >> (52 - HalfFormat<H>::fraction);
    const std::uint64_t quiet = std::uint64_t{1} << (HalfFormat<H>::fraction - 1);
    return H{static_cast<std::uint16_t>(b | infinity_bits<H> | quiet | (payload & (quiet - 1)))};
  }
  return round_to_half<H>(d, toward_zero);
}

template <class H, class From, bool toward_zero, bool sat, bool relu>
void float_to_half(Warp& w, const Instruction& i, LaneMask m) {
  const bool ftz = (i.aux & flush) != 0;
  map1<H, From>(w, i, m, [=](From v) { return to_half<H, From, toward_zero, sat, relu>(v, ftz); });
}

template <class H, class From, bool up>
void float_to_half_directed(Warp& w, const Instruction& i, LaneMask m) {
  const bool ftz = (i.aux & flush) != 0;
  map1<H, From>(w, i, m, [=](From v) {
    const double d = widened(v, ftz);
    return d == d ? round_to_half_directed<H>(d, up) : to_half<H, From, true, false, false>(v, ftz);
  });
}

template <class H, Rounding r>
void half_to_integral(Warp& w, const Instruction& i, LaneMask m) {
  map1<H, H>(w, i, m, [](H v) { return round_to_half<H>(integral<r>(widened(v, false))); });
}

template <class H>
Handler half_to_integral(FloatMode mode) {
  if (mode.sat || mode.relu) return nullptr;
  switch (mode.rounding) {
    case Rounding::rni: return half_to_integral<H, Rounding::rni>;
    case Rounding::rzi: return half_to_integral<H, Rounding::rzi>;
    case Rounding::rmi: return half_to_integral<H, Rounding::rmi>;
    case Rounding::rpi: return half_to_integral<H, Rounding::rpi>;
    default: return nullptr;
  }
}

template <class H, class From>
Handler float_to_half(FloatMode mode) {
  if constexpr (std::is_same_v<H, From>) {
    if (const Handler h = half_to_integral<H>(mode)) return h;
  }
  if (!mode.sat && !mode.relu && !std::is_same_v<H, From>) {
    if (mode.rounding == Rounding::rm) return float_to_half_directed<H, From, false>;
    if (mode.rounding == Rounding::rp) return float_to_half_directed<H, From, true>;
  }
  // A conversion of a format to itself rounds nothing.
  const bool exact = std::is_same_v<H, From> && mode.rounding == Rounding::none;
  const bool zero = mode.rounding == Rounding::rz;
  if (!exact && !zero && mode.rounding != Rounding::rn) return nullptr;
  if (mode.sat && mode.relu) return nullptr;
  if (mode.sat)
    return zero ? float_to_half<H, From, true, true, false>
                : float_to_half<H, From, false, true, false>;
  if (mode.relu)
    return zero ? float_to_half<H, From, true, false, true>
                : float_to_half<H, From, false, false, true>;
  return zero ? float_to_half<H, From, true, false, false>
              : float_to_half<H, From, false, false, false>;
}

template <class To, class From>
Handler from_float(FloatMode mode) {
  if constexpr (std::is_class_v<To>) {
    return float_to_half<To, From>(mode);
  } else if (mode.relu) {
    return nullptr;
  } else if constexpr (std::is_same_v<To, From>) {
    return mode.sat ? float_to_integral<To, true>(mode.rounding)
                    : float_to_integral<To, false>(mode.rounding);
  } else if constexpr (sizeof(To) > sizeof(From)) {
    if (mode.rounding != Rounding::none) return nullptr;  // exact, and spelled without a rounding
    return mode.sat ? float_to_float<To, From, true> : float_to_float<To, From, false>;
  } else {
    return mode.sat ? in_mode<float_to_float<To, From, true>>(mode.rounding)
                    : in_mode<float_to_float<To, From, false>>(mode.rounding);
  }
}

template <class To, class From>
Handler pair_of_types(FloatMode mode) {
  if constexpr (is_integer<To> && is_integer<From>) {
    return mode.rounding == Rounding::none ? integer_to_integer<To, From>(mode.sat) : nullptr;
  } else if constexpr (is_integer<To>) {
    return float_to_integer<To, From>(mode.rounding);  // .sat changes nothing: it always clamps
  } else if constexpr (is_integer<From>) {
    return from_integer<To, From>(mode);
  } else {
    return from_float<To, From>(mode);
  }
}

template <class To>
Handler to_type(isa::Type from, FloatMode mode) {
  using isa::Type;
  switch (from) {
    case Type::u8: return pair_of_types<To, std::uint8_t>(mode);
    case Type::s8: return pair_of_types<To, std::int8_t>(mode);
    case Type::u16: return pair_of_types<To, std::uint16_t>(mode);
    case Type::s16: return pair_of_types<To, std::int16_t>(mode);
    case Type::u32: return pair_of_types<To, std::uint32_t>(mode);
    case Type::s32: return pair_of_types<To, std::int32_t>(mode);
    case Type::u64: return pair_of_types<To, std::uint64_t>(mode);
    case Type::s64: return pair_of_types<To, std::int64_t>(mode);
    case Type::f16: return pair_of_types<To, F16>(mode);
    case Type::bf16: return pair_of_types<To, BF16>(mode);
    case Type::f32: return pair_of_types<To, float>(mode);
    case Type::f64: return pair_of_types<To, double>(mode);
    default: return nullptr;
  }
}

template <class H, bool toward_zero, bool relu>
void floats_to_pair(Warp& w, const Instruction& i, LaneMask m) {
  // The first source becomes the upper half.
  map2<std::uint32_t, float, float>(w, i, m, [](float a, float b) {
    const H hi = to_half<H, float, toward_zero, false, relu>(a, false);
    const H lo = to_half<H, float, toward_zero, false, relu>(b, false);
    return static_cast<std::uint32_t>(hi.bits) << 16 | lo.bits;
  });
}

template <class H>
Handler floats_to_pair(FloatMode mode) {
  if (mode.rounding == Rounding::rn)
    return mode.relu ? floats_to_pair<H, false, true> : floats_to_pair<H, false, false>;
  if (mode.rounding == Rounding::rz)
    return mode.relu ? floats_to_pair<H, true, true> : floats_to_pair<H, true, false>;
  return nullptr;
}

}  // namespace

Handler convert(const Conversion& c) {
  using isa::Type;
  switch (c.to) {
    case Type::u8: return to_type<std::uint8_t>(c.from, c.mode);
    case Type::s8: return to_type<std::int8_t>(c.from, c.mode);
    case Type::u16: return to_type<std::uint16_t>(c.from, c.mode);
    case Type::s16: return to_type<std::int16_t>(c.from, c.mode);
    case Type::u32: return to_type<std::uint32_t>(c.from, c.mode);
    case Type::s32: return to_type<std::int32_t>(c.from, c.mode);
    case Type::u64: return to_type<std::uint64_t>(c.from, c.mode);
    case Type::s64: return to_type<std::int64_t>(c.from, c.mode);
    case Type::f16: return to_type<F16>(c.from, c.mode);
    case Type::bf16: return to_type<BF16>(c.from, c.mode);
    case Type::f32: return to_type<float>(c.from, c.mode);
    case Type::f64: return to_type<double>(c.from, c.mode);
    default: return nullptr;
  }
}

Handler convert_pair(isa::Type type, FloatMode mode) {
  if (mode.ftz || mode.sat) return nullptr;
  if (type == isa::Type::f16x2) return floats_to_pair<F16>(mode);
  return type == isa::Type::bf16x2 ? floats_to_pair<BF16>(mode) : nullptr;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
