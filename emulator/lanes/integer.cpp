// Integer arithmetic (PTX ISA, "Integer Arithmetic Instructions").
#include <algorithm>
#include <limits>

#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;

// Arithmetic that wraps, wide enough that a promotion to int cannot overflow.
template <class T>
using Wrap = std::conditional_t<(sizeof(T) > 4), std::uint64_t, std::uint32_t>;

template <class T>
using Wide =
    std::conditional_t<sizeof(T) == 2,
                       std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>,
                       std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;

template <class T>
constexpr int width = static_cast<int>(sizeof(T) * 8);

template <class T>
[[gnu::always_inline]] inline Wrap<T> wrap(T v) {
  return static_cast<Wrap<T>>(static_cast<Unsigned<T>>(v));
}

template <class T>
[[gnu::always_inline]] inline T high_product(T a, T b) {
  if constexpr (sizeof(T) == 8) {
    if constexpr (std::is_signed_v<T>) {
      __extension__ using Big = __int128;
      return static_cast<T>((static_cast<Big>(a) * b) >> 64);
    } else {
      __extension__ using Big = unsigned __int128;
      return static_cast<T>((static_cast<Big>(a) * b) >> 64);
    }
  } else {
    using Big = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    return static_cast<T>((static_cast<Big>(a) * static_cast<Big>(b)) >> width<T>);
  }
}

template <class T>
[[gnu::always_inline]] inline T low_product(T a, T b) {
  return static_cast<T>(wrap(a) * wrap(b));
}

template <class T>
[[gnu::always_inline]] inline T sum(T a, T b) {
  return static_cast<T>(wrap(a) + wrap(b));
}

template <class T>
[[gnu::always_inline]] inline T difference(T a, T b) {
  return static_cast<T>(wrap(a) - wrap(b));
}

template <class T>
[[gnu::always_inline]] inline T quotient(T a, T b) {
  if (b == 0) return static_cast<T>(~Unsigned<T>{0});  // what the hardware's sequence gives
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return difference(T{0}, a);
  }
  return static_cast<T>(a / b);
}

template <class T>
[[gnu::always_inline]] inline T remainder(T a, T b) {
  if (b == 0) return static_cast<T>(~Unsigned<T>{0});
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return 0;
  }
  return static_cast<T>(a % b);
}

/// Bits 23..0 of both factors, sign-extended for a signed type; the 48-bit product.
template <class T>
[[gnu::always_inline]] inline std::uint64_t product24(T a, T b) {
  if constexpr (std::is_signed_v<T>) {
    const auto sa = static_cast<std::int64_t>(static_cast<std::int32_t>(wrap(a) << 8) >> 8);
    const auto sb = static_cast<std::int64_t>(static_cast<std::int32_t>(wrap(b) << 8) >> 8);
    return static_cast<std::uint64_t>(sa * sb);
  } else {
    return (std::uint64_t{a} & 0xffffff) * (std::uint64_t{b} & 0xffffff);
  }
}

[[gnu::always_inline]] inline std::int32_t saturate(std::int64_t v) {
  constexpr std::int64_t lo = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t hi = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(v < lo ? lo : v > hi ? hi : v);
}

/// Position of the most significant bit that differs from the sign; all ones where there is none.
template <class T>
[[gnu::always_inline]] inline std::uint32_t find_bit(T v, bool as_shift) {
  Unsigned<T> u = static_cast<Unsigned<T>>(v);
  if constexpr (std::is_signed_v<T>) u = v < 0 ? static_cast<Unsigned<T>>(~u) : u;
  if (u == 0) return 0xffffffffu;
  const int position = width<T> - 1 - std::countl_zero(u);
  return static_cast<std::uint32_t>(as_shift ? width<T> - 1 - position : position);
}

template <class U>
[[gnu::always_inline]] inline U low_bits(std::uint32_t n) {
  return n >= static_cast<std::uint32_t>(width<U>) ? static_cast<U>(~U{0})
                                                   : static_cast<U>((U{1} << n) - 1);
}

/// A position or length of a bit field: its lowest byte counts, but the 64-bit forms take what is
/// larger for 255.
template <class U>
[[gnu::always_inline]] inline std::uint32_t field_bound(std::uint32_t v) {
  return width<U> == 64 ? std::min(v, 255u) : v & 0xff;
}

template <class T>
[[gnu::always_inline]] inline T extract(T v, std::uint32_t b, std::uint32_t c) {
  using U = Unsigned<T>;
  constexpr std::uint32_t msb = width<T> - 1;
  const std::uint32_t pos = field_bound<U>(b), len = field_bound<U>(c);
  const U u = static_cast<U>(v);
  bool sign = false;
  if constexpr (std::is_signed_v<T>) {
    if (len != 0) sign = (u >> (pos + len - 1 < msb ? pos + len - 1 : msb) & 1) != 0;
  }
  const U field = pos > msb ? U{0} : static_cast<U>(u >> pos);
  // Beyond the top bit of the operand the field reads as the sign.
  const std::uint32_t have = pos > msb ? 0 : msb + 1 - pos;
  const U keep = low_bits<U>(len < have ? len : have);
  return static_cast<T>((field & keep) | (sign ? static_cast<U>(~keep) : U{0}));
}

