// Control flow, barriers, fences, and what the lanes of a warp do together.
#include <bit>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/order.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;
using isa::Type;

void decode_bra(Decoder& d) {
  d.expect_operands(1);
  d.modifiers().take("uni");
  d.emit_branch(d.label(d.operand(0)));
}

void decode_brx(Decoder& d) {
  d.expect_operands(2);
  if (!d.modifiers().take("idx")) d.mismatch();
  d.modifiers().take("uni");
  d.emit_table_branch(d.branch_targets(d.operand(1)), d.source(d.operand(0), Type::u32));
}

void decode_nothing(Decoder& d, Kind kind) {
  d.expect_operands(0);
  d.modifiers().take("uni");
  d.emit(nullptr, {}, {}, kind);
}

void decode_ret(Decoder& d) {
  d.expect_operands(0);
  d.modifiers().take("uni");
  d.emit_return();
}

/// call (results), name, (arguments), prototype; either list may be absent, and a prototype stands
/// where a register names the function.
void decode_call(Decoder& d) {
  d.expect_operands(1, 4);
  d.modifiers().take("uni");
  std::size_t k = 0;
  Decoder::Call call;
  if (d.operand(0).kind == Operand::Kind::list) call.results = d.operand(k++).parts;
  if (k >= d.operand_count() || d.operand(k).kind != Operand::Kind::name) d.mismatch();
  call.target = &d.operand(k++);
  if (k < d.operand_count() && d.operand(k).kind == Operand::Kind::list)
    call.arguments = d.operand(k++).parts;
  if (k < d.operand_count()) call.prototype = &d.operand(k++);
  if (k != d.operand_count()) d.mismatch();
  d.emit_call(call);
}

/// alloca d, size{, alignment}
void decode_alloca(Decoder& d) {
  const Type t = d.type();
  if (t != Type::u64 && t != Type::u32) d.mismatch();
  d.expect_operands(2, 3);
  std::uint64_t align = 8;
  if (d.operand_count() == 3) {
    const Operand& o = d.operand(2);
    if (o.kind != Operand::Kind::integer || !std::has_single_bit(o.bits) || o.bits > 4096)
      d.fail(o.at, "Alignment must be a power of two up to 4096");
    align = o.bits;
  }
  Instruction& i = d.emit(nullptr, {d.result(d.operand(0), t), d.top()},
                          {d.source(d.operand(1), t)}, Kind::allocate);
  i.imm = static_cast<std::int64_t>(align);
  i.aux = t == Type::u64 ? 1 : 0;
}

/// stacksave d; stackrestore a
void decode_stack(Decoder& d, bool restores) {
  const Type t = d.type();
  if (t != Type::u64 && t != Type::u32) d.mismatch();
  d.expect_operands(1);
  const Type wide = Type::u64;
  const Handler convert =
      handlers().convert({restores ? wide : t, restores ? t : wide, FloatMode(Rounding::none)});
  Instruction& i = restores ? d.emit(convert, {d.top()}, {d.source(d.operand(0), t)})
                            : d.emit(convert, {d.result(d.operand(0), t)}, {d.top()});
  i.imm = -1;
}

/// The barrier number and the thread count of a bar instruction, operands `first` and up.
void emit_barrier(Decoder& d, BarrierAction action, bool aligned, std::size_t first, Slot result,
                  Slot predicate) {
  const bool counted = d.operand_count() > first + 1;
  const Slot id = d.source(d.operand(first), Type::u32);
  const Slot count = counted ? d.source(d.operand(first + 1), Type::u32) : zero_slot;
  const Operand& named = d.operand(first);
  if (named.kind == Operand::Kind::integer && named.bits > 15) {
    d.fail(named.at, text("Barrier number ", named.bits, " is out of range (0 to 15)"));
  }
  const Operand* given = counted ? &d.operand(first + 1) : nullptr;
  if (given != nullptr && given->kind == Operand::Kind::integer &&
      (given->bits == 0 || given->bits % 32 != 0)) {
    d.fail(given->at, text("Thread count ", given->bits, " is not a multiple of the warp size"));
  }
  Instruction& i = d.emit(nullptr, {result}, {id, count, predicate}, Kind::barrier);
  i.aux = static_cast<std::uint32_t>(action);
  i.imm = aligned ? 1 : 0;
  i.definedness = Definedness::own;
}

void decode_reduction_barrier(Decoder& d, bool aligned) {
  const std::string_view op = d.modifiers().take_one({"popc", "and", "or"});
  if (op.empty()) d.mismatch();
  const Type t = d.type();
  const bool counts = op == "popc";
  if (t != (counts ? Type::u32 : Type::pred)) d.mismatch();
  d.expect_operands(3, 4);
  const Slot result = d.result(d.operand(0), t);
  const Slot p = d.predicate(d.operand(d.operand_count() - 1));
  const Slot id = d.source(d.operand(1), Type::u32);
  const Slot count = d.operand_count() == 4 ? d.source(d.operand(2), Type::u32) : zero_slot;
  Instruction& i = d.emit(nullptr, {result}, {id, count, p}, Kind::barrier);
  i.aux = static_cast<std::uint32_t>(counts        ? BarrierAction::reduce_popc
                                     : op == "and" ? BarrierAction::reduce_and
                                                   : BarrierAction::reduce_or);
  i.imm = aligned ? 1 : 0;
  i.definedness = Definedness::own;
}

