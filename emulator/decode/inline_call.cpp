// Calls are expanded in place: a call costs nothing at run time, and the lanes that a callee's
// branches separate meet again by the same rule as everywhere. Recursion is refused.
#include <algorithm>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::size_t max_call_depth = 32;

}  // namespace

void Decoder::copy_argument(Slot to, Slot from, isa::Type t) {
  emit(handlers().move(Move::copy, isa::bits(t), 1), {to}, {from});
}

void Decoder::inline_call(const ast::Function& callee, const std::vector<ast::Operand>& results,
                          const std::vector<ast::Operand>& arguments) {
  const ast::Instruction& call = *current_;
  if (std::find(call_stack_.begin(), call_stack_.end(), &callee) != call_stack_.end() ||
      call_stack_.size() > max_call_depth) {
    fail(call.at, text("Unsupported by the emulator: recursive call of '", callee.name, "'"));
  }
  if (arguments.size() != callee.params.size() || results.size() != callee.results.size()) {
    fail(call.at, text("Call of '", callee.name, "' has ", arguments.size(), " arguments and ",
                       results.size(), " results, its declaration ", callee.params.size(), " and ",
                       callee.results.size()));
  }
  if (callee.entry) fail(call.at, text("Call of entry '", callee.name, "'"));

  const auto new_label = [&] {
    label_places_.push_back(-1);
    return static_cast<std::uint32_t>(label_places_.size() - 1);
  };
  const std::uint32_t end = new_label();
  if (guarded_) {
    guard_negated_ = !guard_negated_;
    emit_branch(end);
    guarded_ = false;
  }

  // What a formal parameter means inside: the caller's parameter variable, or a register of its
  // own.
  const auto bind = [&](const ast::Variable& formal, const ast::Operand& actual, bool is_argument) {
    Symbol s;
    if (formal.space == ast::Space::reg) {
      s.kind = Symbol::Kind::reg;
      s.type = formal.type;
      s.slot = is_argument ? scopes_.allocate(formal.type) : result(actual, formal.type);
      if (is_argument) copy_argument(s.slot, source(actual, formal.type), formal.type);
      return s;
    }
    const Symbol* v = actual.kind == ast::Operand::Kind::name ? find(actual.name) : nullptr;
    if (v == nullptr || v->kind != Symbol::Kind::variable || v->space != AddressSpace::local) {
      fail(actual.at, text("Argument of '", callee.name, "' must be a .param variable"));
    }
    s = *v;
    s.type = formal.type;
    return s;
  };
  std::vector<Symbol> bound;
  for (std::size_t k = 0; k < arguments.size(); ++k)
    bound.push_back(bind(callee.params[k], arguments[k], true));
  for (std::size_t k = 0; k < results.size(); ++k)
    bound.push_back(bind(callee.results[k], results[k], false));

  const std::size_t hidden = scopes_.hide_all();
  scopes_.open();
  for (std::size_t k = 0; k < bound.size(); ++k) {
    const ast::Variable& formal =
        k < arguments.size() ? callee.params[k] : callee.results[k - arguments.size()];
    scopes_.declare(formal.name, bound[k]);
  }
  const auto labels = std::move(label_scopes_);
  const std::size_t serial = scope_serial_;
  const std::uint32_t outer_return = return_label_;
  Modifiers* const modifiers = modifiers_;
  return_label_ = end;
  decode_body(callee);
  return_label_ = outer_return;
  label_scopes_ = labels;
  scope_serial_ = serial;
  modifiers_ = modifiers;
  current_ = &call;
  scopes_.close();
  scopes_.restore(hidden);
  label_places_[end] = static_cast<std::int64_t>(kernel_.code.size());
}

}  // namespace ptxmill::emu
