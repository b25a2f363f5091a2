// Moves, conversions and address conversion.
#include "emulator/decode/decoder.hpp"
#include "emulator/run/warp.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;
using isa::Type;

/// The parts of a vector operand, or of a vector register.
std::vector<Slot> parts(Decoder& d, const Operand& o, Type part, bool written) {
  std::vector<Slot> slots;
  for (const Operand& p : o.parts) {
    slots.push_back(written ? d.result(p, part) : d.source(p, part));
  }
  if (slots.size() != 2 && slots.size() != 4) d.mismatch();
  return slots;
}

void decode_mov(Decoder& d) {
  const Type t = d.type();
  d.expect_operands(2);
  const Operand& to = d.operand(0);
  const Operand& from = d.operand(1);
  const int bits = isa::bits(t);
  if (from.kind == Operand::Kind::vector) {
    const auto n = static_cast<int>(from.parts.size());
    if (n == 0 || bits % n != 0 || t == Type::pred) d.mismatch();
    const std::vector<Slot> s = parts(d, from, word_type(bits / n), false);
    const bool two = s.size() == 2;
    d.emit(handlers().move(Move::pack, bits, n), {d.result(to, t)},
           {s[0], s[1], two ? zero_slot : s[2], two ? zero_slot : s[3]});
    return;
  }
  if (to.kind == Operand::Kind::vector) {
    const auto n = static_cast<int>(to.parts.size());
    if (n == 0 || bits % n != 0 || t == Type::pred) d.mismatch();
    const std::vector<Slot> s = parts(d, to, word_type(bits / n), true);
    const bool two = s.size() == 2;
    d.emit(handlers().move(Move::unpack, bits, n),
           {s[0], s[1], two ? sink_slot : s[2], two ? sink_slot : s[3]}, {d.source(from, t)});
    return;
  }
  if (bits == 8) d.mismatch();
  const Slot source = t == Type::pred ? d.predicate(from) : d.source(from, t);
  d.emit(handlers().move(Move::copy, bits, 1), {d.result(to, t)}, {source});
}

FloatMode conversion_mode(Decoder& d) {
  struct Named {
    std::string_view name;
    Rounding r;
  };
  constexpr Named all[] = {{"rn", Rounding::rn},   {"rz", Rounding::rz},   {"rm", Rounding::rm},
                           {"rp", Rounding::rp},   {"rni", Rounding::rni}, {"rzi", Rounding::rzi},
                           {"rmi", Rounding::rmi}, {"rpi", Rounding::rpi}, {"rna", Rounding::rna}};
  FloatMode mode;
  mode.rounding = Rounding::none;
  for (const Named& n : all) {
    if (d.modifiers().take(n.name)) mode.rounding = n.r;
  }
  mode.ftz = d.modifiers().take("ftz");
  mode.sat = d.modifiers().take("sat");
  mode.relu = d.modifiers().take("relu");
  return mode;
}

/// The register that a cvt reads or writes may be wider than the type: checks its class.
int register_bits(Decoder& d, const Operand& o, Type t) {
  const Symbol* r = d.register_of(o);
  if (r == nullptr) return isa::bits(t);
  const int held = isa::bits(r->type);
  if (r->type == Type::pred || r->width != 1 || held < isa::bits(t)) d.mismatch();
  const bool is_float = isa::is_float(t);
  if (is_float && !compatible(r->type, t) && !(isa::bits(t) == 16 && !isa::is_float(r->type)))
    d.mismatch();
  if (!is_float && isa::is_float(r->type)) d.mismatch();
  return held;
}

/// `o` as a value of type `t` in a slot that has the width of `t`.
Slot narrowed(Decoder& d, const Operand& o, Type t) {
  const int held = register_bits(d, o, t);
  if (held == 64 && isa::bits(t) < 64) {
    const Slot low = d.temporary(Type::b32);
    d.emit(handlers().convert({Type::u32, Type::u64, FloatMode(Rounding::none)}), {low},
           {d.source(o, Type::b64)})
        .imm = -1;
    return low;
  }
  return d.source(o, held == isa::bits(t) ? t : word_type(held));
}

void decode_cvt_pair(Decoder& d, Type to) {
  const Type from = d.type();
  d.expect_operands(3);
  if (from != Type::f32) d.mismatch();
  const FloatMode mode = conversion_mode(d);
  d.emit(handlers().convert_pair(to, mode), {d.result(d.operand(0), Type::b32)},
         {d.source(d.operand(1), from), d.source(d.operand(2), from)});
}

/// A half in a packed or untyped register is written as what its register is.
Type as_held(Type t, int held) { return held == isa::bits(t) ? t : word_type(held); }

/// True where every value of the integer type `from` is one of `to`.
bool holds_all(Type to, Type from) {
  const int spare = isa::bits(to) - isa::bits(from);
  return isa::is_signed(to) == isa::is_signed(from) ? spare >= 0 : isa::is_signed(to) && spare > 0;
}

