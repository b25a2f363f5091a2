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

void Recorder::assign(RegId variable, const Operand& value, bool may_take_over, Where where) {
  const Register target = reg(variable);
  if (!scope_is_open(target.scope))
    throw BuildError(where, "'" + target.name + "' is assigned outside the phase or branch that declares it");
  const bool from_reg = value.kind == Operand::Kind::reg;
  if (from_reg) check_source(value.reg, where);
  const Level given = std::min(from_reg ? reg(value.reg).uniform : Level::grid, control_level());
  if (given < target.uniform)
    throw BuildError(where, "'" + target.name + "' is declared uniform across the " +
                                std::string(name(target.uniform)) + ", and is assigned a value that is uniform only across the " +
                                std::string(name(given)));
  if (from_reg && may_take_over && reg(value.reg).name.empty() && !lines_.empty()) {
    Line& last = lines_.back();
    const bool computes_it = last.kind == Line::Kind::instruction && !last.operands.empty() &&
                             last.operands[0].kind == Operand::Kind::reg &&
                             last.operands[0].reg == value.reg && last.guard == guard_ &&
                             last.guard_negated == guard_negated_;
    if (computes_it && register_class(reg(value.reg).type).prefix == register_class(target.type).prefix) {
      last.operands[0].reg = variable;
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

void Recorder::check_name(const std::string& name, isa::Type type, int phase, Where where) {
  const auto word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), word))
    throw BuildError(where, "'" + name + "' is no value name: letters, digits and '_' are");
  const std::string printed = std::string(register_class(type).prefix) + "_" + name;
  for (const isa::SpecialRegister& special : isa::special_registers())
    if (printed == special.spelling)
      throw BuildError(where, "'" + printed + "' is a special register");
  for (const Scope& scope : scopes_)
    if (names_[scope.phase].count(printed) != 0)
      throw BuildError(where, "'" + printed + "' is declared twice; a value of an unrolled loop carries its index in the name");
  names_[phase].insert(printed);
}

bool Recorder::scope_is_open(int scope) const {
  return std::any_of(scopes_.begin(), scopes_.end(), [&](const Scope& s) { return s.id == scope; });
}

void Recorder::check_source(RegId id, Where where) const {
  const Register& r = reg(id);
  const std::string what = r.name.empty() ? "a temporary" : "'" + r.name + "'";
  if (!r.consumed_by.empty())
    throw BuildError(where, "the temporary of " + r.defined.text() + " was assigned to '" + r.consumed_by +
                                "' and is gone; use the variable");
  if (!scope_is_open(r.scope))
    throw BuildError(where, what + " defined at " + r.defined.text() +
                                " is used outside the phase, branch or loop that defines it");
  if (r.name.empty() && r.phase != phase())
    throw BuildError(where, "a temporary defined at " + r.defined.text() +
                                " is used in another phase; name it with let()");
}

// ---- instructions

void Recorder::need(const isa::Row& row, Where where) {
  if (!row.target.allows(target_.sm, target_.arch_specific))
    throw BuildError(where, std::string(row.spelling) + " needs " +
                                (row.target.kind == isa::TargetRule::Kind::exactly ? "exactly sm_" : "sm_") +
                                std::to_string(row.target.sm) +
                                (row.target.kind == isa::TargetRule::Kind::exactly ? "a" : " or higher") +
                                ", and the target is " + target_.name());
  ptx_version_ = std::max(ptx_version_, row.ptx);
}

void Recorder::check_control(const isa::Row& row, Where where) const {
  Level here = control_level();
  if (guard_ != no_reg) {
    if (row.effect == isa::Effect::sync || row.effect == isa::Effect::control)
      throw BuildError(where, std::string(row.spelling) + " may not stand under a guard");
    here = std::min(here, reg(guard_).uniform);
  }
  if (here < row.needs)
    throw BuildError(where, std::string(row.spelling) + " must be executed by the whole " +
                                std::string(name(row.needs)) +
                                ", and stands where control is uniform only across the " +
                                std::string(name(here)));
}