/// barrier.cluster.arrive|wait
void decode_cluster_barrier(Decoder& d) {
  Modifiers& m = d.modifiers();
  d.expect_operands(0);
  const std::string_view action = m.take_one({"arrive", "wait"});
  if (action.empty()) d.mismatch();
  const std::string_view order =
      action == "wait" ? m.take_one({"acquire"}) : m.take_one({"release", "relaxed"});
  d.kernel().has_cluster_barrier = true;
  Instruction& i = d.emit(nullptr, {}, {}, Kind::cluster_barrier);
  i.aux = static_cast<std::uint32_t>(action == "wait"     ? ClusterAction::wait
                                     : order == "relaxed" ? ClusterAction::arrive_relaxed
                                                          : ClusterAction::arrive);
  i.imm = m.take("aligned") ? 1 : 0;
  i.definedness = Definedness::own;
}

/// bar{.cta}.sync|arrive|red, bar.warp.sync, and barrier{.cta}..., which need not be aligned.
void decode_bar(Decoder& d, bool is_barrier) {
  Modifiers& m = d.modifiers();
  if (m.take("warp")) {
    if (!m.take("sync")) d.mismatch();
    d.expect_operands(1);
    d.emit(handlers().warp(WarpOp::no_operation, Type::b32), {},
           {zero_slot, zero_slot, zero_slot, zero_slot, d.source(d.operand(0), Type::b32)},
           Kind::warp_barrier);
    return;
  }
  if (is_barrier && m.take("cluster")) return decode_cluster_barrier(d);
  m.take("cta");
  const bool aligned = m.take("aligned") || !is_barrier;
  if (m.take("red")) return decode_reduction_barrier(d, aligned);
  const std::string_view action = m.take_one({"sync", "arrive"});
  if (action.empty()) d.mismatch();
  d.expect_operands(action == "arrive" ? 2 : 1, 2);
  emit_barrier(d, action == "arrive" ? BarrierAction::arrive : BarrierAction::sync, aligned, 0,
               sink_slot, zero_slot);
}

/// griddepcontrol: a launch begins when those before it have ended; a wait is for the watch.
void decode_griddepcontrol(Decoder& d) {
  d.expect_operands(0);
  const std::string_view what = d.modifiers().take_one({"launch_dependents", "wait"});
  if (what.empty()) d.mismatch();
  if (what == "wait") d.emit(wait_for_launches, {}, {});
}

/// Memory is consistent here at every step: a fence is for those who watch.
void decode_fence(Decoder& d) {
  if (decode_proxy_fence(d)) return;
  d.expect_operands(0);
  Modifiers& m = d.modifiers();
  std::string_view scope;
  if (d.instruction().opcode == "membar") {
    scope = m.take_one({"cta", "gl", "sys"});
  } else {
    m.take_one({"acq_rel", "sc", "acquire", "release"});
    scope = m.take_one({"cta", "gpu", "sys", "cluster"});
  }
  if (scope.empty()) d.mismatch();
  d.emit(run_fence, {}, {}).imm =
      static_cast<std::int64_t>(scope == "cta" ? Scope::cta : Scope::gpu);
}

void decode_shfl(Decoder& d) {
  struct Named {
    std::string_view name;
    ShuffleMode mode;
  };
  constexpr Named all[] = {{"up", ShuffleMode::up},
                           {"down", ShuffleMode::down},
                           {"bfly", ShuffleMode::bfly},
                           {"idx", ShuffleMode::idx}};
  const Type t = d.type();
  if (!d.modifiers().take("sync")) d.unsupported("form without .sync");
  if (t != Type::b32) d.mismatch();
  d.expect_operands(5);
  for (const Named& n : all) {
    if (!d.modifiers().take(n.name)) continue;
    const Operand& to = d.operand(0);
    const bool pair = to.kind == Operand::Kind::pair;
    const Slot value = d.result(pair ? to.parts[0] : to, t);
    const Slot p = pair ? d.result(to.parts[1], Type::pred) : sink_slot;
    d.emit(handlers().shuffle(n.mode), {value, p},
           {d.source(d.operand(1), t), d.source(d.operand(2), Type::u32),
            d.source(d.operand(3), Type::u32), zero_slot, d.source(d.operand(4), Type::u32)},
           Kind::warp_sync)
        .definedness = Definedness::own;
    return;
  }
  d.fail(d.instruction().at, "Instruction 'shfl' needs a mode");
}

void emit_warp(Decoder& d, WarpOp op, Type t, Slot to, Slot second, Slot from,
               const Operand& mask) {
  d.emit(handlers().warp(op, t), {to, second},
         {from, zero_slot, zero_slot, zero_slot, d.source(mask, Type::b32)}, Kind::warp_sync)
      .definedness = Definedness::own;
}

