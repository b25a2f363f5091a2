// Loads, stores, atomics and prefetches.
#include <bit>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/async.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;
using isa::Type;

AddressSpace space_of(Decoder& d) {
  struct Named {
    std::string_view name;
    AddressSpace space;
  };
  constexpr Named all[] = {
      {"global", AddressSpace::global},      {"shared", AddressSpace::shared},
      {"shared::cta", AddressSpace::shared}, {"shared::cluster", AddressSpace::cluster},
      {"local", AddressSpace::local},        {"param", AddressSpace::param},
      {"param::entry", AddressSpace::param}, {"param::func", AddressSpace::param},
      {"const", AddressSpace::constant}};
  for (const Named& n : all)
    if (d.modifiers().take(n.name)) return n.space;
  return AddressSpace::generic;
}

/// What an instruction's modifiers tell the memory system.
struct Hints {
  std::uint32_t bits = 0;  ///< of AccessBits: order and scope
  bool policy = false;     ///< a cache policy operand follows
};

/// Takes ordering, scope and cache hints. Without a word an instruction is weak, an atomic relaxed.
Hints take_hints(Decoder& d, bool atomic = false) {
  Modifiers& m = d.modifiers();
  const std::string_view order = m.take_one(
      {"weak", "volatile", "relaxed", "acquire", "release", "acq_rel", "mmio", "seq_cst"});
  const std::string_view scope = m.take_one({"cta", "cluster", "gpu", "sys"});
  m.take_one({"ca", "cg", "cs", "lu", "cv", "wb", "wt"});
  m.take_one({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last",
              "L1::no_allocate"});
  m.take_one({"L2::evict_first", "L2::evict_last", "L2::evict_normal"});
  m.take_one({"L2::64B", "L2::128B", "L2::256B"});
  Hints h;
  h.policy = m.take("L2::cache_hint");
  if (!atomic && (order.empty() || order == "weak")) return h;
  const Scope reach = scope == "cta" ? Scope::cta : Scope::gpu;
  h.bits = static_cast<std::uint32_t>(reach) << AccessBits::scope_shift;
  if (order == "acquire" || order == "acq_rel" || order == "seq_cst")
    h.bits |= AccessBits::acquires;
  if (order == "release" || order == "acq_rel" || order == "seq_cst")
    h.bits |= AccessBits::releases;
  return h;
}

std::uint32_t element_bits(Type t) {
  const auto log =
      static_cast<std::uint32_t>(std::countr_zero(static_cast<unsigned>(isa::bits(t))));
  return (log - 3) << AccessBits::element_shift;
}

int vector_count(Decoder& d) {
  const std::string_view v = d.modifiers().take_one({"v2", "v4", "v8"});
  return v.empty() ? 1 : v[1] - '0';
}

void check_element(Decoder& d, Type t) {
  if (t == Type::pred || t == Type::f16x2 || t == Type::bf16x2) d.mismatch();
}

/// The elements of the value operand.
std::vector<const Operand*> elements(Decoder& d, const Operand& o, int count) {
  std::vector<const Operand*> out;
  if (count == 1) {
    out.push_back(&o);
  } else {
    if (o.kind != Operand::Kind::vector) d.mismatch();
    for (const Operand& p : o.parts) out.push_back(&p);
  }
  if (static_cast<int>(out.size()) != count) d.mismatch();
  return out;
}

/// Bits of the register that holds an element: it may be wider than the element.
int held_bits(Decoder& d, const Operand& o, Type t) {
  const Symbol* r = d.register_of(o);
  if (r == nullptr) return isa::bits(t);
  const int held = isa::bits(r->type);
  if (r->type == Type::pred || r->width != 1 || held < isa::bits(t)) d.mismatch();
  if (held == isa::bits(t)) {
    if (!compatible(r->type, t)) d.mismatch();
  } else if (isa::is_float(t) || isa::is_float(r->type)) {
    d.mismatch();
  }
  return held;
}

void decode_ld(Decoder& d) {
  const Type t = d.type();
  check_element(d, t);
  const AddressSpace space = space_of(d);
  d.modifiers().take("nc");
  const Hints hints = take_hints(d);
  const int count = vector_count(d);
  d.expect_operands(hints.policy ? 3 : 2);
  if (hints.policy) d.source(d.operand(2), Type::b64);
  const Decoder::Address a = d.address(d.operand(1), space);
  Slot to[4] = {sink_slot, sink_slot, sink_slot, sink_slot};
  const auto values = elements(d, d.operand(0), count);
  if (count > 4) d.unsupported("vector width");
  std::uint32_t bits = d.access_bits(a) | hints.bits | element_bits(t) | AccessBits::reads;
  for (int k = 0; k < count; ++k) {
    const Operand& o = *values[static_cast<std::size_t>(k)];
    const int held = held_bits(d, o, t);
    const bool widen = held == 64 && isa::bits(t) < 64;
    if (held == 16 && isa::bits(t) == 8) bits |= AccessBits::into16;
    to[k] =
        widen ? d.temporary(Type::b32) : d.result(o, held == isa::bits(t) ? t : word_type(held));
  }
  Instruction& i =
      d.emit(handlers().load({t, count}), {to[0], to[1], to[2], to[3]}, {a.base}, Kind::memory);
  i.imm = a.offset;
  i.aux = bits;
  i.definedness = Definedness::own;
  for (int k = 0; k < count; ++k) {
    const Operand& o = *values[static_cast<std::size_t>(k)];
    if (held_bits(d, o, t) != 64 || isa::bits(t) == 64) continue;
    const bool sign = isa::is_signed(t);
    d.emit(handlers().convert({sign ? Type::s64 : Type::u64, sign ? Type::s32 : Type::u32,
                               FloatMode(Rounding::none)}),
           {d.result(o, Type::b64)}, {to[k]})
        .imm = -1;
  }
}

