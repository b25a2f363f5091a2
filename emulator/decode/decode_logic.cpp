// Logic, shifts, comparison and selection.
#include <array>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using isa::Type;

void decode_binary(Decoder& d, BitOp op, Definedness definedness) {
  const Type t = d.type();
  d.expect_operands(3);
  const Slot result = d.result(d.operand(0), t);
  const Slot a = t == Type::pred ? d.predicate(d.operand(1)) : d.source(d.operand(1), t);
  const Slot b = t == Type::pred ? d.predicate(d.operand(2)) : d.source(d.operand(2), t);
  Instruction& i = d.emit(handlers().bit(op, t), {result}, {a, b});
  i.definedness = definedness;
  if (op == BitOp::xor_ && a == b) i.definedness = Definedness::same;
  i.aux = static_cast<std::uint32_t>(isa::bits(t));
}

void decode_unary(Decoder& d, BitOp op) {
  const Type t = d.type();
  d.expect_operands(2);
  d.emit(handlers().bit(op, t), {d.result(d.operand(0), t)}, {d.source(d.operand(1), t)});
}

void decode_shift(Decoder& d, BitOp op) {
  const Type t = d.type();
  d.expect_operands(3);
  // A right shift fills by the type's sign; untyped and unsigned ones fill with zeros.
  Type as = t;
  if (op == BitOp::shr && !isa::is_signed(t)) {
    as = isa::bits(t) == 16 ? Type::u16 : isa::bits(t) == 32 ? Type::u32 : Type::u64;
  }
  if (op == BitOp::shl && t != isa::bits_type(t)) d.mismatch();
  if (isa::is_float(t) || isa::bits(t) < 16) d.mismatch();
  d.emit(handlers().bit(op, as), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), Type::u32)});
}

std::uint64_t immediate(Decoder& d, const ast::Operand& o, std::uint64_t most) {
  if (o.kind != ast::Operand::Kind::integer) {
    d.fail(o.at, text("Instruction '", d.instruction().opcode, "' needs an integer constant here"));
  }
  if (o.bits > most) d.fail(o.at, text("Constant ", o.bits, " is out of range (0 to ", most, ")"));
  return o.bits;
}

void decode_lop3(Decoder& d) {
  const Type t = d.type();
  if (t != Type::b32) d.mismatch();
  d.expect_operands(5);
  const std::uint64_t table = immediate(d, d.operand(4), 255);
  d.emit(handlers().bit(BitOp::lop3, t), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), t), d.source(d.operand(3), t)})
      .imm = static_cast<std::int64_t>(table);
}

void decode_shf(Decoder& d) {
  const Type t = d.type();
  d.expect_operands(4);
  const std::string_view side = d.modifiers().take_one({"l", "r"});
  const std::string_view mode = d.modifiers().take_one({"clamp", "wrap"});
  if (side.empty() || mode.empty() || t != Type::b32) d.mismatch();
  const bool wrap = mode == "wrap";
  const BitOp op = side == "l" ? (wrap ? BitOp::shf_l_wrap : BitOp::shf_l_clamp)
                               : (wrap ? BitOp::shf_r_wrap : BitOp::shf_r_clamp);
  d.emit(handlers().bit(op, t), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), t), d.source(d.operand(3), Type::u32)});
}

void decode_prmt(Decoder& d) {
  d.expect_operands(4);
  struct Named {
    std::string_view name;
    BitOp op;
  };
  constexpr Named modes[] = {{"f4e", BitOp::prmt_f4e}, {"b4e", BitOp::prmt_b4e},
                             {"rc8", BitOp::prmt_rc8}, {"ecl", BitOp::prmt_ecl},
                             {"ecr", BitOp::prmt_ecr}, {"rc16", BitOp::prmt_rc16}};
  BitOp op = BitOp::prmt;
  for (const Named& m : modes)
    if (d.modifiers().take(m.name)) op = m.op;
  const Type t = d.type();  // the mode stands behind it
  if (t != Type::b32) d.mismatch();
  d.emit(handlers().bit(op, t), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), t), d.source(d.operand(3), t)});
}

