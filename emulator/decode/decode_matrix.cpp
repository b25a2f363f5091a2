// Matrix products of a warp and the moves of their operands (PTX ISA, "Warp-level Matrix
// Instructions").
#include <algorithm>
#include <optional>

#include "emulator/decode/matrix_operands.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {

using ast::Operand;
using isa::Type;

namespace {

struct NamedElement {
  std::string_view name;
  MatrixElement element;
  int bits;
};
constexpr NamedElement elements[] = {
    {"f16", MatrixElement::f16, 16},   {"bf16", MatrixElement::bf16, 16},
    {"tf32", MatrixElement::tf32, 32}, {"f32", MatrixElement::f32, 32},
    {"f64", MatrixElement::f64, 64},   {"s8", MatrixElement::s8, 8},
    {"u8", MatrixElement::u8, 8},      {"s4", MatrixElement::s4, 4},
    {"u4", MatrixElement::u4, 4},      {"b1", MatrixElement::b1, 1},
    {"s32", MatrixElement::s32, 32}};

int bits_of(MatrixElement e) { return elements[static_cast<int>(e)].bits; }

}  // namespace

bool is_integer(MatrixElement e) { return e >= MatrixElement::s8 && e <= MatrixElement::b1; }

MatrixElement take_element(Decoder& d) {
  const std::string_view name = d.modifiers().take_one(
      {"f16", "bf16", "tf32", "f32", "f64", "s8", "u8", "s4", "u4", "b1", "s32"});
  for (const NamedElement& e : elements)
    if (e.name == name) return e.element;
  d.mismatch();
}

namespace {

struct MatrixShape {
  std::string_view name;
  int m, n, k;
};
constexpr MatrixShape shapes[] = {
    {"m16n8k4", 16, 8, 4},   {"m16n8k8", 16, 8, 8},     {"m16n8k16", 16, 8, 16},
    {"m16n8k32", 16, 8, 32}, {"m16n8k64", 16, 8, 64},   {"m16n8k128", 16, 8, 128},
    {"m8n8k4", 8, 8, 4},     {"m16n8k256", 16, 8, 256}, {"m8n8k16", 8, 8, 16},
    {"m8n8k32", 8, 8, 32},   {"m8n8k128", 8, 8, 128}};

const MatrixShape& take_shape(Decoder& d) {
  for (const MatrixShape& s : shapes)
    if (d.modifiers().take(s.name)) return s;
  d.unsupported("shape");
}

/// Whether the manual has a product of this kind.
bool is_legal(const MatrixMultiply& p) {
  using E = MatrixElement;
  const int k = p.k;
  if (is_integer(p.a)) {
    if (!is_integer(p.b) || bits_of(p.a) != bits_of(p.b) || p.c != E::s32 || p.d != E::s32)
      return false;
    const int least = 128 / bits_of(p.a);
    return k == least || (p.m == 16 && k == 2 * least);
  }
  if (p.a != p.b) return false;
  switch (p.a) {
    case E::f16:
      return p.m == 16 && (k == 8 || k == 16) && p.c == p.d && (p.c == E::f16 || p.c == E::f32);
    case E::bf16: return p.m == 16 && (k == 8 || k == 16) && p.c == E::f32 && p.d == E::f32;
    case E::tf32: return p.m == 16 && (k == 4 || k == 8) && p.c == E::f32 && p.d == E::f32;
    case E::f64:
      return p.c == E::f64 && p.d == E::f64 && (p.m == 8 ? k == 4 : k == 4 || k == 8 || k == 16);
    default: return false;
  }
}

}  // namespace

std::vector<const Operand*> registers_of(const Operand& o) {
  std::vector<const Operand*> out;
  if (o.kind == Operand::Kind::vector) {
    for (const Operand& p : o.parts) out.push_back(&p);
  } else {
    out.push_back(&o);
  }
  return out;
}

namespace {

/// What the registers of a fragment are declared as.
Type register_type(MatrixElement e) {
  switch (e) {
    case MatrixElement::f64: return Type::f64;
    case MatrixElement::f32: return Type::f32;
    case MatrixElement::s32: return Type::s32;
    default: return Type::b32;
  }
}

}  // namespace

void append_fragment(Decoder& d, const Operand& o, MatrixElement e, int count, bool result) {
  const auto registers = registers_of(o);
  const int expected = count * bits_of(e) / lane_count / std::max(32, bits_of(e));
  if (static_cast<int>(registers.size()) != expected) {
    d.fail(o.at, text("Fragment of instruction '", d.instruction().opcode, "' has ",
                      registers.size(), " registers, expected ", expected));
  }
  const Type t = register_type(e);
  for (const Operand* r : registers)
    d.kernel().operands.push_back(result ? d.result(*r, t) : d.source(*r, t));
}