Slot stored_value(Decoder& d, const Operand& o, Type t) {
  const int held = held_bits(d, o, t);
  if (held != 64 || isa::bits(t) == 64)
    return d.source(o, held == isa::bits(t) ? t : word_type(held));
  const Slot low = d.temporary(Type::b32);
  d.emit(handlers().convert({Type::u32, Type::u64, FloatMode(Rounding::none)}), {low},
         {d.source(o, Type::b64)})
      .imm = -1;
  return low;
}

void decode_st(Decoder& d) {
  if (d.modifiers().take("async")) return decode_async_store(d);
  const Type t = d.type();
  check_element(d, t);
  const AddressSpace space = space_of(d);
  const Hints hints = take_hints(d);
  const int count = vector_count(d);
  d.expect_operands(hints.policy ? 3 : 2);
  if (hints.policy) d.source(d.operand(2), Type::b64);
  const Decoder::Address a = d.address(d.operand(0), space);
  if (a.space == AddressSpace::constant || a.space == AddressSpace::param) {
    d.fail(d.instruction().at, "Store to a read-only state space");
  }
  const auto values = elements(d, d.operand(1), count);
  if (count > 4) d.unsupported("vector width");
  Slot from[4] = {zero_slot, zero_slot, zero_slot, zero_slot};
  for (int k = 0; k < count; ++k)
    from[k] = stored_value(d, *values[static_cast<std::size_t>(k)], t);
  Instruction& i = d.emit(handlers().store({t, count}), {},
                          {a.base, from[0], from[1], from[2], from[3]}, Kind::memory);
  i.imm = a.offset;
  i.aux = d.access_bits(a) | hints.bits | element_bits(t) | AccessBits::writes;
  i.definedness = Definedness::own;
}

AtomicOp atomic_op(Decoder& d) {
  struct Named {
    std::string_view name;
    AtomicOp op;
  };
  constexpr Named all[] = {{"add", AtomicOp::add}, {"min", AtomicOp::min},
                           {"max", AtomicOp::max}, {"inc", AtomicOp::inc},
                           {"dec", AtomicOp::dec}, {"exch", AtomicOp::exch},
                           {"cas", AtomicOp::cas}, {"and", AtomicOp::and_},
                           {"or", AtomicOp::or_},  {"xor", AtomicOp::xor_}};
  for (const Named& n : all)
    if (d.modifiers().take(n.name)) return n.op;
  d.fail(d.instruction().at, text("Instruction '", d.instruction().opcode, "' needs an operation"));
}

void decode_atomic(Decoder& d, bool returns) {
  const Type t = d.type();
  const AddressSpace space = space_of(d);
  d.modifiers().take("noftz");
  const Hints hints = take_hints(d, true);
  const AtomicOp op = atomic_op(d);
  const bool swap = op == AtomicOp::cas;
  if (!returns && (swap || op == AtomicOp::exch)) d.mismatch();
  if (space != AddressSpace::global && space != AddressSpace::shared &&
      space != AddressSpace::generic && space != AddressSpace::cluster) {
    d.mismatch();
  }
  const std::size_t first = returns ? 1 : 0;
  d.expect_operands(first + (swap ? 3 : 2) + (hints.policy ? 1 : 0));
  const Type held = isa::is_float(t) && isa::bits(t) == 16 ? Type::b16 : t;
  const Decoder::Address a = d.address(d.operand(first), space);
  const Slot b = d.source(d.operand(first + 1), held);
  const Slot c = swap ? d.source(d.operand(first + 2), held) : zero_slot;
  const Slot to = returns ? d.result(d.operand(0), held) : sink_slot;
  Instruction& i = d.emit(handlers().atomic(op, {t}), {to}, {a.base, b, c}, Kind::memory);
  i.imm = a.offset;
  i.aux = d.access_bits(a) | hints.bits | element_bits(t) | AccessBits::reads | AccessBits::writes;
  if (swap && to != sink_slot) i.aux |= AccessBits::compares;
  i.definedness = Definedness::own;
}

