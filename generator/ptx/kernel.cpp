#include "generator/ptx/kernel.hpp"

namespace ptxmill::ptx {
namespace {

Level level_of(const Recorder& recorder, const Operand& o) {
  return o.kind == Operand::Kind::reg ? recorder.reg(o.reg).uniform : Level::grid;
}

}  // namespace

void Kernel::phase(const std::string& name, const Body& body, Where where) {
  recorder.open_phase(name, where);
  body();
  recorder.close_phase();
}

void Kernel::if_(const std::string& name, const In<pred>& p, const Body& then) {
  const std::string end = recorder.claim_label(name + "_end", p.where);
  recorder.branch(end, p.operand.reg, true, p.where);
  recorder.open_scope(level_of(recorder, p.operand));
  then();
  recorder.close_scope();
  recorder.place_label(end);
}

void Kernel::if_(const std::string& name, const In<pred>& p, const Body& then,
                 const Body& otherwise) {
  const std::string other = recorder.claim_label(name + "_else", p.where);
  const std::string end = recorder.claim_label(name + "_end", p.where);
  const Level level = level_of(recorder, p.operand);
  recorder.branch(other, p.operand.reg, true, p.where);
  recorder.open_scope(level);
  then();
  recorder.close_scope();
  recorder.branch(end, no_reg, false, p.where);
  recorder.place_label(other);
  recorder.open_scope(level);
  otherwise();
  recorder.close_scope();
  recorder.place_label(end);
}

void Kernel::guard_not(const In<pred>& p, const Body& body) {
  recorder.open_guard(p.operand.reg, true, p.where);
  body();
  recorder.close_guard();
}

void Kernel::guard(const In<pred>& p, const Body& body) {
  recorder.open_guard(p.operand.reg, false, p.where);
  body();
  recorder.close_guard();
}

void Kernel::for_range(const std::string& name, const In<u32>& first, const In<u32>& last,
                       const In<u32>& step, const std::function<void(U32)>& body) {
  const Where where = first.where;
  recorder.settle_order({first.operand, last.operand, step.operand});
  const std::string loop = recorder.claim_label(name + "_loop", where);
  const std::string end = recorder.claim_label(name + "_end", where);
  const Level level = std::min({level_of(recorder, first.operand), level_of(recorder, last.operand),
                                level_of(recorder, step.operand), recorder.control_level()});
  const RegId counter = recorder.variable(u32::type, name, level, where);
  recorder.assign(counter, first.operand, false, where);
  const bool constant_bounds = first.is_literal() && last.is_literal();
  if (constant_bounds && first.operand.integer >= last.operand.integer)
    throw BuildError(where, "the loop '" + name + "' never runs");
  if (step.is_literal() && step.operand.integer == 0)
    throw BuildError(where, "the loop '" + name + "' never ends: its step is 0");
  const auto again = [&](Op op) {
    return record<u32, pred>(recorder, op, {Operand::of(counter), last.operand}, where).id();
  };
  if (!constant_bounds) recorder.branch(end, again(Op::setp_ge), false, where);
  recorder.place_label(loop);
  recorder.open_loop();
  recorder.narrow_scope(level, where);
  const auto divides = [&](const Operand& o) {
    return o.kind == Operand::Kind::reg ? recorder.reg(o.reg).divisor
                                        : static_cast<std::uint32_t>(o.integer & -o.integer);
  };
  const std::uint32_t from = divides(first.operand) == 0 ? 1u << 16 : divides(first.operand);
  recorder.set_divisor(counter, std::max(1u, std::min(from, divides(step.operand))));
  body(U32(recorder, counter));
  recorder.close_scope();
  recorder.emit(Op::add, u32::type, {Operand::of(counter), Operand::of(counter), step.operand},
                where);
  recorder.branch(loop, again(Op::setp_lt), false, where);
  recorder.place_label(end);
}

void Kernel::while_(const std::string& name, const std::function<Pred()>& condition,
                    const Body& body, Where where) {
  const std::string loop = recorder.claim_label(name + "_loop", where);
  const std::string end = recorder.claim_label(name + "_end", where);
  recorder.place_label(loop);
  recorder.open_loop();
  const Pred go = condition();
  recorder.branch(end, go.id(), true, where);
  recorder.narrow_scope(go.uniform(), where);
  body();
  recorder.close_scope();
  recorder.branch(loop, no_reg, false, where);
  recorder.place_label(end);
}

void Kernel::exit_if(const In<pred>& p) { recorder.early_exit(p.operand.reg, false, p.where); }

}  // namespace ptxmill::ptx
