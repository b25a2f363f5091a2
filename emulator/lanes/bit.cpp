// Logic, shifts and byte permutation (PTX ISA, "Logic and Shift Instructions", "prmt").
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

template <class T>
constexpr U32 width = sizeof(T) * 8;

template <class T>
[[gnu::always_inline]] inline T shift_left(T a, U32 n) {
  return n >= width<T> ? T{0} : static_cast<T>(a << n);
}

template <class T>
[[gnu::always_inline]] inline T shift_right(T a, U32 n) {
  if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> (n >= width<T> ? width<T> - 1 : n));
  return n >= width<T> ? T{0} : static_cast<T>(a >> n);
}

[[gnu::always_inline]] inline U32 funnel_left(U32 a, U32 b, U32 n) {
  return static_cast<U32>(((U64{b} << 32 | a) << n) >> 32);
}

[[gnu::always_inline]] inline U32 funnel_right(U32 a, U32 b, U32 n) {
  return static_cast<U32>((U64{b} << 32 | a) >> n);
}

[[gnu::always_inline]] inline U32 clamped(U32 n) { return n > 32 ? 32 : n; }

/// Byte `selector & 7` of the pair, or with bit 3 its sign in all bits.
[[gnu::always_inline]] inline U32 pick_byte(U64 pair, U32 selector) {
  const U32 byte = static_cast<U32>(pair >> ((selector & 7) * 8)) & 0xff;
  return (selector & 8) == 0 ? byte : (byte & 0x80) != 0 ? 0xffu : 0u;
}

template <class Select>
[[gnu::always_inline]] inline U32 permute(U32 a, U32 b, Select selector) {
  const U64 pair = U64{b} << 32 | a;
  U32 r = 0;
  for (U32 n = 0; n < 4; ++n) r |= pick_byte(pair, selector(n)) << (8 * n);
  return r;
}

/// Position of the |offset|-th set bit of `mask` from `base`, which itself counts.
[[gnu::always_inline]] inline U32 find_nth_set(U32 mask, U32 base, std::int32_t offset) {
  if (offset == 0) return base < 32 && (mask >> base & 1) != 0 ? base : 0xffffffffu;
  const int step = offset > 0 ? 1 : -1;
  std::int64_t left = offset > 0 ? std::int64_t{offset} : -std::int64_t{offset};
  for (std::int64_t pos = base; pos >= 0 && pos < 32; pos += step) {
    if ((mask >> pos & 1) != 0 && --left == 0) return static_cast<U32>(pos);
  }
  return 0xffffffffu;
}

[[gnu::always_inline]] inline U32 bit_mask(U32 position, U32 count) {
  const U32 ones = count >= 32 ? 0xffffffffu : (1u << count) - 1;
  return position >= 32 ? 0 : ones << position;
}

template <class T>
[[gnu::always_inline]] inline T extend(T a, U32 n, bool wrap) {
  const U32 bits = wrap ? n & 31 : n;
  if (bits >= 32) return a;
  if (bits == 0) return 0;
  const U32 up = static_cast<U32>(a) << (32 - bits);
  return static_cast<T>(static_cast<T>(up) >> (32 - bits));
}

#define UNARY(expression)                                                     \
  [](Warp& w, const Instruction& i, LaneMask m) {                             \
    map1<T, T>(w, i, m, [](T a) -> T { return static_cast<T>(expression); }); \
  }
#define BINARY(B, expression)                                                         \
  [](Warp& w, const Instruction& i, LaneMask m) {                                     \
    map2<T, T, B>(w, i, m, [](T a, B b) -> T { return static_cast<T>(expression); }); \
  }
#define TERNARY(C, expression)                                                                \
  [](Warp& w, const Instruction& i, LaneMask m) {                                             \
    map3<T, T, T, C>(w, i, m, [](T a, T b, C c) -> T { return static_cast<T>(expression); }); \
  }

template <class T>
Handler logic(BitOp op) {
  switch (op) {
    case BitOp::and_: return BINARY(T, a & b);
    case BitOp::or_: return BINARY(T, a | b);
    case BitOp::xor_: return BINARY(T, a ^ b);
    case BitOp::not_: return UNARY(~a);
    case BitOp::cnot: return UNARY(a == 0 ? 1 : 0);
    case BitOp::shl: return BINARY(U32, shift_left(a, b));
    case BitOp::shr: return BINARY(U32, shift_right(a, b));
    default: return nullptr;
  }
}

template <class T>
Handler right_shift(BitOp op) {
  return op == BitOp::shr ? static_cast<Handler>(BINARY(U32, shift_right(a, b))) : nullptr;
}