/// A cache policy: a value like any other, which changes nothing here.
void decode_createpolicy(Decoder& d) {
  const Type t = d.type();
  if (t != Type::b64) d.mismatch();
  Modifiers& m = d.modifiers();
  const std::string_view kind = m.take_one({"fractional", "range", "cvt"});
  if (kind.empty()) d.mismatch();
  m.take_one(
      {"L2", "L2::evict_last", "L2::evict_normal", "L2::evict_first", "L2::evict_unchanged"});
  m.take_one({"L2::evict_first", "L2::evict_unchanged"});
  m.take("global");
  d.expect_operands(kind == "range" ? 4 : 1, kind == "range" ? 4 : 2);
  // Some pattern that is not that of an address.
  constexpr std::uint64_t policy = 0x1000'0000'0000'0000;
  d.emit(handlers().move(Move::copy, 64, 1), {d.result(d.operand(0), t)}, {d.constant(64, policy)});
}

/// Prefetches move no data that a thread sees: the address operand is checked, then dropped.
void decode_prefetch(Decoder& d) {
  if (decode_map_prefetch(d)) return;
  d.expect_operands(1, 3);
  Modifiers& m = d.modifiers();
  const AddressSpace space = space_of(d);
  m.take_one({"L1", "L2"});
  m.take_one({"L2::evict_last", "L2::evict_normal"});
  d.address(d.operand(0), space);
}

std::int64_t whole_number(Decoder& d, const Operand& o) {
  if (o.kind != Operand::Kind::integer) d.mismatch();
  return static_cast<std::int64_t>(o.bits);
}

/// How many bytes a copy reads: a number, or none where a predicate says to ignore the source.
Slot copy_size(Decoder& d, const Operand& o, Slot all) {
  const Symbol* r = d.register_of(o);
  if (r == nullptr || r->type != Type::pred) return d.source(o, Type::u32);
  const Slot read = d.temporary(Type::b32);
  d.emit(handlers().select(Type::b32), {read}, {zero_slot, all, d.predicate(o)});
  return read;
}

/// The two sides of a copy are instructions of their own, the source's first.
void decode_async_copy(Decoder& d) {
  Modifiers& m = d.modifiers();
  const bool through_l1 = m.take_one({"ca", "cg"}) == "ca";
  if (!m.take("shared") && !m.take("shared::cta")) d.mismatch();
  if (!m.take("global")) d.mismatch();
  const bool policy = m.take("L2::cache_hint");
  m.take_one({"L2::64B", "L2::128B", "L2::256B"});
  const std::size_t extra = policy ? 1 : 0;
  d.expect_operands(3 + extra, 4 + extra);
  if (policy) d.source(d.operand(d.operand_count() - 1), Type::b64);
  const std::int64_t bytes = whole_number(d, d.operand(2));
  if (bytes != 16 && !(through_l1 && (bytes == 4 || bytes == 8))) {
    d.fail(d.instruction().at, text("cp.async of ", bytes, " bytes"));
  }
  Slot read = d.constant(32, static_cast<std::uint64_t>(bytes));
  if (d.operand_count() == 4 + extra) read = copy_size(d, d.operand(3), read);
  const Decoder::Address from = d.address(d.operand(1), AddressSpace::global);
  Instruction& source = d.emit(handlers().copy_source(static_cast<int>(bytes)), {},
                               {from.base, zero_slot, read}, Kind::copy);
  source.imm = from.offset;
  source.aux = d.access_bits(from) | AccessBits::reads;
  source.definedness = Definedness::own;
  const Decoder::Address to = d.address(d.operand(0), AddressSpace::shared);
  const Slot ahead = d.constant(64, static_cast<std::uint64_t>(from.offset));
  Instruction& destination = d.emit(handlers().copy_destination(static_cast<int>(bytes)), {},
                                    {to.base, from.base, read, ahead}, Kind::copy);
  destination.imm = to.offset;
  destination.aux = d.access_bits(to) | AccessBits::reads;
  destination.definedness = Definedness::own;
}

void decode_async(Decoder& d) {
  Modifiers& m = d.modifiers();
  if (m.has("bulk")) return decode_bulk(d);
  if (!m.take("async")) d.mismatch();
  if (m.take("commit_group")) {
    d.expect_operands(0);
    d.emit(commit_copies, {}, {});
    return;
  }
  if (m.has("mbarrier")) return decode_arrival_of_copies(d);
  std::int64_t left = -1;
  if (m.take("wait_all")) {
    d.expect_operands(0);
  } else if (m.take("wait_group")) {
    d.expect_operands(1);
    left = whole_number(d, d.operand(0));
    if (left < 0) d.mismatch();
  } else {
    return decode_async_copy(d);
  }
  d.emit(wait_for_copies, {}, {}).imm = left;
}

}  // namespace

bool decode_memory(Decoder& d, std::string_view op) {
  if (op == "ld" || op == "ldu") return decode_ld(d), true;
  if (op == "st") return decode_st(d), true;
  if (op == "atom") return decode_atomic(d, true), true;
  if (op == "red") return decode_atomic(d, false), true;
  if (op == "cp") return decode_async(d), true;
  if (op == "createpolicy") return decode_createpolicy(d), true;
  if (op == "prefetch" || op == "prefetchu") return decode_prefetch(d), true;
  return false;
}

}  // namespace ptxmill::emu
