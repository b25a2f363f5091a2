// Comparison and selection (PTX ISA, "Comparison and Selection Instructions"; "testp").
#include "emulator/lanes/floats.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

#define SETP(expression)                                   \
  [](Warp& w, const Instruction& i, LaneMask m) {          \
    const LaneMask r = compare<T, T>(w, i, [](T x, T y) {  \
      const auto a = Prepared::of(x), b = Prepared::of(y); \
      return expression;                                   \
    });                                                    \
    write_predicate(w, i.d[0], r, m);                      \
    write_predicate(w, i.d[1], ~r, m);                     \
  }

/// What is compared: the value itself, flushed where asked, and half types as float.
template <bool ftz, class T>
struct Prepare {
  [[gnu::always_inline]] static auto of(T v) {
    if constexpr (std::is_same_v<T, F16> && ftz) {
      return (v.bits & 0x7c00u) == 0 ? 0.f : to_float(v);
    } else if constexpr (std::is_class_v<T>) {
      return to_float(v);
    } else if constexpr (std::is_same_v<T, float> && ftz) {
      return flushed(v);
    } else {
      return v;
    }
  }
};

template <class T>
Handler ordered(Comparison c) {
  using Prepared = Prepare<false, T>;
  switch (c) {
    case Comparison::eq: return SETP(a == b);
    case Comparison::ne: return SETP(a != b);
    case Comparison::lt: return SETP(a < b);
    case Comparison::le: return SETP(a <= b);
    case Comparison::gt: return SETP(a > b);
    case Comparison::ge: return SETP(a >= b);
    default: return nullptr;
  }
}

template <class T>
Handler equality(Comparison c) {
  return c == Comparison::eq || c == Comparison::ne ? ordered<T>(c) : nullptr;
}

template <class T, bool ftz>
Handler floats(Comparison c) {
  using Prepared = Prepare<ftz, T>;
  switch (c) {
    case Comparison::eq: return SETP(a == b);
    // "ne" is the ordered one: false where an operand is NaN.
    case Comparison::ne: return SETP((a < b) | (a > b));
    case Comparison::lt: return SETP(a < b);
    case Comparison::le: return SETP(a <= b);
    case Comparison::gt: return SETP(a > b);
    case Comparison::ge: return SETP(a >= b);
    case Comparison::equ: return SETP(!((a < b) | (a > b)));
    case Comparison::neu: return SETP(a != b);
    case Comparison::ltu: return SETP(!(a >= b));
    case Comparison::leu: return SETP(!(a > b));
    case Comparison::gtu: return SETP(!(a <= b));
    case Comparison::geu: return SETP(!(a < b));
    case Comparison::num: return SETP((a == a) & (b == b));
    case Comparison::nan: return SETP((a != a) | (b != b));
  }
  return nullptr;
}

template <class W>
void choose(Warp& w, const Instruction& i, LaneMask m) {
  alignas(64) W r[lane_count];
  const W* a = w.lanes<W>(i.s[0]);
  const W* b = w.lanes<W>(i.s[1]);
  const LaneMask p = w.predicate(i.s[2]);
  for (int l = 0; l < lane_count; ++l) r[l] = (p >> l & 1u) != 0 ? a[l] : b[l];
  write_lanes(w.lanes<W>(i.d[0]), r, m);
}

void choose_predicate(Warp& w, const Instruction& i, LaneMask m) {
  const LaneMask p = w.predicate(i.s[2]);
  write_predicate(w, i.d[0], (w.predicate(i.s[0]) & p) | (w.predicate(i.s[1]) & ~p), m);
}

template <class T>
Handler classify(FloatClass wanted) {
#define TESTP(expression)                               \
  [](Warp& w, const Instruction& i, LaneMask m) {       \
    const LaneMask r = compare<T, T>(w, i, [](T v, T) { \
      const auto magnitude = bits_of(v) & ~sign_of<T>;  \
      return expression;                                \
    });                                                 \
    write_predicate(w, i.d[0], r, m);                   \
  }
  switch (wanted) {
    case FloatClass::finite: return TESTP(magnitude < infinity_bits<T>);
    case FloatClass::infinite: return TESTP(magnitude == infinity_bits<T>);
    case FloatClass::number: return TESTP(magnitude <= infinity_bits<T>);
    case FloatClass::notanumber: return TESTP(magnitude > infinity_bits<T>);
    // Zero counts as normal.
    case FloatClass::normal:
      return TESTP(magnitude == 0 ||
                   (magnitude < infinity_bits<T> && magnitude >= least_normal_bits<T>));
    case FloatClass::subnormal: return TESTP(magnitude != 0 && magnitude < least_normal_bits<T>);
  }
#undef TESTP
  return nullptr;
}

}  // namespace

Handler setp(Comparison c, isa::Type type, bool ftz) {
  using isa::Type;
  switch (type) {
    case Type::b16: return equality<std::uint16_t>(c);
    case Type::b32: return equality<std::uint32_t>(c);
    case Type::b64: return equality<std::uint64_t>(c);
    // lo, ls, hi and hs are lt, le, gt and ge by another name.
    case Type::u16: return ordered<std::uint16_t>(c);
    case Type::s16: return ordered<std::int16_t>(c);
    case Type::u32: return ordered<std::uint32_t>(c);
    case Type::s32: return ordered<std::int32_t>(c);
    case Type::u64: return ordered<std::uint64_t>(c);
    case Type::s64: return ordered<std::int64_t>(c);
    case Type::f32: return ftz ? floats<float, true>(c) : floats<float, false>(c);
    case Type::f64: return floats<double, false>(c);
    case Type::f16: return ftz ? floats<F16, true>(c) : floats<F16, false>(c);
    case Type::bf16: return floats<BF16, false>(c);
    default: return nullptr;
  }
}

Handler select(isa::Type type) {
  switch (isa::bits(type)) {
    case 1: return choose_predicate;
    case 16:
    case 32: return choose<std::uint32_t>;
    case 64: return choose<std::uint64_t>;
    default: return nullptr;
  }
}

Handler test(FloatClass wanted, isa::Type type) {
  if (type == isa::Type::f32) return classify<float>(wanted);
  return type == isa::Type::f64 ? classify<double>(wanted) : nullptr;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
