// Integer and floating point arithmetic.
#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using isa::Type;

bool is_half(Type t) {
  return t == Type::f16 || t == Type::bf16 || t == Type::f16x2 || t == Type::bf16x2;
}

/// How an operation stands to the rounding modifiers.
enum class Rounds : std::uint8_t { never, optionally, always };

Rounds rounds(FloatOp op) {
  switch (op) {
    case FloatOp::add:
    case FloatOp::sub:
    case FloatOp::mul: return Rounds::optionally;
    case FloatOp::fma:
    case FloatOp::div:
    case FloatOp::rcp:
    case FloatOp::sqrt: return Rounds::always;
    default: return Rounds::never;
  }
}

/// Reads `.rn`, `.ftz`, `.sat`, `.relu`.
FloatMode float_mode(Decoder& d, Rounds rounding) {
  FloatMode mode;
  Modifiers& m = d.modifiers();
  if (rounding != Rounds::never) {
    const std::string_view r = m.take_one({"rn", "rz", "rm", "rp"});
    if (r.empty() && rounding == Rounds::always) {
      d.fail(d.instruction().at,
             text("Rounding modifier required for instruction '", d.instruction().opcode, "'"));
    }
    if (r == "rz") mode.rounding = Rounding::rz;
    if (r == "rm") mode.rounding = Rounding::rm;
    if (r == "rp") mode.rounding = Rounding::rp;
  }
  mode.ftz = m.take("ftz");
  mode.sat = m.take("sat");
  mode.relu = m.take("relu");
  return mode;
}

/// Emits `handler` with one result and `sources` operands, all of type `t`.
void emit_uniform(Decoder& d, Handler handler, Type t, std::size_t sources) {
  d.expect_operands(sources + 1);
  const Slot result = d.result(d.operand(0), t);
  Slot s[4] = {zero_slot, zero_slot, zero_slot, zero_slot};
  for (std::size_t k = 0; k < sources; ++k) s[k] = d.source(d.operand(k + 1), t);
  d.emit(handler, {result}, {s[0], s[1], s[2], s[3]});
}

void decode_float(Decoder& d, FloatOp op, Type t, std::size_t sources) {
  const FloatMode mode = float_mode(d, rounds(op));
  const Handler h = is_half(t) ? handlers().half(op, t, mode) : handlers().floating(op, t, mode);
  emit_uniform(d, h, t, sources);
}

/// What a plain, a .sat and a carrying form of add or sub are.
struct Additive {
  IntegerOp plain, saturating, carrying;
  FloatOp floating;
  bool uses_carry;  ///< addc, subc
};

void decode_additive(Decoder& d, const Additive& op) {
  const Type t = d.type();
  if (isa::is_float(t)) {
    if (op.uses_carry) d.mismatch();
    return decode_float(d, op.floating, t, 2);
  }
  Modifiers& m = d.modifiers();
  if (op.uses_carry || m.has("cc")) {
    d.expect_operands(3);
    const bool sets = m.take("cc");
    const bool subtracts = op.plain == IntegerOp::sub;
    const Slot in = op.uses_carry ? d.carry() : subtracts ? d.constant(1, 1) : zero_slot;
    d.emit(handlers().integer(op.carrying, t),
           {d.result(d.operand(0), t), sets ? d.carry() : sink_slot},
           {d.source(d.operand(1), t), d.source(d.operand(2), t), in});
    return;
  }
  const bool sat = m.take("sat");
  if (sat && t != Type::s32) d.mismatch();
  emit_uniform(d, handlers().integer(sat ? op.saturating : op.plain, t), t, 2);
}

Type wide_type(Decoder& d, Type t) {
  const Type w = isa::widened(t);
  if (w == t) d.mismatch();
  return w;
}

/// mad.lo.cc and madc: a product, then an addition with carry.
void decode_mad_carry(Decoder& d, Type t, bool high, bool uses_carry) {
  d.expect_operands(4);
  const bool sets = d.modifiers().take("cc");
  const Slot product = d.temporary(t);
  d.emit(handlers().integer(high ? IntegerOp::mul_hi : IntegerOp::mul_lo, t), {product},
         {d.source(d.operand(1), t), d.source(d.operand(2), t)});
  d.emit(handlers().integer(IntegerOp::add_carry, t),
         {d.result(d.operand(0), t), sets ? d.carry() : sink_slot},
         {product, d.source(d.operand(3), t), uses_carry ? d.carry() : zero_slot});
}

void decode_mul(Decoder& d) {
  const Type t = d.type();
  if (isa::is_float(t)) return decode_float(d, FloatOp::mul, t, 2);
  const std::string_view part = d.modifiers().take_one({"lo", "hi", "wide"});
  if (part == "wide") {
    d.expect_operands(3);
    d.emit(handlers().integer(IntegerOp::mul_wide, t), {d.result(d.operand(0), wide_type(d, t))},
           {d.source(d.operand(1), t), d.source(d.operand(2), t)});
    return;
  }
  if (part.empty()) d.fail(d.instruction().at, "Instruction 'mul' needs .lo, .hi or .wide");
  emit_uniform(d, handlers().integer(part == "lo" ? IntegerOp::mul_lo : IntegerOp::mul_hi, t), t,
               2);
}