void Recorder::check_address(const isa::Row& row, isa::Type type, const Operand& address,
                             Where where) const {
  const std::span<const isa::OperandRule> rules = isa::operands(row.shape);
  int lanes = 1;
  for (const isa::OperandRule& rule : rules)
    lanes = rule.role == isa::Role::quad ? 4 : rule.role == isa::Role::pair ? 2 : lanes;
  const auto bytes = static_cast<std::uint32_t>(std::max(1, lanes * isa::bits(type) / 8));
  const std::uint32_t known = divisor_of(address);
  if (address.text.empty() && known < bytes)
    throw BuildError(where, std::string(row.spelling) + " needs an address aligned to " +
                                std::to_string(bytes) + " bytes, and only " + std::to_string(known) +
                                " are known");
  if (address.integer < INT32_MIN || address.integer > INT32_MAX)
    throw BuildError(where, "address offset " + std::to_string(address.integer) + " exceeds 32 bits");
  if (address.kind == Operand::Kind::shared && address.reg == no_reg &&
      (address.integer < 0 ||
       address.integer + bytes > shared_array(address.shared).bytes()))
    throw BuildError(where, "offset " + std::to_string(address.integer) + " is outside the shared array '" +
                                shared_array(address.shared).name + "' of " +
                                std::to_string(shared_array(address.shared).bytes()) + " bytes");
}

void Recorder::check_operands(const isa::Row& row, const std::vector<Operand>& operands,
                              Where where) const {
  const std::span<const isa::OperandRule> rules = isa::operands(row.shape);
  if (rules.size() != operands.size())
    throw BuildError(where, std::string(row.spelling) + " takes " + std::to_string(rules.size()) + " operands");
  const bool stores = row.effect == isa::Effect::store;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Operand& o = operands[i];
    const bool result = rules[i].role == isa::Role::result ||
                        (i == 0 && !stores && o.kind == Operand::Kind::group);
    if (result) continue;
    if (o.reg != no_reg) check_source(o.reg, where);
    for (const RegId r : o.group)
      if (r != no_reg) check_source(r, where);
  }
}

Level Recorder::sources_level(const isa::Row& row, const std::vector<Operand>& operands) const {
  // A vote or reduction over a warp gives each of its threads the same answer; a broadcast does
  // so where the lane it reads is itself the same for all.
  const std::string_view s = row.spelling;
  if (s.starts_with("vote") || s.starts_with("redux")) return Level::warp;
  if (row.effect == isa::Effect::atomic || row.effect == isa::Effect::timer) return Level::thread;
  if (row.op == Op::activemask) return Level::thread;
  Level level = Level::grid;
  const bool broadcast = row.op == Op::shfl_sync_idx;
  for (std::size_t i = 1; i < operands.size(); ++i) {
    if (broadcast && i == 1) continue;
    if (operands[i].reg != no_reg) level = std::min(level, reg(operands[i].reg).uniform);
    for (const RegId r : operands[i].group)
      if (r != no_reg) level = std::min(level, reg(r).uniform);
  }
  if (broadcast) return level >= Level::warp ? std::max(Level::warp, reg(operands[1].reg).uniform) : Level::thread;
  if (s.starts_with("shfl")) return Level::thread;
  // Shared memory differs between CTAs whatever the address.
  if (s.find(".shared") != s.npos) level = std::min(level, Level::cta);
  return level;
}