void decode_fns(Decoder& d) {
  const Type t = d.type();
  d.expect_operands(4);
  d.emit(handlers().bit(BitOp::fns, t), {d.result(d.operand(0), Type::b32)},
         {d.source(d.operand(1), Type::b32), d.source(d.operand(2), Type::b32),
          d.source(d.operand(3), Type::s32)});
}

void decode_wrap_or_clamp(Decoder& d, BitOp wrap, BitOp clamp) {
  const Type t = d.type();
  d.expect_operands(3);
  const std::string_view mode = d.modifiers().take_one({"wrap", "clamp"});
  if (mode.empty()) d.mismatch();
  d.emit(handlers().bit(mode == "wrap" ? wrap : clamp, t), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), Type::u32)});
}

Comparison comparison(Decoder& d, Type t) {
  struct Named {
    std::string_view name;
    Comparison c;
    bool floats;
    bool integers;
  };
  constexpr Named all[] = {
      {"eq", Comparison::eq, true, true},    {"ne", Comparison::ne, true, true},
      {"lt", Comparison::lt, true, true},    {"le", Comparison::le, true, true},
      {"gt", Comparison::gt, true, true},    {"ge", Comparison::ge, true, true},
      {"lo", Comparison::lt, false, true},   {"ls", Comparison::le, false, true},
      {"hi", Comparison::gt, false, true},   {"hs", Comparison::ge, false, true},
      {"equ", Comparison::equ, true, false}, {"neu", Comparison::neu, true, false},
      {"ltu", Comparison::ltu, true, false}, {"leu", Comparison::leu, true, false},
      {"gtu", Comparison::gtu, true, false}, {"geu", Comparison::geu, true, false},
      {"num", Comparison::num, true, false}, {"nan", Comparison::nan, true, false}};
  for (const Named& n : all) {
    if (!d.modifiers().take(n.name)) continue;
    if (isa::is_float(t) ? !n.floats : !n.integers) d.mismatch();
    return n.c;
  }
  d.fail(d.instruction().at, text("Instruction '", d.instruction().opcode, "' needs a comparison"));
}

/// Emits a comparison of operands 1 and 2 (and, with a Boolean operator, operand 3) into `yes` and
/// its complement into `no`.
void emit_comparison(Decoder& d, Comparison c, Type t, std::string_view combine, Slot yes,
                     Slot no) {
  const bool ftz = d.modifiers().take("ftz");
  if (ftz && t != Type::f32 && t != Type::f16 && t != Type::f16x2) d.mismatch();
  const Slot a = d.source(d.operand(1), t);
  const Slot b = d.source(d.operand(2), t);
  const Handler compare = handlers().setp(c, t, ftz);
  if (combine.empty()) {
    d.emit(compare, {yes, no}, {a, b});
    return;
  }
  const Slot other = d.predicate(d.operand(3));
  const Slot raw_yes = d.temporary(Type::pred), raw_no = d.temporary(Type::pred);
  d.emit(compare, {raw_yes, raw_no}, {a, b});
  const BitOp op = combine == "and" ? BitOp::and_ : combine == "or" ? BitOp::or_ : BitOp::xor_;
  // Neither result may be written while `other`, which may be the same register, is still needed.
  const Slot second = no == sink_slot ? sink_slot : d.temporary(Type::pred);
  const auto combined = [&](Slot to, Slot from) {
    Instruction& i = d.emit(handlers().bit(op, Type::pred), {to}, {from, other});
    i.aux = 1;
    if (op == BitOp::and_) i.definedness = Definedness::bits_and;
    if (op == BitOp::or_) i.definedness = Definedness::bits_or;
  };
  if (no != sink_slot) combined(second, raw_no);
  combined(yes, raw_yes);
  if (no != sink_slot) d.emit(handlers().move(Move::copy, 1, 1), {no}, {second});
}

