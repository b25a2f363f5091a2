#include "generator/ptx/kernel.hpp"

#include <algorithm>

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

TensorMap Kernel::tensor_map_param(const std::string& name, Where where) {
  constexpr int bytes = 128, align = 64;
  const std::string symbol = recorder.param({name, isa::Type::b8, bytes, align}, where);
  Operand at = Operand::symbolic(symbol);
  at.kind = Operand::Kind::address;
  const U64 in_param = record<u64>(recorder, Op::mov_address, {at}, where);
  return {symbol, let(name, cvta_param(in_param, where), where)};
}

namespace {

void check_roles(const Recorder& recorder, const std::vector<Role>& all, Where where) {
  constexpr int warpgroup_threads = 128, register_file = 1 << 16;
  int threads = 0;
  std::int64_t registers = 0;
  for (const Role& role : all) {
    threads += role.warpgroups * warpgroup_threads;
    registers += std::int64_t{role.warpgroups} * warpgroup_threads * role.registers;
    if (role.registers != 0 &&
        (role.registers < 24 || role.registers > 256 || role.registers % 8 != 0))
      throw BuildError(where, "the role '" + role.name + "' asks for " +
                                  std::to_string(role.registers) +
                                  " registers; expected a multiple of 8 from 24 to 256");
    if ((role.registers == 0) != (all.front().registers == 0))
      throw BuildError(where, "the role '" + role.name +
                                  "': either every role says how many registers it has, or none");
  }
  const auto& launch = recorder.launch();
  if (threads != launch.threads)
    throw BuildError(where, "the roles have " + std::to_string(threads) + " threads, and the CTA " +
                                std::to_string(launch.threads));
  if (registers == 0) return;
  if (launch.min_ctas_per_sm == 0)
    throw BuildError(where,
                     "registers are divided among roles only in a kernel that declares how "
                     "many CTAs a multiprocessor has");
  if (registers * launch.min_ctas_per_sm > register_file)
    throw BuildError(
        where, "the roles ask for " + std::to_string(registers * launch.min_ctas_per_sm) +
                   " registers of a multiprocessor, which has " + std::to_string(register_file));
}

}  // namespace

void Kernel::roles(const U32& warpgroup, const std::vector<Role>& all, Where where) {
  check_roles(recorder, all, where);
  const int launched_with =
      (1 << 16) / (recorder.launch().threads * std::max(1, recorder.launch().min_ctas_per_sm)) / 8 *
      8;
  const auto run = [&](const Role& role) {
    if (role.registers != 0 && role.registers < launched_with)
      setmaxnreg_dec(role.registers, where);
    else if (role.registers != 0)
      setmaxnreg_inc(role.registers, where);
    role.body();
  };
  int first = 0;
  const std::function<void(std::size_t)> branch = [&](std::size_t i) {
    if (i + 1 == all.size()) return run(all[i]);
    first += all[i].warpgroups;
    if_(
        all[i].name, In<pred>(warpgroup < In<u32>(first, where), where), [&] { run(all[i]); },
        [&] { branch(i + 1); });
  };
  branch(0);
}

void Kernel::wait(const std::string& name, const Mbarrier& barrier, const In<u32>& parity) {
  const std::string again = recorder.claim_label(name + "_wait", parity.where);
  recorder.place_label(again);
  recorder.branch(again, mbarrier_try_wait_parity(barrier, parity).id(), true, parity.where);
}

void Kernel::wait_cluster(const std::string& name, const Mbarrier& barrier, const In<u32>& parity) {
  const std::string again = recorder.claim_label(name + "_wait", parity.where);
  recorder.place_label(again);
  recorder.branch(again, mbarrier_try_wait_parity_cluster(barrier, parity).id(), true,
                  parity.where);
}

}  // namespace ptxmill::ptx