void decode_mad(Decoder& d, bool uses_carry) {
  const Type t = d.type();
  if (isa::is_float(t) && !uses_carry) return decode_float(d, FloatOp::fma, t, 3);
  Modifiers& m = d.modifiers();
  const std::string_view part = m.take_one({"lo", "hi", "wide"});
  if (part.empty()) d.fail(d.instruction().at, "Instruction 'mad' needs .lo, .hi or .wide");
  if (part == "wide") {
    d.expect_operands(4);
    const Type w = wide_type(d, t);
    d.emit(handlers().integer(IntegerOp::mad_wide, t), {d.result(d.operand(0), w)},
           {d.source(d.operand(1), t), d.source(d.operand(2), t), d.source(d.operand(3), w)});
    return;
  }
  if (uses_carry || m.has("cc")) return decode_mad_carry(d, t, part == "hi", uses_carry);
  IntegerOp op = part == "lo" ? IntegerOp::mad_lo : IntegerOp::mad_hi;
  if (m.take("sat")) {
    if (part != "hi") d.mismatch();
    op = IntegerOp::mad_hi_sat;
  }
  emit_uniform(d, handlers().integer(op, t), t, 3);
}

void decode_24(Decoder& d, IntegerOp low, IntegerOp high, std::size_t sources) {
  const Type t = d.type();
  const std::string_view part = d.modifiers().take_one({"lo", "hi"});
  if (part.empty()) d.fail(d.instruction().at, "Instruction needs .lo or .hi");
  emit_uniform(d, handlers().integer(part == "lo" ? low : high, t), t, sources);
}

void decode_div(Decoder& d) {
  const Type t = d.type();
  if (!isa::is_float(t)) return emit_uniform(d, handlers().integer(IntegerOp::div, t), t, 2);
  const std::string_view kind = d.modifiers().take_one({"full", "approx"});
  if (!kind.empty() && t != Type::f32) d.mismatch();
  const FloatOp op = kind == "full"     ? FloatOp::div_full
                     : kind == "approx" ? FloatOp::div_approx
                                        : FloatOp::div;
  decode_float(d, op, t, 2);
}

/// rcp, sqrt: an exact form and an approximate one.
void decode_root(Decoder& d, FloatOp exact, FloatOp approximate) {
  const Type t = d.type();
  const bool approx = d.modifiers().take("approx");
  decode_float(d, approx ? approximate : exact, t, 1);
}

void decode_approximate(Decoder& d, FloatOp op) {
  const Type t = d.type();
  if (!d.modifiers().take("approx")) {
    d.fail(d.instruction().at, text("Instruction '", d.instruction().opcode, "' needs .approx"));
  }
  decode_float(d, op, t, 1);
}

void decode_abs_neg(Decoder& d, IntegerOp integer, FloatOp floating) {
  const Type t = d.type();
  if (isa::is_float(t)) return decode_float(d, floating, t, 1);
  emit_uniform(d, handlers().integer(integer, t), t, 1);
}

void decode_extremum(Decoder& d, bool want_max) {
  const Type t = d.type();
  Modifiers& m = d.modifiers();
  if (!isa::is_float(t)) {
    const bool relu = m.take("relu");
    const IntegerOp op = want_max ? (relu ? IntegerOp::max_relu : IntegerOp::max)
                                  : (relu ? IntegerOp::min_relu : IntegerOp::min);
    return emit_uniform(d, handlers().integer(op, t), t, 2);
  }
  const bool nan = m.take("NaN");
  const bool absolute = m.take("xorsign");
  if (absolute && !m.take("abs")) d.mismatch();
  FloatOp op = want_max ? FloatOp::max : FloatOp::min;
  if (nan) op = want_max ? FloatOp::max_nan : FloatOp::min_nan;
  if (absolute) op = want_max ? FloatOp::max_abs : FloatOp::min_abs;
  if (nan && absolute) op = want_max ? FloatOp::max_nan_abs : FloatOp::min_nan_abs;
  decode_float(d, op, t, 2);
}

/// popc, clz, bfind: a count in 32 bits.
void decode_count(Decoder& d, IntegerOp op) {
  const Type t = d.type();
  d.expect_operands(2);
  if (op == IntegerOp::bfind && d.modifiers().take("shiftamt")) op = IntegerOp::bfind_shift;
  d.emit(handlers().integer(op, t), {d.result(d.operand(0), Type::u32)},
         {d.source(d.operand(1), t)});
}

void decode_bfe(Decoder& d) {
  const Type t = d.type();
  d.expect_operands(4);
  d.emit(handlers().integer(IntegerOp::bfe, t), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), Type::u32),
          d.source(d.operand(3), Type::u32)});
}