std::uint32_t Recorder::divisor_of(const Operand& o) const {
  constexpr std::uint32_t most = 1u << 16;
  const auto of_int = [&](std::int64_t v) {
    return v == 0 ? most : std::min(most, 1u << std::min(16, std::countr_zero(static_cast<std::uint64_t>(v))));
  };
  switch (o.kind) {
    case Operand::Kind::integer: return of_int(o.integer);
    case Operand::Kind::reg: return reg(o.reg).divisor;
    case Operand::Kind::address: return std::min(o.reg == no_reg ? most : reg(o.reg).divisor, of_int(o.integer));
    case Operand::Kind::shared: {
      const auto align = static_cast<std::uint32_t>(shared_array(o.shared).align);
      return std::min(o.reg == no_reg ? align : reg(o.reg).divisor, of_int(o.integer));
    }
    default: return 1;
  }
}

void Recorder::settle_results(const isa::Row& row, const std::vector<Operand>& operands) {
  const bool has_group_result =
      operands.size() > 0 && operands[0].kind == Operand::Kind::group && row.effect != isa::Effect::store;
  if (operands.empty() || (operands[0].kind != Operand::Kind::reg && !has_group_result) ||
      isa::operands(row.shape)[0].role == isa::Role::source)
    return;
  const Level level = sources_level(row, operands);
  if (has_group_result) {
    for (const RegId r : operands[0].group)
      if (r != no_reg && !reg(r).assignable) at(r).uniform = level;
    return;
  }
  Register& result = at(operands[0].reg);
  if (result.assignable) return;
  result.uniform = level;
  const auto d = [&](std::size_t i) { return std::uint64_t{divisor_of(operands[i])}; };
  std::uint64_t divisor = 1;
  switch (row.op) {
    case Op::mov: divisor = d(1); break;
    case Op::add:
    case Op::sub:
    case Op::min:
    case Op::max:
    case Op::selp: divisor = std::min(d(1), d(2)); break;
    case Op::mul_lo:
    case Op::mul_wide: divisor = d(1) * d(2); break;
    case Op::mad_lo:
    case Op::mad_wide: divisor = std::min(d(1) * d(2), d(3)); break;
    case Op::and_: divisor = std::max(d(1), d(2)); break;
    case Op::shl:
      if (operands[2].kind == Operand::Kind::integer)
        divisor = d(1) << std::min<std::int64_t>(16, operands[2].integer);
      break;
    case Op::cvta_to_global:
    case Op::cvta_to_shared: divisor = d(1); break;
    case Op::cvt: divisor = isa::is_float(result.type) ? 1 : d(1); break;
    case Op::mov_address:
      if (operands[1].kind == Operand::Kind::shared) divisor = d(1);
      break;
    default: break;
  }
  result.divisor = static_cast<std::uint32_t>(std::min<std::uint64_t>(divisor, 1u << 16));
}

const Register* Recorder::fresh_register(const Operand& o) const {
  const RegId id = o.kind == Operand::Kind::group ? o.group[0] : o.reg;
  if (!o.fresh || id == no_reg) return nullptr;
  const Register& r = reg(id);
  return r.name.empty() && r.first_line >= 0 ? &r : nullptr;
}

bool Recorder::is_movable(int first, int last) const {
  for (int i = first; i <= last; ++i) {
    const Line& line = lines_[static_cast<std::size_t>(i)];
    if (line.kind != Line::Kind::instruction || line.guard != guard_) return false;
    const isa::Effect effect = isa::row(line.op).effect;
    if (effect != isa::Effect::pure && effect != isa::Effect::load) return false;
    const RegId result = line.operands.empty() ? no_reg : line.operands[0].reg;
    if (line.operands[0].kind == Operand::Kind::reg && reg(result).assignable) return false;
  }
  return true;
}