bool is_pair(Type t) { return t == Type::f16x2 || t == Type::bf16x2; }
Type half_of(Type t) { return t == Type::f16x2 ? Type::f16 : Type::bf16; }

/// The halves of a packed operand, the lower first.
std::array<Slot, 2> halves(Decoder& d, const ast::Operand& o, Type t) {
  const std::array<Slot, 2> parts{d.temporary(Type::b16), d.temporary(Type::b16)};
  d.emit(handlers().move(Move::unpack, 32, 2), {parts[0], parts[1]}, {d.source(o, t)});
  return parts;
}

/// Compares operands 1 and 2 half by half, into predicates of the lower and the upper one.
std::array<Slot, 2> compare_halves(Decoder& d, Type t, std::string_view combine) {
  const Comparison c = comparison(d, t);
  const bool ftz = d.modifiers().take("ftz");
  if (ftz && t != Type::f16x2) d.mismatch();
  const auto a = halves(d, d.operand(1), t), b = halves(d, d.operand(2), t);
  std::array<Slot, 2> result{};
  for (std::size_t k = 0; k < 2; ++k) {
    result[k] = d.temporary(Type::pred);
    d.emit(handlers().setp(c, half_of(t), ftz), {result[k]}, {a[k], b[k]});
    if (combine.empty()) continue;
    const BitOp op = combine == "and" ? BitOp::and_ : combine == "or" ? BitOp::or_ : BitOp::xor_;
    d.emit(handlers().bit(op, Type::pred), {result[k]}, {result[k], d.predicate(d.operand(3))});
  }
  return result;
}

/// setp p|q: of the lower and the upper half.
void decode_setp_pair(Decoder& d, Type t) {
  const std::string_view combine = d.modifiers().take_one({"and", "or", "xor"});
  d.expect_operands(combine.empty() ? 3 : 4);
  const ast::Operand& to = d.operand(0);
  if (to.kind != ast::Operand::Kind::pair) d.mismatch();
  const auto p = compare_halves(d, t, combine);
  for (std::size_t k = 0; k < 2; ++k)
    d.emit(handlers().move(Move::copy, 1, 1), {d.result(to.parts[k], Type::pred)}, {p[k]});
}

void decode_setp(Decoder& d) {
  const Type t = d.type();
  if (is_pair(t)) return decode_setp_pair(d, t);
  const Comparison c = comparison(d, t);
  const std::string_view combine = d.modifiers().take_one({"and", "or", "xor"});
  d.expect_operands(combine.empty() ? 3 : 4);
  const ast::Operand& results = d.operand(0);
  if (results.kind == ast::Operand::Kind::pair) {
    const Slot yes = d.result(results.parts[0], Type::pred);
    const Slot no = d.result(results.parts[1], Type::pred);
    emit_comparison(d, c, t, combine, yes, no);
  } else {
    emit_comparison(d, c, t, combine, d.result(results, Type::pred), sink_slot);
  }
}

/// What a comparison that holds yields in a type.
std::uint32_t truth(Type t) {
  switch (t) {
    case Type::f32: return 0x3f800000u;
    case Type::f16:
    case Type::f16x2: return 0x3c00u;
    case Type::bf16:
    case Type::bf16x2: return 0x3f80u;
    case Type::u16:
    case Type::s16: return 0xffffu;
    default: return 0xffffffffu;
  }
}

void decode_set_pair(Decoder& d, Type to, Type t) {
  const std::string_view combine = d.modifiers().take_one({"and", "or", "xor"});
  d.expect_operands(combine.empty() ? 3 : 4);
  if (to != t && to != Type::u32 && to != Type::s32) d.mismatch();
  const auto p = compare_halves(d, t, combine);
  const Slot one = d.constant(32, truth(to) & 0xffffu);
  const std::array<Slot, 2> parts{d.temporary(Type::b16), d.temporary(Type::b16)};
  for (std::size_t k = 0; k < 2; ++k) {
    d.emit(handlers().select(Type::b16), {parts[k]}, {one, zero_slot, p[k]}).definedness =
        Definedness::select;
  }
  d.emit(handlers().move(Move::pack, 32, 2), {d.result(d.operand(0), to)}, {parts[0], parts[1]});
}