void decode_bfi(Decoder& d) {
  const Type t = d.type();
  d.expect_operands(5);
  d.emit(handlers().integer(IntegerOp::bfi, t), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), t), d.source(d.operand(3), Type::u32),
          d.source(d.operand(4), Type::u32)});
}

void decode_dp4a(Decoder& d) {
  const Type a = d.type();
  const Type b = d.type();
  d.expect_operands(4);
  const Type sum = a == Type::s32 || b == Type::s32 ? Type::s32 : Type::u32;
  const IntegerOp op = a == b           ? IntegerOp::dp4a
                       : a == Type::u32 ? IntegerOp::dp4a_us
                                        : IntegerOp::dp4a_su;
  d.emit(handlers().integer(op, a), {d.result(d.operand(0), sum)},
         {d.source(d.operand(1), Type::b32), d.source(d.operand(2), Type::b32),
          d.source(d.operand(3), sum)});
}

void decode_testp(Decoder& d) {
  const Type t = d.type();
  struct Named {
    std::string_view name;
    FloatClass wanted;
  };
  constexpr Named classes[] = {
      {"finite", FloatClass::finite}, {"infinite", FloatClass::infinite},
      {"number", FloatClass::number}, {"notanumber", FloatClass::notanumber},
      {"normal", FloatClass::normal}, {"subnormal", FloatClass::subnormal}};
  d.expect_operands(2);
  for (const Named& c : classes) {
    if (!d.modifiers().take(c.name)) continue;
    const Slot a = d.source(d.operand(1), t);
    d.emit(handlers().test(c.wanted, t), {d.result(d.operand(0), Type::pred)}, {a, a});
    return;
  }
  d.fail(d.instruction().at, "Instruction 'testp' needs a class");
}

bool decode_transcendental(Decoder& d, std::string_view op) {
  if (op == "rcp") return decode_root(d, FloatOp::rcp, FloatOp::rcp_approx), true;
  if (op == "sqrt") return decode_root(d, FloatOp::sqrt, FloatOp::sqrt_approx), true;
  if (op == "rsqrt") return decode_approximate(d, FloatOp::rsqrt_approx), true;
  if (op == "sin") return decode_approximate(d, FloatOp::sin), true;
  if (op == "cos") return decode_approximate(d, FloatOp::cos), true;
  if (op == "lg2") return decode_approximate(d, FloatOp::lg2), true;
  if (op == "ex2") return decode_approximate(d, FloatOp::ex2), true;
  if (op == "tanh") return decode_approximate(d, FloatOp::tanh), true;
  if (op == "testp") return decode_testp(d), true;
  if (op == "copysign") {
    const Type t = d.type();
    emit_uniform(d, handlers().floating(FloatOp::copysign, t, {}), t, 2);
    return true;
  }
  if (op == "fma") return decode_float(d, FloatOp::fma, d.type(), 3), true;
  return false;
}

bool decode_bit_count(Decoder& d, std::string_view op) {
  if (op == "popc") return decode_count(d, IntegerOp::popc), true;
  if (op == "clz") return decode_count(d, IntegerOp::clz), true;
  if (op == "bfind") return decode_count(d, IntegerOp::bfind), true;
  if (op == "bfe") return decode_bfe(d), true;
  if (op == "bfi") return decode_bfi(d), true;
  if (op == "dp4a") return decode_dp4a(d), true;
  if (op == "brev") {
    const Type t = d.type();
    emit_uniform(d, handlers().integer(IntegerOp::brev, t), t, 1);
    return true;
  }
  return false;
}

}  // namespace

bool decode_arithmetic(Decoder& d, std::string_view op) {
  using I = IntegerOp;
  if (op == "add" || op == "addc") {
    decode_additive(d, {I::add, I::add_sat, I::add_carry, FloatOp::add, op == "addc"});
  } else if (op == "sub" || op == "subc") {
    decode_additive(d, {I::sub, I::sub_sat, I::sub_borrow, FloatOp::sub, op == "subc"});
  } else if (op == "mul") {
    decode_mul(d);
  } else if (op == "mad" || op == "madc") {
    decode_mad(d, op == "madc");
  } else if (op == "mul24") {
    decode_24(d, I::mul24_lo, I::mul24_hi, 2);
  } else if (op == "mad24") {
    decode_24(d, I::mad24_lo, I::mad24_hi, 3);
  } else if (op == "div") {
    decode_div(d);
  } else if (op == "rem") {
    const Type t = d.type();
    emit_uniform(d, handlers().integer(I::rem, t), t, 2);
  } else if (op == "sad") {
    const Type t = d.type();
    emit_uniform(d, handlers().integer(I::sad, t), t, 3);
  } else if (op == "abs") {
    decode_abs_neg(d, I::abs, FloatOp::abs);
  } else if (op == "neg") {
    decode_abs_neg(d, I::neg, FloatOp::neg);
  } else if (op == "min" || op == "max") {
    decode_extremum(d, op == "max");
  } else {
    return decode_bit_count(d, op) || decode_transcendental(d, op);
  }
  return true;
}

}  // namespace ptxmill::emu