template <class U>
[[gnu::always_inline]] inline U insert(U a, U b, std::uint32_t c, std::uint32_t d) {
  const std::uint32_t pos = field_bound<U>(c), len = field_bound<U>(d);
  if (pos >= static_cast<std::uint32_t>(width<U>)) return b;
  const U mask = static_cast<U>(low_bits<U>(len) << pos);
  return static_cast<U>((b & ~mask) | (static_cast<U>(a << pos) & mask));
}

template <class U>
[[gnu::always_inline]] inline U reverse_bits(U v) {
  U r = 0;
  for (int i = 0; i < width<U>; ++i) r = static_cast<U>(r | ((v >> i & 1) << (width<U> - 1 - i)));
  return r;
}

template <bool a_signed, bool b_signed>
[[gnu::always_inline]] inline std::uint32_t dot4(std::uint32_t a, std::uint32_t b,
                                                 std::uint32_t c) {
  for (int i = 0; i < 32; i += 8) {
    const std::uint32_t ua = a >> i & 0xff, ub = b >> i & 0xff;
    const std::uint32_t x =
        a_signed ? static_cast<std::uint32_t>(static_cast<std::int8_t>(ua)) : ua;
    const std::uint32_t y =
        b_signed ? static_cast<std::uint32_t>(static_cast<std::int8_t>(ub)) : ub;
    c += x * y;
  }
  return c;
}

/// d[0] = a + b + carry-in (s[2], a predicate); d[1] the carry out. A subtraction adds ~b with the
/// carry standing for "no borrow", and so does the hardware.
template <class T, bool subtract>
void add_with_carry(Warp& w, const Instruction& i, LaneMask m) {
  using U = Unsigned<T>;
  alignas(64) Word<T> r[lane_count];
  const Word<T>* a = w.lanes<Word<T>>(i.s[0]);
  const Word<T>* b = w.lanes<Word<T>>(i.s[1]);
  const LaneMask in = w.predicate(i.s[2]);
  LaneMask out = 0;
  for (int l = 0; l < lane_count; ++l) {
    const U x = static_cast<U>(a[l]);
    const U y = static_cast<U>(subtract ? ~b[l] : b[l]);
    const U partial = static_cast<U>(x + y);
    const U total = static_cast<U>(partial + (in >> l & 1u));
    r[l] = total;
    out |= static_cast<LaneMask>(partial < x || total < partial) << l;
  }
  write_lanes(w.lanes<Word<T>>(i.d[0]), r, m);
  write_predicate(w, i.d[1], out, m);
}

#define UNARY(D, expression)                                  \
  [](Warp& w, const Instruction& i, LaneMask m) {             \
    map1<D, T>(w, i, m, [](T a) -> D { return expression; }); \
  }
#define BINARY(D, expression)                                         \
  [](Warp& w, const Instruction& i, LaneMask m) {                     \
    map2<D, T, T>(w, i, m, [](T a, T b) -> D { return expression; }); \
  }
#define TERNARY(D, C, expression)                                             \
  [](Warp& w, const Instruction& i, LaneMask m) {                             \
    map3<D, T, T, C>(w, i, m, [](T a, T b, C c) -> D { return expression; }); \
  }

template <class T>
Handler arithmetic(IntegerOp op) {
  switch (op) {
    case IntegerOp::add: return BINARY(T, sum(a, b));
    case IntegerOp::sub: return BINARY(T, difference(a, b));
    case IntegerOp::mul_lo: return BINARY(T, low_product(a, b));
    case IntegerOp::mul_hi: return BINARY(T, high_product(a, b));
    case IntegerOp::mad_lo: return TERNARY(T, T, sum(low_product(a, b), c));
    case IntegerOp::mad_hi: return TERNARY(T, T, sum(high_product(a, b), c));
    case IntegerOp::sad: return TERNARY(T, T, sum(c, a < b ? difference(b, a) : difference(a, b)));
    case IntegerOp::div: return BINARY(T, quotient(a, b));
    case IntegerOp::rem: return BINARY(T, remainder(a, b));
    case IntegerOp::min: return BINARY(T, a < b ? a : b);
    case IntegerOp::max: return BINARY(T, a < b ? b : a);
    default: return nullptr;
  }
}

template <class T>
Handler signed_only(IntegerOp op) {
  switch (op) {
    case IntegerOp::abs: return UNARY(T, a < 0 ? difference(T{0}, a) : a);
    case IntegerOp::neg: return UNARY(T, difference(T{0}, a));
    default: return arithmetic<T>(op);
  }
}