void lop3(Warp& w, const Instruction& i, LaneMask m) {
  // Bit 4a + 2b + c of the table is the result for the bits a, b, c: a sum of its minterms.
  U32 pick[8];
  for (int n = 0; n < 8; ++n) pick[n] = (i.imm >> n & 1) != 0 ? 0xffffffffu : 0u;
  map3<U32, U32, U32, U32>(w, i, m, [&](U32 a, U32 b, U32 c) {
    const U32 without =
        (~b & ~c & pick[0]) | (~b & c & pick[1]) | (b & ~c & pick[2]) | (b & c & pick[3]);
    const U32 with =
        (~b & ~c & pick[4]) | (~b & c & pick[5]) | (b & ~c & pick[6]) | (b & c & pick[7]);
    return (~a & without) | (a & with);
  });
}

Handler words(BitOp op) {
  using T = U32;
  switch (op) {
    case BitOp::lop3: return lop3;
    case BitOp::shf_l_clamp: return TERNARY(U32, funnel_left(a, b, clamped(c)));
    case BitOp::shf_l_wrap: return TERNARY(U32, funnel_left(a, b, c & 31));
    case BitOp::shf_r_clamp: return TERNARY(U32, funnel_right(a, b, clamped(c)));
    case BitOp::shf_r_wrap: return TERNARY(U32, funnel_right(a, b, c & 31));
    case BitOp::fns: return TERNARY(U32, find_nth_set(a, b, static_cast<std::int32_t>(c)));
    case BitOp::bmsk_wrap: return BINARY(U32, bit_mask(a & 31, b & 31));
    case BitOp::bmsk_clamp: return BINARY(U32, bit_mask(a, b));
    default: return nullptr;
  }
}

Handler permutation(BitOp op) {
  using T = U32;
  switch (op) {
    case BitOp::prmt: return TERNARY(U32, permute(a, b, [=](U32 n) { return c >> (4 * n) & 15; }));
    case BitOp::prmt_f4e:
      return TERNARY(U32, permute(a, b, [=](U32 n) { return ((c & 3) + n) & 7; }));
    case BitOp::prmt_b4e:
      return TERNARY(U32, permute(a, b, [=](U32 n) { return ((c & 3) - n) & 7; }));
    case BitOp::prmt_rc8: return TERNARY(U32, permute(a, b, [=](U32) { return c & 3; }));
    case BitOp::prmt_ecl:
      return TERNARY(U32, permute(a, b, [=](U32 n) { return n > (c & 3) ? n : c & 3; }));
    case BitOp::prmt_ecr:
      return TERNARY(U32, permute(a, b, [=](U32 n) { return n < (c & 3) ? n : c & 3; }));
    case BitOp::prmt_rc16:
      return TERNARY(U32, permute(a, b, [=](U32 n) { return (n & 1) + 2 * (c & 1); }));
    default: return nullptr;
  }
}

template <class T>
Handler extension(BitOp op) {
  switch (op) {
    case BitOp::szext_wrap: return BINARY(U32, extend(a, b, true));
    case BitOp::szext_clamp: return BINARY(U32, extend(a, b, false));
    default: return nullptr;
  }
}

Handler predicates(BitOp op) {
#define PREDICATE(expression)                                        \
  [](Warp& w, const Instruction& i, LaneMask m) {                    \
    const LaneMask a = w.predicate(i.s[0]), b = w.predicate(i.s[1]); \
    (void)b;                                                         \
    write_predicate(w, i.d[0], expression, m);                       \
  }
  switch (op) {
    case BitOp::and_: return PREDICATE(a & b);
    case BitOp::or_: return PREDICATE(a | b);
    case BitOp::xor_: return PREDICATE(a ^ b);
    case BitOp::not_: return PREDICATE(~a);
    default: return nullptr;
  }
#undef PREDICATE
}

}  // namespace

Handler bit(BitOp op, isa::Type type) {
  using isa::Type;
  switch (type) {
    case Type::pred: return predicates(op);
    case Type::b16: return logic<std::uint16_t>(op);
    case Type::u16: return right_shift<std::uint16_t>(op);
    case Type::s16: return right_shift<std::int16_t>(op);
    case Type::u32: {
      const Handler shift = right_shift<U32>(op);
      return shift != nullptr ? shift : extension<U32>(op);
    }
    case Type::s32: {
      const Handler shift = right_shift<std::int32_t>(op);
      return shift != nullptr ? shift : extension<std::int32_t>(op);
    }
    case Type::u64: return right_shift<U64>(op);
    case Type::s64: return right_shift<std::int64_t>(op);
    case Type::b32: {
      for (const Handler h : {logic<U32>(op), words(op), permutation(op)})
        if (h != nullptr) return h;
      return nullptr;
    }
    case Type::b64: return logic<U64>(op);
    default: return nullptr;
  }
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
