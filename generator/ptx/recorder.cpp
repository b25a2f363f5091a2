#include "generator/ptx/recorder.hpp"

#include <algorithm>
#include <bit>
#include <cctype>

namespace ptxmill::ptx {

Operand Operand::of(RegId r) {
  Operand o;
  o.kind = Kind::reg;
  o.reg = r;
  return o;
}

Operand Operand::literal(std::int64_t value, isa::Type type) {
  Operand o;
  o.kind = Kind::integer;
  o.integer = value;
  o.type = type;
  return o;
}

Operand Operand::literal(double value, isa::Type type) {
  Operand o;
  o.kind = Kind::real;
  o.real = value;
  o.type = type;
  return o;
}

Operand Operand::symbolic(std::string text) {
  Operand o;
  o.kind = Kind::symbol;
  o.text = std::move(text);
  return o;
}

RegisterClass register_class(isa::Type type) {
  switch (type) {
    case isa::Type::pred: return {"%p", ".pred"};
    case isa::Type::f32: return {"%f", ".f32"};
    case isa::Type::f64: return {"%fd", ".f64"};
    default: break;
  }
  switch (isa::bits(type)) {
    case 8:
    case 16: return {"%h", ".b16"};
    case 64: return {"%rd", ".b64"};
    default: return {"%r", ".b32"};
  }
}

Recorder::Recorder(std::string entry, Target target)
    : entry_(std::move(entry)),
      target_(target),
      ptx_version_(isa::ptx_for_target(target.sm, target.arch_specific)),
      scopes_{{0, Level::grid, 0}} {}

// ---- registers

RegId Recorder::temporary(isa::Type type, Where where) {
  Register r;
  r.type = type;
  r.scope = scopes_.back().id;
  r.phase = phase();
  r.defined = where;
  registers_.push_back(std::move(r));
  return static_cast<RegId>(registers_.size()) - 1;
}

RegId Recorder::name_value(RegId value, const std::string& name, Where where) {
  check_source(value, where);
  if (!reg(value).name.empty()) {
    const isa::Type type = reg(value).type;
    const RegId copy = temporary(type, where);
    emit(Op::mov, type, {Operand::of(copy), Operand::of(value)}, where);
    return name_value(copy, name, where);
  }
  check_name(name, reg(value).type, reg(value).phase, where);
  at(value).name = name;
  return value;
}

RegId Recorder::variable(isa::Type type, const std::string& name, Level level, Where where) {
  check_name(name, type, phase(), where);
  const RegId id = temporary(type, where);
  at(id).name = name;
  at(id).assignable = true;
  at(id).uniform = level;
  return id;
}

// Where the line writes the value, alone or as one of a vector's elements; null where it does not.
RegId* Recorder::result_slot(Line& line, RegId value) {
  if (line.kind != Line::Kind::instruction || line.operands.empty()) return nullptr;
  Operand& first = line.operands[0];
  if (first.kind == Operand::Kind::reg) return first.reg == value ? &first.reg : nullptr;
  if (first.kind != Operand::Kind::group) return nullptr;
  const auto found = std::find(first.group.begin(), first.group.end(), value);
  return found == first.group.end() ? nullptr : &*found;
}

void Recorder::assign(RegId variable, const Operand& value, bool may_take_over, Where where) {
  const Register target = reg(variable);
  if (!scope_is_open(target.scope))
    throw BuildError(
        where, "'" + target.name + "' is assigned outside the phase or branch that declares it");
  const bool from_reg = value.kind == Operand::Kind::reg;
  if (from_reg) check_source(value.reg, where);
  const Level given =
      std::min(from_reg ? widened(reg(value.reg).uniform) : Level::grid, control_level());
  if (given < target.uniform)
    throw BuildError(where, "'" + target.name + "' is declared uniform across the " +
                                std::string(name(target.uniform)) +
                                ", and is assigned a value that is uniform only across the " +
                                std::string(name(given)));
  if (from_reg && may_take_over && reg(value.reg).name.empty() && !lines_.empty()) {
    Line& last = lines_.back();
    const bool same_guard = last.guard == guard_ && last.guard_negated == guard_negated_;
    // One instruction cannot write a variable twice.
    RegId* const result = same_guard && result_slot(last, variable) == nullptr
                              ? result_slot(last, value.reg)
                              : nullptr;
    if (result != nullptr &&
        register_class(reg(value.reg).type).prefix == register_class(target.type).prefix) {
      touch(variable, where);
      *result = variable;
      at(value.reg).consumed_by = target.name;
      return;
    }
  }
  emit(Op::mov, target.type, {Operand::of(variable), value}, where);
}

void Recorder::assume_uniform(RegId id, Level level, Where where) {
  check_source(id, where);
  at(id).uniform = std::max(reg(id).uniform, level);
  Line line;
  line.kind = Line::Kind::assume;
  line.text = std::string(name(level));
  line.operands = {Operand::of(id)};
  lines_.push_back(std::move(line));
}

// ---- instructions

void Recorder::emit(Op op, isa::Type type, std::vector<Operand> operands, Where where) {
  const isa::Row& row = isa::row(op);
  const bool has_result = !isa::operands(row.shape).empty() && row.effect != isa::Effect::store &&
                          !operands.empty() && operands[0].kind != Operand::Kind::address &&
                          isa::operands(row.shape)[0].role != isa::Role::source;
  const std::vector<Operand> sources(operands.begin() + (has_result ? 1 : 0), operands.end());
  settle_order(sources);
  Line line;
  if (!row.types.empty()) {
    const std::optional<isa::Type> suffix = isa::suffix_for(row, type);
    if (!suffix)
      throw BuildError(where, std::string(row.spelling) + " has no form for ." +
                                  std::string(isa::spelling(type)));
    line.suffix = "." + std::string(isa::spelling(*suffix));
  }
  need(row, where);
  check_control(row, where);
  check_operands(row, operands, where);
  check_in_flight(row, operands, where);
  for (const Operand& o : operands)
    if (o.kind == Operand::Kind::address ||
        (o.kind == Operand::Kind::shared && op != Op::mov_address))
      // The second address of such a store is an mbarrier's.
      check_address(row,
                    row.shape == isa::Shape::at_t4_at && &o != &operands[0]
                        ? 8
                        : access_bytes(row, type, operands),
                    o, where);
  settle_results(row, operands);
  for (Scope& scope : scopes_)
    if (row.needs > scope.needs) {
      scope.needs = row.needs;
      scope.neediest = std::string(row.spelling) + " at " + where.text();
    }
  line.kind = Line::Kind::instruction;
  line.op = op;
  line.guard = guard_;
  line.guard_negated = guard_negated_;
  line.operands = std::move(operands);
  const int here = static_cast<int>(lines_.size());
  if (has_result) {
    int first = here;
    for (bool found = true; found;) {
      found = false;
      for (const Operand& o : sources)
        if (const Register* r = fresh_register(o); r != nullptr && r->last_line == first - 1) {
          first = r->first_line;
          found = true;
        }
    }
    const auto place = [&](RegId id) {
      if (id == no_reg || reg(id).assignable) return;
      at(id).first_line = first;
      at(id).last_line = here;
    };
    place(line.operands[0].kind == Operand::Kind::reg ? line.operands[0].reg : no_reg);
    for (const RegId id : line.operands[0].group) place(id);
  }
  lines_.push_back(std::move(line));
}

void Recorder::emit(Op op, isa::Type type, isa::Type from, std::vector<Operand> operands,
                    Where where) {
  emit(op, type, std::move(operands), where);
  lines_.back().suffix += "." + std::string(isa::spelling(from));
}

void Recorder::emit_spelled(Op op, const std::string& suffix, std::vector<Operand> operands,
                            Where where) {
  emit(op, isa::Type::b32, std::move(operands), where);
  lines_.back().suffix += suffix;
}

RegId Recorder::special(const isa::SpecialRegister& special, Where where) {
  ptx_version_ = std::max(ptx_version_, special.ptx);
  const RegId r = temporary(special.type, where);
  emit(Op::mov, special.type, {Operand::of(r), Operand::symbolic(std::string(special.spelling))},
       where);
  lines_.back().suffix = "." + std::string(isa::spelling(special.type));
  at(r).uniform = special.uniform;
  if (special.method == "tid_x") at(r).shifts_tid = 0;
  return r;
}

std::string Recorder::param(const Param& param, Where where) {
  for (const Param& p : params_)
    if (p.name == param.name)
      throw BuildError(where, "parameter '" + param.name + "' is declared twice");
  params_.push_back(param);
  return "p_" + param.name;
}

}  // namespace ptxmill::ptx