void Recorder::settle_order(const std::vector<Operand>& sources) {
  // The fresh sources, whose lines end the recording, found from the end backwards.
  struct Piece {
    std::size_t rank;
    int first, last;
  };
  std::vector<Piece> pieces;
  int end = static_cast<int>(lines_.size()) - 1;
  for (bool found = true; found;) {
    found = false;
    for (std::size_t i = 0; i < sources.size() && !found; ++i) {
      const Register* r = fresh_register(sources[i]);
      if (r == nullptr || r->last_line != end || !is_movable(r->first_line, r->last_line)) continue;
      pieces.push_back({i, r->first_line, r->last_line});
      end = r->first_line - 1;
      found = true;
    }
  }
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.rank < b.rank; });
  if (std::is_sorted(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.first < b.first; })) return;
  std::vector<Line> ordered;
  for (const Piece& piece : pieces) {
    const int shift = end + 1 + static_cast<int>(ordered.size()) - piece.first;
    for (int i = piece.first; i <= piece.last; ++i) {
      Line& line = lines_[static_cast<std::size_t>(i)];
      const auto move = [&](RegId id) {
        if (id == no_reg) return;
        at(id).first_line += shift;
        at(id).last_line += shift;
      };
      const Operand& result = line.operands[0];
      move(result.kind == Operand::Kind::reg ? result.reg : no_reg);
      for (const RegId id : result.group) move(id);
      ordered.push_back(std::move(line));
    }
  }
  std::move(ordered.begin(), ordered.end(), lines_.begin() + end + 1);
}

void Recorder::emit(Op op, isa::Type type, std::vector<Operand> operands, Where where) {
  const isa::Row& row = isa::row(op);
  const bool has_result = !isa::operands(row.shape).empty() && row.effect != isa::Effect::store &&
                          !operands.empty() && operands[0].kind != Operand::Kind::address &&
                          isa::operands(row.shape)[0].role != isa::Role::source;
  const std::vector<Operand> sources(operands.begin() + (has_result ? 1 : 0), operands.end());
  settle_order(sources);
  Line line;
  if (!row.types.empty()) {
    bool legal = false;
    const isa::Type suffix = isa::suffix_for(row.types, type, &legal);
    if (!legal)
      throw BuildError(where, std::string(row.spelling) + " has no form for ." + std::string(isa::spelling(type)));
    line.suffix = "." + std::string(isa::spelling(suffix));
  }
  need(row, where);
  check_control(row, where);
  check_operands(row, operands, where);
  for (const Operand& o : operands)
    if (o.kind == Operand::Kind::address || (o.kind == Operand::Kind::shared && op != Op::mov_address))
      check_address(row, type, o, where);
  settle_results(row, operands);
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

void Recorder::emit(Op op, isa::Type type, isa::Type from, std::vector<Operand> operands, Where where) {
  emit(op, type, std::move(operands), where);
  lines_.back().suffix += "." + std::string(isa::spelling(from));
}

RegId Recorder::special(const isa::SpecialRegister& special, Where where) {
  ptx_version_ = std::max(ptx_version_, special.ptx);
  const RegId r = temporary(special.type, where);
  emit(Op::mov, special.type, {Operand::of(r), Operand::symbolic(std::string(special.spelling))}, where);
  lines_.back().suffix = "." + std::string(isa::spelling(special.type));
  at(r).uniform = special.uniform;
  return r;
}

std::string Recorder::param(const Param& param, Where where) {
  for (const Param& p : params_)
    if (p.name == param.name) throw BuildError(where, "parameter '" + param.name + "' is declared twice");
  params_.push_back(param);
  return "p_" + param.name;
}

// ---- structure

void Recorder::open_phase(const std::string& name, Where where) {
  for (const char c : name)
    if (c < 32 || c > 126) throw BuildError(where, "a phase name must be printable ASCII");
  if (guard_ != no_reg) throw BuildError(where, "a phase may not stand under a guard");
  scopes_.push_back({++next_scope_, control_level(), ++next_phase_});
  Line line;
  line.kind = Line::Kind::open;
  line.text = name;
  line.phase = phase();
  lines_.push_back(std::move(line));
}

void Recorder::close_phase() {
  scopes_.pop_back();
  Line line;
  line.kind = Line::Kind::close;
  lines_.push_back(std::move(line));
}

void Recorder::open_scope(Level condition) {
  scopes_.push_back({++next_scope_, std::min(control_level(), condition), phase()});
}

void Recorder::close_scope() { scopes_.pop_back(); }

std::string Recorder::claim_label(const std::string& name, Where where) {
  const auto word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), word))
    throw BuildError(where, "'" + name + "' is no label name: letters, digits and '_' are");
  if (!labels_.insert(name).second)
    throw BuildError(where, "the label '" + name + "' is used twice; an unrolled or repeated use carries its own name");
  return "$" + name;
}

