// What the builder refuses while a kernel is recorded.
#include <algorithm>
#include <cctype>

#include "generator/ptx/recorder.hpp"

namespace ptxmill::ptx {

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
      throw BuildError(
          where,
          "'" + printed +
              "' is declared twice; a value of an unrolled loop carries its index in the name");
  names_[phase].insert(printed);
}

bool Recorder::scope_is_open(int scope) const {
  return std::any_of(scopes_.begin(), scopes_.end(), [&](const Scope& s) { return s.id == scope; });
}

void Recorder::check_source(RegId id, Where where) const {
  const Register& r = reg(id);
  const std::string what = r.name.empty() ? "a temporary" : "'" + r.name + "'";
  if (!r.consumed_by.empty())
    throw BuildError(where, "the temporary of " + r.defined.text() + " was assigned to '" +
                                r.consumed_by + "' and is gone; use the variable");
  if (!scope_is_open(r.scope))
    throw BuildError(where, what + " defined at " + r.defined.text() +
                                " is used outside the phase, branch or loop that defines it");
  if (r.name.empty() && r.phase != phase())
    throw BuildError(where, "a temporary defined at " + r.defined.text() +
                                " is used in another phase; name it with let()");
}

void Recorder::need(const isa::Row& row, Where where) {
  if (!row.target.allows(target_.sm, target_.arch_specific))
    throw BuildError(
        where, std::string(row.spelling) + " needs " +
                   (row.target.kind == isa::TargetRule::Kind::exactly ? "exactly sm_" : "sm_") +
                   std::to_string(row.target.sm) +
                   (row.target.kind == isa::TargetRule::Kind::exactly ? "a" : " or higher") +
                   ", and the target is " + target_.name());
  ptx_version_ = std::max(ptx_version_, row.ptx);
}

Level Recorder::widened(Level level) const {
  const bool is_whole_cta = (level == Level::warp && launch_.threads <= 32) ||
                            (level == Level::warpgroup && launch_.threads <= 128);
  return is_whole_cta ? Level::cta : level;
}

void Recorder::check_control(const isa::Row& row, Where where) const {
  Level here = control_level();
  if (guard_ != no_reg) {
    if (row.effect == isa::Effect::sync || row.effect == isa::Effect::control)
      throw BuildError(where, std::string(row.spelling) + " may not stand under a guard");
    here = std::min(here, widened(reg(guard_).uniform));
  }
  if (here < row.needs)
    throw BuildError(where, std::string(row.spelling) + " must be executed by the whole " +
                                std::string(name(row.needs)) +
                                ", and stands where control is uniform only across the " +
                                std::string(name(here)));
}

void Recorder::check_repetition(const Scope& scope, Level condition, Where where) const {
  if (scope.loop && scope.needs > condition)
    throw BuildError(where, scope.neediest + " must be executed by the whole " +
                                std::string(name(scope.needs)) +
                                ", and stands in a loop that threads leave under a condition which "
                                "is uniform only across the " +
                                std::string(name(condition)));
}

std::uint32_t access_bytes(const isa::Row& row, isa::Type type,
                           const std::vector<Operand>& operands) {
  if (row.shape == isa::Shape::at_at_bytes) return static_cast<std::uint32_t>(operands[2].integer);
  // Each lane's address is that of a row of eight 16-bit elements.
  if (row.spelling.find("matrix.sync") != std::string_view::npos) return 16;
  int lanes = 1;
  for (const isa::OperandRule& rule : isa::operands(row.shape))
    lanes = rule.role == isa::Role::quad ? 4 : rule.role == isa::Role::pair ? 2 : lanes;
  return static_cast<std::uint32_t>(std::max(1, lanes * isa::bits(type) / 8));
}

void Recorder::check_address(const isa::Row& row, std::uint32_t bytes, const Operand& address,
                             Where where) const {
  const std::uint32_t known = divisor_of(address);
  if (address.text.empty() && known < bytes)
    throw BuildError(where, std::string(row.spelling) + " needs an address aligned to " +
                                std::to_string(bytes) + " bytes, and only " +
                                std::to_string(known) + " are known");
  if (address.integer < INT32_MIN || address.integer > INT32_MAX)
    throw BuildError(where,
                     "address offset " + std::to_string(address.integer) + " exceeds 32 bits");
  if (address.kind == Operand::Kind::shared && address.reg == no_reg &&
      (address.integer < 0 || address.integer + bytes > shared_array(address.shared).bytes()))
    throw BuildError(where, "offset " + std::to_string(address.integer) +
                                " is outside the shared array '" +
                                shared_array(address.shared).name + "' of " +
                                std::to_string(shared_array(address.shared).bytes()) + " bytes");
}

void Recorder::check_operands(const isa::Row& row, const std::vector<Operand>& operands,
                              Where where) const {
  const std::span<const isa::OperandRule> rules = isa::operands(row.shape);
  if (rules.size() != operands.size())
    throw BuildError(
        where, std::string(row.spelling) + " takes " + std::to_string(rules.size()) + " operands");
  const bool stores = row.effect == isa::Effect::store;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Operand& o = operands[i];
    const bool result =
        rules[i].role == isa::Role::result || (i == 0 && !stores && o.kind == Operand::Kind::group);
    if (result) continue;
    if (o.reg != no_reg) check_source(o.reg, where);
    for (const RegId r : o.group)
      if (r != no_reg) check_source(r, where);
  }
}

void Recorder::touch(RegId id, Where where, InFlight::Part part) {
  if (id == no_reg || !target_.arch_specific) return;
  const Where* issued = in_flight_.touch(id, part, where);
  if (issued != nullptr)
    throw BuildError(where, "'" + reg(id).name + "' belongs to the wgmma at " + issued->text() +
                                ", which is in flight; wgmma_wait_group comes first");
}

void Recorder::check_in_flight(const isa::Row& row, const std::vector<Operand>& operands,
                               Where where) {
  if (row.op == Op::wgmma_commit_group) return in_flight_.commit();
  if (row.op == Op::wgmma_wait_group) return in_flight_.wait(static_cast<int>(operands[0].integer));
  const bool multiplies = row.op == Op::wgmma_mma_async || row.op == Op::wgmma_mma_async_k_major ||
                          row.op == Op::wgmma_mma_async_k_major_a;
  // Only that target has wgmma: elsewhere nothing is ever in flight.
  if (!target_.arch_specific) return;
  using Part = InFlight::Part;
  // The lists of a product are its sums, and then its matrix A where that lies in registers.
  const auto part = [&](std::size_t i) {
    return !multiplies ? Part::ordinary : i == 0 ? Part::sum : Part::factor;
  };
  for (std::size_t i = 0; i < operands.size(); ++i) {
    touch(operands[i].reg, where);
    for (const RegId id : operands[i].group) touch(id, where, part(i));
  }
  for (std::size_t i = 0; multiplies && i < operands.size(); ++i)
    if (!operands[i].group.empty()) in_flight_.issue(operands[i].group, part(i), where);
}

}  // namespace ptxmill::ptx
