// Barriers in shared memory (PTX ISA, "mbarrier").
#include "emulator/async/block.hpp"
#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using isa::Type;

/// What the state space of an mbarrier instruction says. Only arrivals and counts of bytes may go
/// to another block of the cluster.
struct MbarrierSpace {
  AddressSpace space = AddressSpace::generic;
  bool cluster = false;
};
MbarrierSpace take_space(Decoder& d) {
  const std::string_view name =
      d.modifiers().take_one({"shared", "shared::cta", "shared::cluster"});
  return {name.empty() ? AddressSpace::generic : AddressSpace::shared, name == "shared::cluster"};
}

/// Order and scope, as bits: what is not said is release or acquire, of the block.
std::uint32_t take_order(Decoder& d, std::string_view strong) {
  Modifiers& m = d.modifiers();
  const bool relaxed = m.take("relaxed");
  const bool ordered = m.take(strong);
  const std::string_view scope = m.take_one({"cta", "cluster"});
  if ((relaxed && ordered) || ((relaxed || ordered) && scope.empty())) d.mismatch();
  return (relaxed ? MbarrierBits::relaxed : 0u) | (scope == "cluster" ? MbarrierBits::cluster : 0u);
}

struct Form {
  MbarrierOp op = MbarrierOp::init;
  std::uint32_t bits = 0;
  std::uint32_t access = AccessBits::reads | AccessBits::writes;
  bool weak = false;
  Kind kind = Kind::memory;
};

Instruction& emit_on(Decoder& d, const ast::Operand& object, MbarrierSpace space, const Form& form,
                     Slot result, Slot count, Slot state) {
  const Decoder::Address a = d.address(object, space.space);
  Instruction& i = d.emit(run_mbarrier, {result}, {a.base, count, state}, form.kind);
  i.imm = a.offset;
  i.aux = d.access_bits(a) | form.bits | form.access | 3u << AccessBits::element_shift |
          static_cast<std::uint32_t>(form.op) << MbarrierBits::op_shift;
  // Barriers of the cluster are reached by all of its blocks.
  if (!form.weak) i.aux |= static_cast<std::uint32_t>(Scope::gpu) << AccessBits::scope_shift;
  i.definedness = Definedness::own;
  return i;
}

void check_type(Decoder& d) {
  if (d.type() != Type::b64) d.mismatch();
}

void decode_life(Decoder& d, bool init) {
  check_type(d);
  const MbarrierSpace space = take_space(d);
  d.expect_operands(init ? 2 : 1);
  const Slot count = init ? d.source(d.operand(1), Type::u32) : zero_slot;
  emit_on(d, d.operand(0), space,
          {init ? MbarrierOp::init : MbarrierOp::inval, 0, AccessBits::writes, true}, sink_slot,
          count, zero_slot);
}

/// mbarrier.arrive and arrive_drop: [state,] [object] [, count or bytes].
void decode_arrive(Decoder& d, bool drops) {
  check_type(d);
  Modifiers& m = d.modifiers();
  Form form{MbarrierOp::arrive};
  if (drops) form.bits |= MbarrierBits::drops;
  if (m.take("expect_tx")) form.bits |= MbarrierBits::expects;
  if (m.take("noComplete")) form.bits |= MbarrierBits::no_complete;
  form.bits |= take_order(d, "release");
  const MbarrierSpace space = take_space(d);
  const bool expects = (form.bits & MbarrierBits::expects) != 0;
  const bool counted = expects || (form.bits & MbarrierBits::no_complete) != 0;
  d.expect_operands(counted ? 3 : 2, 3);
  const Slot state = d.result(d.operand(0), Type::b64);
  if (space.cluster && state != sink_slot) d.mismatch();
  const Slot count = d.operand_count() == 3 ? d.source(d.operand(2), Type::u32) : d.constant(32, 1);
  emit_on(d, d.operand(1), space, form, state, count, zero_slot);
}

void decode_bytes(Decoder& d, MbarrierOp op) {
  check_type(d);
  Form form{op};
  d.modifiers().take("relaxed");
  form.bits = MbarrierBits::relaxed;
  if (d.modifiers().take_one({"cta", "cluster"}) == "cluster") form.bits |= MbarrierBits::cluster;
  const MbarrierSpace space = take_space(d);
  d.expect_operands(2);
  const Slot bytes = d.source(d.operand(1), Type::u32);
  emit_on(d, d.operand(0), space, form, sink_slot, bytes, zero_slot);
}

/// mbarrier.test_wait and try_wait: done, [object], state or parity [, time].
void decode_wait(Decoder& d, bool suspends) {
  check_type(d);
  Modifiers& m = d.modifiers();
  Form form{MbarrierOp::test};
  form.access = AccessBits::reads;
  if (suspends) {
    form.bits |= MbarrierBits::suspends;
    form.kind = Kind::mbarrier_wait;
  }
  const bool parity = m.take("parity");
  if (parity) form.bits |= MbarrierBits::parity;
  form.bits |= take_order(d, "acquire");
  const MbarrierSpace space = take_space(d);
  if (space.cluster) d.mismatch();
  d.expect_operands(3, suspends ? 4 : 3);
  const Slot done = d.result(d.operand(0), Type::pred);
  const Slot state = d.source(d.operand(2), parity ? Type::u32 : Type::b64);
  if (d.operand_count() == 4) d.source(d.operand(3), Type::u32);
  emit_on(d, d.operand(1), space, form, done, zero_slot, state);
}

void decode_pending_count(Decoder& d) {
  check_type(d);
  d.expect_operands(2);
  Instruction& i = d.emit(run_mbarrier, {d.result(d.operand(0), Type::u32)},
                          {zero_slot, zero_slot, d.source(d.operand(1), Type::b64)}, Kind::memory);
  i.aux = static_cast<std::uint32_t>(MbarrierOp::pending_count) << MbarrierBits::op_shift;
  i.definedness = Definedness::own;
}

}  // namespace

/// cp.async.mbarrier.arrive{.noinc}
void decode_arrival_of_copies(Decoder& d) {
  check_type(d);
  Modifiers& m = d.modifiers();
  m.take("mbarrier");
  if (!m.take("arrive")) d.mismatch();
  Form form{MbarrierOp::arrive_copies};
  if (m.take("noinc")) form.bits |= MbarrierBits::no_increment;
  const MbarrierSpace space = take_space(d);
  if (space.cluster) d.mismatch();
  d.expect_operands(1);
  emit_on(d, d.operand(0), space, form, sink_slot, zero_slot, zero_slot);
}

bool decode_mbarrier(Decoder& d, std::string_view op) {
  if (op != "mbarrier") return false;
  Modifiers& m = d.modifiers();
  if (m.take("init")) return decode_life(d, true), true;
  if (m.take("inval")) return decode_life(d, false), true;
  if (m.take("arrive")) return decode_arrive(d, false), true;
  if (m.take("arrive_drop")) return decode_arrive(d, true), true;
  if (m.take("test_wait")) return decode_wait(d, false), true;
  if (m.take("try_wait")) return decode_wait(d, true), true;
  if (m.take("expect_tx")) return decode_bytes(d, MbarrierOp::expect_tx), true;
  if (m.take("complete_tx")) return decode_bytes(d, MbarrierOp::complete_tx), true;
  if (m.take("pending_count")) return decode_pending_count(d), true;
  d.mismatch();
}

}  // namespace ptxmill::emu