void Recorder::place_label(const std::string& label) {
  Line line;
  line.kind = Line::Kind::label;
  line.text = label;
  lines_.push_back(std::move(line));
}

void Recorder::branch(const std::string& label, RegId condition, bool negated, Where where) {
  if (guard_ != no_reg) throw BuildError(where, "a branch may not stand under a guard");
  if (condition != no_reg) check_source(condition, where);
  emit(Op::bra, isa::Type::b32, {Operand::symbolic(label)}, where);
  lines_.back().guard = condition;
  lines_.back().guard_negated = negated;
}

void Recorder::early_exit(RegId condition, bool negated, Where where) {
  check_source(condition, where);
  emit(Op::ret, isa::Type::b32, {}, where);
  lines_.back().guard = condition;
  lines_.back().guard_negated = negated;
  for (Scope& scope : scopes_) scope.level = std::min(scope.level, reg(condition).uniform);
}

void Recorder::open_guard(RegId condition, bool negated, Where where) {
  check_source(condition, where);
  if (guard_ != no_reg) throw BuildError(where, "guards do not nest; combine the conditions with &&");
  // The scope keeps a value that is computed only where the guard holds from leaving it.
  open_scope(reg(condition).uniform);
  guard_ = condition;
  guard_negated_ = negated;
}

void Recorder::close_guard() {
  guard_ = no_reg;
  guard_negated_ = false;
  close_scope();
}

void Recorder::comment(const std::string& text) {
  Line line;
  line.kind = Line::Kind::comment;
  line.text = text;
  lines_.push_back(std::move(line));
}

// ---- shared memory

int Recorder::shared_array(const std::string& name, isa::Type type, std::int64_t count, int align,
                           Where where) {
  const int natural = isa::bits(type) / 8;
  if (count <= 0) throw BuildError(where, "shared array '" + name + "' has no elements");
  if (!std::has_single_bit(static_cast<unsigned>(align)) || align < natural || align > 1024)
    throw BuildError(where, "shared array '" + name + "': alignment must be a power of two from " +
                                std::to_string(natural) + " to 1024");
  for (const SharedArray& other : shared_)
    if (other.name == name) throw BuildError(where, "shared array '" + name + "' is declared twice");
  if (name == entry_ || name == "smem")
    throw BuildError(where, "a shared array may not be called '" + name + "'");
  shared_.push_back({name, type, count, align});
  if (shared_bytes() > target_.max_shared_bytes())
    throw BuildError(where, "shared memory of " + std::to_string(shared_bytes()) + " bytes with '" + name +
                                "' exceeds the " + std::to_string(target_.max_shared_bytes()) +
                                " of " + target_.name());
  return static_cast<int>(shared_.size()) - 1;
}

std::vector<std::int64_t> Recorder::shared_offsets() const {
  std::vector<std::int64_t> offsets;
  std::int64_t end = 0;
  for (const SharedArray& a : shared_) {
    end = (end + a.align - 1) / a.align * a.align;
    offsets.push_back(end);
    end += a.bytes();
  }
  offsets.push_back(end);
  return offsets;
}

void Recorder::finish(Where where) {
  if (scopes_.size() != 1) throw BuildError(where, "a phase or scope is still open at the kernel's end");
  Line line;
  line.kind = Line::Kind::instruction;
  line.op = Op::ret;
  lines_.push_back(std::move(line));
}

}  // namespace ptxmill::ptx