template <class T>
Handler widening(IntegerOp op) {
  using W = Wide<T>;
  switch (op) {
    case IntegerOp::mul_wide: return BINARY(W, low_product(static_cast<W>(a), static_cast<W>(b)));
    case IntegerOp::mad_wide:
      return TERNARY(W, W, sum(low_product(static_cast<W>(a), static_cast<W>(b)), c));
    default: return nullptr;
  }
}

template <class T>
Handler words(IntegerOp op) {
  using U32 = std::uint32_t;
  switch (op) {
    case IntegerOp::bfind: return UNARY(U32, find_bit(a, false));
    case IntegerOp::bfind_shift: return UNARY(U32, find_bit(a, true));
    case IntegerOp::bfe:
      return [](Warp& w, const Instruction& i, LaneMask m) {
        map3<T, T, U32, U32>(w, i, m, [](T a, U32 b, U32 c) { return extract(a, b, c); });
      };
    case IntegerOp::add_carry: return add_with_carry<T, false>;
    case IntegerOp::sub_borrow: return add_with_carry<T, true>;
    default: return nullptr;
  }
}

template <class T>
Handler only32(IntegerOp op) {
  switch (op) {
    case IntegerOp::mul24_lo: return BINARY(T, static_cast<T>(product24(a, b)));
    case IntegerOp::mul24_hi: return BINARY(T, static_cast<T>(product24(a, b) >> 16));
    case IntegerOp::mad24_lo: return TERNARY(T, T, sum(static_cast<T>(product24(a, b)), c));
    case IntegerOp::mad24_hi: return TERNARY(T, T, sum(static_cast<T>(product24(a, b) >> 16), c));
    default: return nullptr;
  }
}

Handler only_s32(IntegerOp op) {
  using T = std::int32_t;
  using Wide = std::int64_t;
  switch (op) {
    case IntegerOp::add_sat: return BINARY(T, saturate(Wide{a} + b));
    case IntegerOp::sub_sat: return BINARY(T, saturate(Wide{a} - b));
    case IntegerOp::mad_hi_sat: return TERNARY(T, T, saturate(Wide{high_product(a, b)} + c));
    case IntegerOp::min_relu: return BINARY(T, (a < b ? a : b) < 0 ? 0 : (a < b ? a : b));
    case IntegerOp::max_relu: return BINARY(T, (a < b ? b : a) < 0 ? 0 : (a < b ? b : a));
    default: return nullptr;
  }
}

template <class T>
Handler untyped(IntegerOp op) {
  using U32 = std::uint32_t;
  switch (op) {
    case IntegerOp::popc: return UNARY(U32, static_cast<U32>(std::popcount(a)));
    case IntegerOp::clz: return UNARY(U32, static_cast<U32>(std::countl_zero(a)));
    case IntegerOp::brev: return UNARY(T, reverse_bits(a));
    case IntegerOp::bfi:
      return [](Warp& w, const Instruction& i, LaneMask m) {
        map4<T, T, T, U32, U32>(w, i, m, [](T a, T b, U32 c, U32 d) { return insert(a, b, c, d); });
      };
    default: return nullptr;
  }
}

Handler dot_product(IntegerOp op, bool a_signed) {
  using T = std::uint32_t;
  switch (op) {
    case IntegerOp::dp4a:
      if (a_signed) return TERNARY(T, T, (dot4<true, true>(a, b, c)));
      return TERNARY(T, T, (dot4<false, false>(a, b, c)));
    case IntegerOp::dp4a_us: return TERNARY(T, T, (dot4<false, true>(a, b, c)));
    case IntegerOp::dp4a_su: return TERNARY(T, T, (dot4<true, false>(a, b, c)));
    default: return nullptr;
  }
}

Handler first_of(std::initializer_list<Handler> found) {
  for (const Handler h : found)
    if (h != nullptr) return h;
  return nullptr;
}

}  // namespace

Handler integer(IntegerOp op, isa::Type type) {
  using isa::Type;
  switch (type) {
    case Type::u16: return first_of({arithmetic<std::uint16_t>(op), widening<std::uint16_t>(op)});
    case Type::s16: return first_of({signed_only<std::int16_t>(op), widening<std::int16_t>(op)});
    case Type::u32:
      return first_of({arithmetic<std::uint32_t>(op), widening<std::uint32_t>(op),
                       words<std::uint32_t>(op), only32<std::uint32_t>(op),
                       dot_product(op, false)});
    case Type::s32:
      return first_of({signed_only<std::int32_t>(op), widening<std::int32_t>(op),
                       words<std::int32_t>(op), only32<std::int32_t>(op), only_s32(op),
                       dot_product(op, true)});
    case Type::u64: return first_of({arithmetic<std::uint64_t>(op), words<std::uint64_t>(op)});
    case Type::s64: return first_of({signed_only<std::int64_t>(op), words<std::int64_t>(op)});
    case Type::b32: return untyped<std::uint32_t>(op);
    case Type::b64: return untyped<std::uint64_t>(op);
    default: return nullptr;
  }
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
