// What four warps do together (PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions", and
// "setmaxnreg").
#include <charconv>

#include "emulator/decode/matrix_operands.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;
using isa::Type;

constexpr int warpgroup_target = 90;

Instruction& emit_warpgroup(Decoder& d, WarpgroupAction action,
                            std::initializer_list<Slot> sources) {
  d.kernel().has_warpgroups = true;
  Instruction& i = d.emit(nullptr, {}, sources, Kind::warpgroup);
  i.aux = static_cast<std::uint32_t>(action);
  i.definedness = Definedness::own;
  return i;
}

std::int64_t whole_number(Decoder& d, const Operand& o) {
  if (o.kind != Operand::Kind::integer) d.mismatch();
  return static_cast<std::int64_t>(o.bits);
}

/// The n and k of a shape "m64n<n>k<k>".
struct Extents {
  int n = 0, k = 0;
};
Extents take_extents(Decoder& d) {
  for (const std::string_view word : d.instruction().modifiers) {
    if (!word.starts_with("m64n")) continue;
    Extents e;
    const char* end = word.data() + word.size();
    const auto n = std::from_chars(word.data() + 4, end, e.n);
    if (n.ptr == end || *n.ptr != 'k') break;
    const auto k = std::from_chars(n.ptr + 1, end, e.k);
    if (k.ptr != end || e.n < 8 || e.n > most_product_columns || e.n % 8 != 0) break;
    d.modifiers().take(word);
    return e;
  }
  d.fail(d.instruction().at, "Shape modifier required for instruction 'wgmma.mma_async'");
}

void take_elements(Decoder& d, ProductForm& p) {
  for (const std::string_view small : {"e4m3", "e5m2"})
    if (d.modifiers().has(small)) d.unsupported(text("type '.", small, "'"));
  p.d = take_element(d);
  p.a = take_element(d);
  p.b = take_element(d);
}

/// Whether the manual has a product of this kind.
bool is_legal(const ProductForm& p, const Extents& e) {
  using E = MatrixElement;
  if (p.a == E::s8 || p.a == E::u8) {
    // From 32 columns on, integers come in steps of 16.
    return (p.b == E::s8 || p.b == E::u8) && p.d == E::s32 && e.k == 32 &&
           (p.n <= 32 ? p.n != 0 : p.n % 16 == 0);
  }
  if (p.a != p.b) return false;
  if (p.a == E::tf32) return p.d == E::f32 && e.k == 8;
  if (p.a == E::f16) return (p.d == E::f32 || p.d == E::f16) && e.k == 16;
  return p.a == E::bf16 && p.d == E::f32 && e.k == 16;
}

/// 1 or -1, as true for the latter.
bool take_sign(Decoder& d, const Operand& o) {
  const std::int64_t v = whole_number(d, o);
  if (v != 1 && v != -1) d.fail(o.at, text("Value ", v, " out of range, expected to be 1 or -1"));
  return v == -1;
}

bool take_flag(Decoder& d, const Operand& o) {
  const std::int64_t v = whole_number(d, o);
  if (v != 0 && v != 1) d.fail(o.at, text("Value ", v, " out of range, expected to be 0 or 1"));
  return v == 1;
}

/// What follows the factors: scale-d, then for floats their signs, then for 16-bit ones their
/// order.
Slot take_scales(Decoder& d, ProductForm& p) {
  const bool halves = p.a == MatrixElement::f16 || p.a == MatrixElement::bf16;
  const std::size_t orders = halves ? (p.a_in_registers ? 1 : 2) : 0;
  const std::size_t signs = is_integer(p.a) ? 0 : 2;
  d.expect_operands(4 + signs + orders);
  if (signs != 0) p.negate = take_sign(d, d.operand(4)) != take_sign(d, d.operand(5));
  if (orders == 2) p.a_along_k = !take_flag(d, d.operand(6));
  if (orders != 0) p.b_along_k = !take_flag(d, d.operand(5 + orders));
  return d.predicate(d.operand(3));
}

void decode_multiply(Decoder& d) {
  take_sync_aligned(d);
  const Extents e = take_extents(d);
  ProductForm p;
  p.n = e.n;
  take_elements(d, p);
  if (is_integer(p.a)) p.saturate = d.modifiers().take("satfinite");
  if (!is_legal(p, e)) d.mismatch();
  d.expect_operands(4, 8);
  p.a_in_registers = d.operand(1).kind == Operand::Kind::vector;
  const Slot scale = take_scales(d, p);
  std::vector<Slot>& operands = d.kernel().operands;
  p.operands = static_cast<std::uint32_t>(operands.size());
  append_fragment(d, d.operand(0), p.d, product_rows * p.n / warpgroup_warps, true);
  p.d_count = static_cast<std::uint32_t>(operands.size()) - p.operands;
  Slot a = zero_slot;
  if (p.a_in_registers) {
    append_fragment(d, d.operand(1), p.a, product_rows * e.k / warpgroup_warps, false);
  } else {
    a = d.source(d.operand(1), Type::b64);
  }
  for (const Operand* vector : {&d.operand(0), &d.operand(1)}) {
    for (const Operand* r : registers_of(*vector)) {
      const Symbol* s = vector->kind == Operand::Kind::vector ? d.register_of(*r) : nullptr;
      if (s != nullptr) d.kernel().fragments.emplace(s->slot, r->name);
    }
  }
  const Slot b = d.source(d.operand(2), Type::b64);
  Instruction& i = emit_warpgroup(d, WarpgroupAction::multiply, {a, b, scale});
  i.imm = static_cast<std::int64_t>(d.kernel().products.size());
  i.aux |= AccessBits::reads;
  d.note_operands(p.operands, p.d_count, operands.size() - p.operands);
  d.note_matrix_move();
  d.kernel().products.push_back(p);
}

void decode_wgmma(Decoder& d) {
  d.require_target(warpgroup_target);
  Modifiers& m = d.modifiers();
  if (m.take("mma_async")) return decode_multiply(d);
  if (m.take("fence") || m.take("commit_group")) {
    const bool fence = d.instruction().modifiers.front() == "fence";
    take_sync_aligned(d);
    d.expect_operands(0);
    emit_warpgroup(d, fence ? WarpgroupAction::fence : WarpgroupAction::commit, {});
    return;
  }
  if (!m.take("wait_group")) d.mismatch();
  take_sync_aligned(d);
  d.expect_operands(1);
  const std::int64_t left = whole_number(d, d.operand(0));
  if (left < 0) d.fail(d.operand(0).at, text("Value ", left, " out of range"));
  emit_warpgroup(d, WarpgroupAction::wait, {}).imm = left;
}

void decode_setmaxnreg(Decoder& d) {
  d.require_target(warpgroup_target);
  const std::string_view action = d.modifiers().take_one({"inc", "dec"});
  if (action.empty()) d.mismatch();
  take_sync_aligned(d);
  if (d.type() != Type::u32) d.mismatch();
  d.expect_operands(1);
  const std::int64_t count = whole_number(d, d.operand(0));
  if (count < 24 || count > 256 || count % 8 != 0) {
    d.fail(d.operand(0).at,
           text("Register count ", count, ", expected to be a multiple of 8 in range [24..256]"));
  }
  emit_warpgroup(
      d, action == "inc" ? WarpgroupAction::more_registers : WarpgroupAction::fewer_registers, {})
      .imm = count;
}

}  // namespace

bool decode_warpgroup(Decoder& d, std::string_view op) {
  if (op == "wgmma") return decode_wgmma(d), true;
  if (op == "setmaxnreg") return decode_setmaxnreg(d), true;
  return false;
}

}  // namespace ptxmill::emu