/// set.CmpOp.dtype.stype: all ones, or 1.0.
void decode_set(Decoder& d) {
  const Type to = d.type();
  const Type t = d.type();
  if (is_pair(t)) return decode_set_pair(d, to, t);
  const Comparison c = comparison(d, t);
  const std::string_view combine = d.modifiers().take_one({"and", "or", "xor"});
  d.expect_operands(combine.empty() ? 3 : 4);
  const bool from_half = t == Type::f16 || t == Type::bf16;
  const bool word = to == Type::u32 || to == Type::s32 || (to == Type::f32 && !from_half);
  if (!word && !(from_half && (to == t || to == Type::u16 || to == Type::s16))) d.mismatch();
  const Slot p = d.temporary(Type::pred);
  emit_comparison(d, c, t, combine, p, sink_slot);
  const Slot one = d.constant(32, truth(to));
  d.emit(handlers().select(to), {d.result(d.operand(0), to)}, {one, zero_slot, p}).definedness =
      Definedness::select;
}

void decode_selp(Decoder& d) {
  const Type t = d.type();
  d.expect_operands(4);
  const Slot a = d.source(d.operand(1), t);
  const Slot b = d.source(d.operand(2), t);
  const Slot p = d.predicate(d.operand(3));
  d.emit(handlers().select(t), {d.result(d.operand(0), t)}, {a, b, p}).definedness =
      Definedness::select;
}

/// slct: a where c >= 0, else b.
void decode_slct(Decoder& d) {
  const Type t = d.type();
  const Type by = d.type();
  if (by != Type::s32 && by != Type::f32) d.mismatch();
  d.expect_operands(4);
  const bool ftz = d.modifiers().take("ftz");
  const Slot p = d.temporary(Type::pred);
  d.emit(handlers().setp(Comparison::ge, by, ftz), {p}, {d.source(d.operand(3), by), zero_slot});
  d.emit(handlers().select(t), {d.result(d.operand(0), t)},
         {d.source(d.operand(1), t), d.source(d.operand(2), t), p})
      .definedness = Definedness::select;
}

}  // namespace

bool decode_logic(Decoder& d, std::string_view op) {
  if (op == "and") return decode_binary(d, BitOp::and_, Definedness::bits_and), true;
  if (op == "or") return decode_binary(d, BitOp::or_, Definedness::bits_or), true;
  if (op == "xor") return decode_binary(d, BitOp::xor_, Definedness::all), true;
  if (op == "not") return decode_unary(d, BitOp::not_), true;
  if (op == "cnot") return decode_unary(d, BitOp::cnot), true;
  if (op == "shl") return decode_shift(d, BitOp::shl), true;
  if (op == "shr") return decode_shift(d, BitOp::shr), true;
  if (op == "lop3") return decode_lop3(d), true;
  if (op == "shf") return decode_shf(d), true;
  if (op == "prmt") return decode_prmt(d), true;
  if (op == "fns") return decode_fns(d), true;
  if (op == "szext") return decode_wrap_or_clamp(d, BitOp::szext_wrap, BitOp::szext_clamp), true;
  if (op == "bmsk") return decode_wrap_or_clamp(d, BitOp::bmsk_wrap, BitOp::bmsk_clamp), true;
  if (op == "setp") return decode_setp(d), true;
  if (op == "set") return decode_set(d), true;
  if (op == "selp") return decode_selp(d), true;
  if (op == "slct") return decode_slct(d), true;
  return false;
}

}  // namespace ptxmill::emu