void decode_vote(Decoder& d) {
  const Type t = d.type();
  Modifiers& m = d.modifiers();
  if (!m.take("sync")) d.unsupported("form without .sync");
  d.expect_operands(3);
  const std::string_view op = m.take_one({"all", "any", "uni", "ballot"});
  if (op.empty() || t != (op == "ballot" ? Type::b32 : Type::pred)) d.mismatch();
  const WarpOp vote = op == "all"   ? WarpOp::vote_all
                      : op == "any" ? WarpOp::vote_any
                      : op == "uni" ? WarpOp::vote_uni
                                    : WarpOp::vote_ballot;
  emit_warp(d, vote, t, d.result(d.operand(0), t), sink_slot, d.predicate(d.operand(1)),
            d.operand(2));
}

void decode_match(Decoder& d) {
  const Type t = d.type();
  Modifiers& m = d.modifiers();
  if (!m.take("sync") || (t != Type::b32 && t != Type::b64)) d.mismatch();
  d.expect_operands(3);
  const std::string_view op = m.take_one({"all", "any"});
  if (op.empty()) d.mismatch();
  const Operand& to = d.operand(0);
  const bool pair = to.kind == Operand::Kind::pair;
  if (pair && op == "any") d.mismatch();
  const Slot mask = d.result(pair ? to.parts[0] : to, Type::b32);
  const Slot p = pair ? d.result(to.parts[1], Type::pred) : sink_slot;
  emit_warp(d, op == "all" ? WarpOp::match_all : WarpOp::match_any, t, mask, p,
            d.source(d.operand(1), t), d.operand(2));
}

void decode_redux(Decoder& d) {
  struct Named {
    std::string_view name;
    WarpOp op;
  };
  constexpr Named all[] = {{"add", WarpOp::redux_add}, {"min", WarpOp::redux_min},
                           {"max", WarpOp::redux_max}, {"and", WarpOp::redux_and},
                           {"or", WarpOp::redux_or},   {"xor", WarpOp::redux_xor}};
  const Type t = d.type();
  if (!d.modifiers().take("sync")) d.mismatch();
  d.expect_operands(3);
  for (const Named& n : all) {
    if (!d.modifiers().take(n.name)) continue;
    emit_warp(d, n.op, t, d.result(d.operand(0), t), sink_slot, d.source(d.operand(1), t),
              d.operand(2));
    return;
  }
  d.fail(d.instruction().at, "Instruction 'redux' needs an operation");
}

void decode_elect(Decoder& d) {
  if (!d.modifiers().take("sync")) d.mismatch();
  d.expect_operands(2);
  const Operand& to = d.operand(0);
  if (to.kind != Operand::Kind::pair) d.mismatch();
  const Slot p = d.result(to.parts[1], Type::pred);
  emit_warp(d, WarpOp::elect, Type::b32, d.result(to.parts[0], Type::b32), p, zero_slot,
            d.operand(1));
}

void decode_activemask(Decoder& d) {
  const Type t = d.type();
  if (t != Type::b32) d.mismatch();
  d.expect_operands(1);
  d.emit(handlers().move(Move::active_mask, 32, 1), {d.result(d.operand(0), t)}, {});
}

void decode_nanosleep(Decoder& d) {
  const Type t = d.type();
  if (t != Type::u32) d.mismatch();
  d.expect_operands(1);
  d.emit(nullptr, {}, {d.source(d.operand(0), t)}, Kind::sleep);
}

bool decode_warp_level(Decoder& d, std::string_view op) {
  if (op == "shfl") return decode_shfl(d), true;
  if (op == "vote") return decode_vote(d), true;
  if (op == "match") return decode_match(d), true;
  if (op == "redux") return decode_redux(d), true;
  if (op == "elect") return decode_elect(d), true;
  if (op == "activemask") return decode_activemask(d), true;
  return false;
}

}  // namespace

bool decode_control(Decoder& d, std::string_view op) {
  if (op == "bra") return decode_bra(d), true;
  if (op == "brx") return decode_brx(d), true;
  if (op == "ret") return decode_ret(d), true;
  if (op == "exit") return decode_nothing(d, Kind::exit), true;
  if (op == "trap") return decode_nothing(d, Kind::trap), true;
  if (op == "call") return decode_call(d), true;
  if (op == "alloca") return decode_alloca(d), true;
  if (op == "stacksave") return decode_stack(d, false), true;
  if (op == "stackrestore") return decode_stack(d, true), true;
  if (op == "bar") return decode_bar(d, false), true;
  if (op == "barrier") return decode_bar(d, true), true;
  if (op == "membar" || op == "fence") return decode_fence(d), true;
  if (op == "griddepcontrol") return decode_griddepcontrol(d), true;
  if (op == "nanosleep") return decode_nanosleep(d), true;
  return decode_warp_level(d, op);
}

}  // namespace ptxmill::emu