void decode_cvt_tf32(Decoder& d) {
  const Type from = d.type();
  d.expect_operands(2);
  const FloatMode mode = conversion_mode(d);
  if (from != Type::f32 || mode.sat || mode.ftz) d.mismatch();
  d.emit(handlers().convert_tf32(mode), {d.result(d.operand(0), Type::b32)},
         {d.source(d.operand(1), from)});
}

void decode_cvt(Decoder& d) {
  if (d.modifiers().take("tf32")) return decode_cvt_tf32(d);
  if (d.modifiers().take("pack")) return decode_cvt_pack(d);
  const Type to = d.type();
  if (to == Type::f16x2 || to == Type::bf16x2) return decode_cvt_pair(d, to);
  const Type from = d.type();
  d.expect_operands(2);
  const FloatMode mode = conversion_mode(d);
  if (mode.sat && isa::is_integer(to) && isa::is_integer(from) && holds_all(to, from)) {
    d.fail(d.instruction().at, "Illegal modifier '.sat' for instruction 'cvt'");
  }
  const bool touches_f32 = from == Type::f32 || to == Type::f32;
  if (mode.ftz && !touches_f32) d.mismatch();
  const Operand& target = d.operand(0);
  const int held =
      target.kind == Operand::Kind::sink ? isa::bits(to) : register_bits(d, target, to);
  const bool widen = held == 64 && isa::bits(to) < 64;
  const Slot result = widen ? d.temporary(Type::b32) : d.result(target, as_held(to, held));
  Instruction& i =
      d.emit(handlers().convert({to, from, mode}), {result}, {narrowed(d, d.operand(1), from)});
  i.aux = mode.ftz ? 1 : 0;
  i.imm = held == 8 ? 0xff : held == 16 ? 0xffff : -1;
  if (!widen) return;
  if (isa::is_float(to)) d.mismatch();
  const bool sign = isa::is_signed(to);
  d.emit(handlers().convert({sign ? Type::s64 : Type::u64, sign ? Type::s32 : Type::u32,
                             FloatMode(Rounding::none)}),
         {d.result(target, Type::b64)}, {result})
      .imm = -1;
}

std::optional<std::uint64_t> window_named(Decoder& d) {
  struct Named {
    std::string_view name;
    std::uint64_t window;
  };
  constexpr Named all[] = {{"global", 0},
                           {"const", 0},
                           {"shared", shared_window},
                           {"shared::cta", shared_window},
                           {"shared::cluster", shared_window},
                           {"local", local_window},
                           {"param", param_window},
                           {"param::entry", param_window}};
  for (const Named& n : all)
    if (d.modifiers().take(n.name)) return n.window;
  return std::nullopt;
}

void decode_cvta(Decoder& d) {
  const Type t = d.type();
  d.expect_operands(2);
  const bool to = d.modifiers().take("to");
  const auto window = window_named(d);
  if (!window) d.fail(d.instruction().at, "Instruction 'cvta' needs a state space");
  if (t != Type::u64) d.mismatch();
  d.emit(handlers().cvta(), {d.result(d.operand(0), t)}, {d.source(d.operand(1), t)}).imm =
      static_cast<std::int64_t>(to ? 0 - *window : *window);
}

void decode_isspacep(Decoder& d) {
  d.expect_operands(2);
  const bool of_cluster = d.modifiers().has("shared::cluster");
  const auto window = window_named(d);
  if (!window) d.fail(d.instruction().at, "Instruction 'isspacep' needs a state space");
  const Slot a = d.source(d.operand(1), Type::b64);
  Instruction& i = d.emit(handlers().is_space(), {d.result(d.operand(0), Type::pred)}, {a, a});
  i.imm = static_cast<std::int64_t>(*window);
  if (*window == shared_window && !of_cluster) i.aux = std::uint32_t{1} << cluster_rank_shift;
}

/// mapa{.shared::cluster} d, a, rank; getctarank{.shared::cluster} d, a
void decode_cluster_address(Decoder& d, ClusterMove kind) {
  const Type t = d.type();
  if (t != Type::u32 && t != Type::u64) d.mismatch();
  const bool generic = !d.modifiers().take("shared::cluster");
  if (generic && t != Type::u64) d.unsupported("generic addresses of 32 bits");
  const bool maps = kind == ClusterMove::map;
  d.expect_operands(maps ? 3 : 2);
  const Slot to = d.result(d.operand(0), maps ? t : Type::u32);
  const Slot from = d.source(d.operand(1), t);
  const Slot rank = maps ? d.source(d.operand(2), Type::u32) : zero_slot;
  d.emit(handlers().cluster_move(kind, isa::bits(t)), {to}, {from, rank});
}

}  // namespace

bool decode_data(Decoder& d, std::string_view op) {
  if (op == "mov") return decode_mov(d), true;
  if (op == "cvt") return decode_cvt(d), true;
  if (op == "cvta") return decode_cvta(d), true;
  if (op == "mapa") return decode_cluster_address(d, ClusterMove::map), true;
  if (op == "getctarank") return decode_cluster_address(d, ClusterMove::rank), true;
  if (op == "isspacep") return decode_isspacep(d), true;
  return false;
}

}  // namespace ptxmill::emu