void take_sync_aligned(Decoder& d) {
  if (!d.modifiers().take("sync") || !d.modifiers().take("aligned")) d.mismatch();
}

namespace {

/// Emits an instruction that all lanes of the warp execute together.
Instruction& emit_warp_wide(Decoder& d, Handler handler, std::initializer_list<Slot> results,
                            const Slot (&sources)[4]) {
  Instruction& i = d.emit(
      handler, results, {sources[0], sources[1], sources[2], sources[3], d.constant(32, all_lanes)},
      Kind::warp_sync);
  i.definedness = Definedness::own;
  return i;
}

void decode_mma(Decoder& d) {
  Modifiers& m = d.modifiers();
  take_sync_aligned(d);
  const MatrixShape& shape = take_shape(d);
  // The only order of rows and columns that these shapes have.
  if (!m.take("row") || !m.take("col")) d.mismatch();
  MatrixMultiply p;
  p.m = shape.m;
  p.n = shape.n;
  p.k = shape.k;
  p.d = take_element(d);
  p.a = take_element(d);
  p.b = take_element(d);
  p.c = take_element(d);
  if (p.a == MatrixElement::b1) {
    const std::string_view combine = m.take_one({"xor", "and"});
    if (combine.empty() || !m.take("popc")) d.mismatch();
    p.bit_and = combine == "and";
  } else if (is_integer(p.a)) {
    p.saturate = m.take("satfinite");
  }
  if (!is_legal(p)) d.unsupported("combination of shape and types");
  d.expect_operands(4);
  const std::size_t first = d.kernel().operands.size();
  append_fragment(d, d.operand(0), p.d, p.m * p.n, true);
  append_fragment(d, d.operand(1), p.a, p.m * p.k, false);
  append_fragment(d, d.operand(2), p.b, p.k * p.n, false);
  append_fragment(d, d.operand(3), p.c, p.m * p.n, false);
  Instruction& i = emit_warp_wide(d, handlers().multiply(p), {}, {});
  i.imm = static_cast<std::int64_t>(first);
  i.aux = matrix_bits(p);
  d.note_operands(first, registers_of(d.operand(0)).size(), d.kernel().operands.size() - first);
}

/// ldmatrix and stmatrix.
void decode_matrix_move(Decoder& d, bool load) {
  Modifiers& m = d.modifiers();
  take_sync_aligned(d);
  if (!m.take("m8n8")) d.unsupported("shape");
  const std::string_view times = m.take_one({"x1", "x2", "x4"});
  if (times.empty()) d.mismatch();
  const int count = times[1] - '0';
  const bool transposed = m.take("trans");
  const bool shared = !m.take_one({"shared", "shared::cta"}).empty();
  if (d.type() != Type::b16) d.mismatch();
  d.expect_operands(2);
  const Decoder::Address a =
      d.address(d.operand(load ? 1 : 0), shared ? AddressSpace::shared : AddressSpace::generic);
  const auto registers = registers_of(d.operand(load ? 0 : 1));
  if (static_cast<int>(registers.size()) != count) d.mismatch();
  Slot held[4] = {zero_slot, zero_slot, zero_slot, zero_slot};
  if (load) std::fill(std::begin(held), std::end(held), sink_slot);
  for (std::size_t k = 0; k < registers.size(); ++k)
    held[k] = load ? d.result(*registers[k], Type::b32) : d.source(*registers[k], Type::b32);
  const Handler handler =
      handlers().matrix_move(load ? MatrixMove::load : MatrixMove::store, count, transposed);
  Instruction& i =
      emit_warp_wide(d, handler, {held[0], held[1], held[2], held[3]}, {a.base, 0, 0, 0});
  i.imm = a.offset;
  i.aux = d.access_bits(a) | (load ? AccessBits::reads : AccessBits::writes);
  d.note_matrix_move();
}

void decode_movmatrix(Decoder& d) {
  take_sync_aligned(d);
  if (!d.modifiers().take("m8n8") || !d.modifiers().take("trans") || d.type() != Type::b16)
    d.mismatch();
  d.expect_operands(2);
  const Slot from = d.source(d.operand(1), Type::b32);
  emit_warp_wide(d, handlers().matrix_move(MatrixMove::transpose, 1, true),
                 {d.result(d.operand(0), Type::b32)}, {from, 0, 0, 0});
}

}  // namespace

bool decode_matrix(Decoder& d, std::string_view op) {
  if (op == "mma") return decode_mma(d), true;
  if (op == "ldmatrix") return decode_matrix_move(d, true), true;
  if (op == "stmatrix") return decode_matrix_move(d, false), true;
  if (op == "movmatrix") return decode_movmatrix(d), true;
  return false;
}

}  // namespace ptxmill::emu
