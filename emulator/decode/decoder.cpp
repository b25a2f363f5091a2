#include "emulator/decode/decoder.hpp"

#include <algorithm>

#include "emulator/decode/reconvergence.hpp"
#include "emulator/text.hpp"
#include "isa/isa.hpp"

namespace ptxmill::emu {
namespace {

// Inlining of calls stops here: a text whose calls multiply beyond it is refused.

}  // namespace

Modifiers::Modifiers(const std::vector<std::string_view>& words) : words_(words) {}

bool Modifiers::take(std::string_view word) {
  for (std::string_view& w : words_) {
    if (w == word) {
      w = {};
      return true;
    }
  }
  return false;
}

bool Modifiers::has(std::string_view word) const {
  return std::find(words_.begin(), words_.end(), word) != words_.end();
}

std::string_view Modifiers::take_one(std::initializer_list<std::string_view> words) {
  for (std::string_view& w : words_) {
    if (std::find(words.begin(), words.end(), w) != words.end()) {
      const std::string_view taken = w;
      w = {};
      return taken;
    }
  }
  return {};
}

std::optional<isa::Type> Modifiers::take_type() {
  const auto named = [](std::string_view w) -> std::optional<isa::Type> {
    for (int i = 0; i < isa::type_count; ++i) {
      const auto t = static_cast<isa::Type>(i);
      if (isa::spelling(t) == w) return t;
    }
    return std::nullopt;
  };
  // The first of the types at the end, not counting what is taken already.
  std::size_t first = words_.size();
  for (std::size_t k = words_.size(); k > 0; --k) {
    if (named(words_[k - 1])) {
      first = k - 1;
    } else if (!words_[k - 1].empty()) {
      break;
    }
  }
  if (first == words_.size()) return std::nullopt;
  const auto t = named(words_[first]);
  words_[first] = {};
  return t;
}

std::string_view Modifiers::left() const {
  for (const std::string_view w : words_)
    if (!w.empty()) return w;
  return {};
}

Decoder::Decoder(const ModuleContext& context, Diagnostics& diagnostics, Kernel& kernel)
    : context_(context), diagnostics_(diagnostics), kernel_(kernel), scopes_(kernel.slots) {}

void Decoder::fail(Position at, std::string message) const {
  throw SyntaxError{at, std::move(message)};
}

void Decoder::mismatch() const {
  fail(current_->at, text("Arguments mismatch for instruction '", current_->opcode, "'"));
}

void Decoder::unsupported(std::string_view what) const {
  fail(current_->at,
       text("Unsupported by the emulator: ", what, " of instruction '", current_->opcode, "'"));
}

void Decoder::expect_operands(std::size_t least, std::size_t most) const {
  const std::size_t n = operand_count();
  if (n >= least && n <= most) return;
  fail(current_->at,
       text("Instruction '", current_->opcode, "' takes ",
            least == most ? text(least) : text(least, " to ", most), " operands, not ", n));
}

isa::Type Decoder::type() {
  const auto t = modifiers_->take_type();
  if (!t) fail(current_->at, text("Instruction '", current_->opcode, "' needs a type"));
  return *t;
}

Instruction& Decoder::emit(Handler handler, std::initializer_list<Slot> results,
                           std::initializer_list<Slot> sources, Kind kind) {
  const bool needs_handler = kind == Kind::plain || kind == Kind::memory || kind == Kind::warp_sync;
  if (needs_handler && handler == nullptr) {
    std::string spelled(current_->opcode);
    for (const std::string_view m : current_->modifiers) spelled += text(".", m);
    fail(current_->at, text("Unsupported by the emulator: instruction '", spelled, "'"));
  }
  if (kernel_.code.size() >= max_instructions || kernel_.slots >= max_slots) {
    fail(current_->at, "Function is too large");
  }
  Instruction i;
  i.run = handler;
  i.kind = kind;
  std::copy(results.begin(), results.end(), i.d);
  std::copy(sources.begin(), sources.end(), i.s);
  i.guard = guard_;
  i.guarded = guarded_;
  i.guard_negated = guard_negated_;
  kernel_.code.push_back(i);
  kernel_.origins.push_back({current_->at.line, current_->phase});
  // An access to memory counts where it is made, anything else at its first part.
  const bool counts_here = traits_.bytes == 0 || kind == Kind::memory || kind == Kind::copy;
  kernel_.traits.push_back(counts_here ? traits_ : InstructionTraits{});
  if (counts_here) traits_.what = InstructionClass::none;
  return kernel_.code.back();
}

void Decoder::run(const ast::Function& entry) {
  try {
    scopes_.open();
    declare_params(entry);
    decode_body(entry);
    static const ast::Instruction end{};
    current_ = &end;
    traits_ = {};
    guarded_ = false;
    emit(nullptr, {}, {}, Kind::exit);
    if (kernel_.code.size() > 1) kernel_.origins.back() = kernel_.origins[kernel_.code.size() - 2];
    kernel_.info.local_bytes = frame_bytes();
    decode_functions();
    finish();
  } catch (const SyntaxError& e) {
    diagnostics_.error(e.at, e.message);
  }
}

void Decoder::declare_labels(const ast::Function& f) {
  label_scopes_.assign(1, {});
  std::vector<std::size_t> open{0};
  for (const ast::Statement& s : f.body) {
    if (std::holds_alternative<ast::ScopeOpen>(s)) {
      open.push_back(label_scopes_.size());
      label_scopes_.emplace_back();
    } else if (std::holds_alternative<ast::ScopeClose>(s)) {
      open.pop_back();
    } else if (const auto* l = std::get_if<ast::Label>(&s)) {
      const auto id = static_cast<std::uint32_t>(label_places_.size());
      if (!label_scopes_[open.back()].emplace(l->name, id).second) {
        diagnostics_.error(l->at, text("Duplicate definition of label '", l->name, "'"));
      }
      label_places_.push_back(-1);
    }
  }
  scope_serial_ = 0;
}

void Decoder::open_scope() {
  scopes_.open();
  for (const auto& [name, id] : label_scopes_[scope_serial_]) {
    Symbol s;
    s.kind = Symbol::Kind::label;
    s.label = id;
    scopes_.declare(name, s);
  }
  ++scope_serial_;
}

void Decoder::decode_body(const ast::Function& f) {
  declare_labels(f);
  open_scope();
  for (const ast::Statement& s : f.body) {
    if (diagnostics_.full()) break;
    try {
      decode_statement(s);
    } catch (const SyntaxError& e) {
      diagnostics_.error(e.at, e.message);
    }
  }
  scopes_.close();
}

void Decoder::decode_statement(const ast::Statement& s) {
  if (const auto* i = std::get_if<ast::Instruction>(&s)) return decode(*i);
  if (const auto* r = std::get_if<ast::Register>(&s)) return declare(*r);
  if (const auto* v = std::get_if<ast::Variable>(&s)) return declare(*v);
  if (std::holds_alternative<ast::ScopeOpen>(s)) return open_scope();
  if (std::holds_alternative<ast::ScopeClose>(s)) return scopes_.close();
  if (const auto* u = std::get_if<ast::Uniform>(&s)) return decode_note(*u);
  if (const auto* l = std::get_if<ast::Label>(&s)) {
    const Symbol* symbol = scopes_.find(l->name);
    if (symbol != nullptr && symbol->kind == Symbol::Kind::label) {
      label_places_[symbol->label] = static_cast<std::int64_t>(kernel_.code.size());
    }
    return;
  }
  if (const auto* p = std::get_if<ast::Prototype>(&s)) {
    Symbol symbol;
    symbol.kind = Symbol::Kind::prototype;
    symbol.prototype = p;
    if (!scopes_.declare(p->name, symbol))
      fail(p->at, text("Duplicate definition of '", p->name, "'"));
    return;
  }
  const auto& targets = std::get<ast::BranchTargets>(s);
  Symbol symbol;
  symbol.kind = Symbol::Kind::branch_targets;
  symbol.targets = &targets;
  if (!scopes_.declare(targets.name, symbol)) {
    fail(targets.at, text("Duplicate definition of '", targets.name, "'"));
  }
}

void Decoder::decode(const ast::Instruction& i) {
  current_ = &i;
  traits_ = classify(i);
  temporaries_used_ = {};
  guarded_ = false;
  guard_ = zero_slot;
  guard_negated_ = false;
  if (!i.guard.empty()) {
    const Symbol* s = find(i.guard);
    if (s == nullptr) fail(i.at, text("Unknown symbol '", i.guard, "'"));
    if (s->kind != Symbol::Kind::reg || s->type != isa::Type::pred) {
      fail(i.at, text("Guard '", i.guard, "' is not a predicate register"));
    }
    guard_ = s->slot;
    guarded_ = true;
    guard_negated_ = i.guard_negated;
  }
  const std::size_t first = kernel_.code.size();
  decode_guarded(i);
  // One that needs no access to memory here, as a parameter of a function that is inlined.
  if (traits_.what != InstructionClass::none && kernel_.code.size() > first)
    kernel_.traits[first].what = traits_.what;
}

void Decoder::decode_guarded(const ast::Instruction& i) {
  Modifiers modifiers(i.modifiers);
  modifiers_ = &modifiers;
  const bool known = decode_arithmetic(*this, i.opcode) || decode_logic(*this, i.opcode) ||
                     decode_data(*this, i.opcode) || decode_memory(*this, i.opcode) ||
                     decode_mbarrier(*this, i.opcode) || decode_control(*this, i.opcode) ||
                     decode_video(*this, i.opcode) || decode_matrix(*this, i.opcode) ||
                     decode_warpgroup(*this, i.opcode);
  modifiers_ = nullptr;
  if (!known) fail(i.at, text("Unknown instruction '", i.opcode, "'"));
  if (!modifiers.left().empty()) {
    fail(i.at,
         text("Unsupported modifier '.", modifiers.left(), "' for instruction '", i.opcode, "'"));
  }
}

void Decoder::decode_note(const ast::Uniform& note) {
  const Symbol* s = find(note.name);
  if (s == nullptr || s->kind != Symbol::Kind::reg || s->width != 1) {
    fail(note.at, text("Unknown register '", note.name, "' in a uniformity note"));
  }
  ast::Instruction here;
  here.at = note.at;
  here.phase = note.phase;
  current_ = &here;
  traits_ = {};
  guarded_ = false;
  for (const isa::Level level : {isa::Level::thread, isa::Level::warp, isa::Level::warpgroup,
                                 isa::Level::cta, isa::Level::cluster, isa::Level::grid}) {
    if (isa::name(level) != note.level) continue;
    Instruction& i = emit(nullptr, {}, {s->slot}, Kind::uniform);
    i.imm = isa::bits(s->type);
    i.aux = static_cast<std::uint32_t>(level);
    return;
  }
  fail(note.at, text("Unknown level '", note.level, "' in a uniformity note"));
}

void Decoder::emit_fixup(std::uint32_t label) {
  fixups_.push_back({kernel_.code.size() - 1, label});
}

void Decoder::emit_branch(std::uint32_t label) {
  emit(nullptr, {}, {}, Kind::branch);
  emit_fixup(label);
}

void Decoder::emit_table_branch(const ast::BranchTargets& targets, Slot index) {
  emit(nullptr, {}, {index}, Kind::branch_table).aux =
      static_cast<std::uint32_t>(kernel_.tables.size());
  branch_targets_ += targets.labels.size();
  if (branch_targets_ > max_branch_targets) fail(current_->at, "Function is too large");
  TableFixup fixup{kernel_.tables.size(), {}};
  for (const ast::Operand& l : targets.labels) fixup.labels.push_back(label(l));
  kernel_.tables.emplace_back();
  table_fixups_.push_back(std::move(fixup));
}

void Decoder::emit_return() {
  if (function_ == nullptr || !returns_registers_) {
    emit(nullptr, {}, {}, function_ == nullptr ? Kind::exit : Kind::ret);
    return;
  }
  const Layout places = layout({&function_->params, &function_->results});
  for (std::size_t k = 0; k < function_->results.size(); ++k) {
    const ast::Variable& formal = function_->results[k];
    if (formal.space != ast::Space::reg) continue;
    const Symbol* r = scopes_.find(formal.name);
    if (r != nullptr) move_register(formal, places.results[k], frame(), r->slot, true);
  }
  emit(nullptr, {}, {}, Kind::ret);
}

std::uint32_t Decoder::label(const ast::Operand& o) {
  const Symbol* s = o.kind == ast::Operand::Kind::name ? scopes_.find(o.name) : nullptr;
  if (s == nullptr || s->kind != Symbol::Kind::label) {
    fail(o.at, text("Unknown label '", o.name, "'"));
  }
  return s->label;
}

const ast::BranchTargets& Decoder::branch_targets(const ast::Operand& o) {
  const Symbol* s = o.kind == ast::Operand::Kind::name ? scopes_.find(o.name) : nullptr;
  if (s == nullptr || s->kind != Symbol::Kind::branch_targets) {
    fail(o.at, text("Unknown branch target list '", o.name, "'"));
  }
  return *s->targets;
}

const ast::Function* Decoder::function(std::string_view name) const {
  const auto it = context_.functions.find(name);
  return it == context_.functions.end() ? nullptr : it->second;
}

void Decoder::note_matrix_move() {
  matrix_moves_.push_back(static_cast<std::uint32_t>(kernel_.code.size() - 1));
}

void Decoder::note_operands(std::size_t first, std::size_t results, std::size_t total) {
  kernel_.operand_lists.push_back(
      {static_cast<std::uint32_t>(kernel_.code.size() - 1), static_cast<std::uint32_t>(first),
       static_cast<std::uint32_t>(results), static_cast<std::uint32_t>(total)});
}

void Decoder::require_target(int sm) const {
  const ast::Target& t = context_.ast->target;
  if (t.arch_specific && t.sm == sm) return;
  const auto& modifiers = current_->modifiers;
  fail(current_->at, text("Instruction '", current_->opcode, modifiers.empty() ? "" : ".",
                          modifiers.empty() ? std::string_view{} : modifiers.front(),
                          "' not supported on .target 'sm_", t.sm, t.arch_specific ? "a'" : "'"));
}

void Decoder::require_at_least(int sm, std::string_view feature) const {
  if (context_.ast->target.sm >= sm) return;
  fail(current_->at, text("Feature '", feature, "' requires .target sm_", sm, " or higher"));
}

/// Of kernels with products: which instructions beside them name their registers.
void Decoder::find_fragments() {
  if (kernel_.products.empty()) return;
  const auto is_fragment = [&](Slot s) { return kernel_.fragments.count(s) != 0; };
  kernel_.names_fragment.assign(kernel_.code.size(), false);
  for (std::size_t pc = 0; pc < kernel_.code.size(); ++pc) {
    const Instruction& i = kernel_.code[pc];
    if (i.kind == Kind::warpgroup) continue;
    kernel_.names_fragment[pc] = std::any_of(std::begin(i.d), std::end(i.d), is_fragment) ||
                                 std::any_of(std::begin(i.s), std::end(i.s), is_fragment);
  }
  for (const OperandList& l : kernel_.operand_lists) {
    if (kernel_.code[l.pc].kind == Kind::warpgroup) continue;
    const auto first = kernel_.operands.begin() + l.first;
    if (std::any_of(first, first + l.total, is_fragment)) kernel_.names_fragment[l.pc] = true;
  }
}

void Decoder::number_accesses() {
  constexpr std::uint32_t most = 0x7fff;
  kernel_.accesses.assign(1, 0);
  kernel_.access_numbers.assign(kernel_.code.size(), 0);
  for (std::uint32_t pc = 0; pc < kernel_.code.size(); ++pc) {
    const Instruction& i = kernel_.code[pc];
    const bool moves_matrix = std::binary_search(matrix_moves_.begin(), matrix_moves_.end(), pc);
    const bool accesses =
        i.kind == Kind::memory || i.kind == Kind::copy || i.kind == Kind::mbarrier_wait;
    if (!accesses && !moves_matrix) continue;
    if (kernel_.accesses.size() <= most) kernel_.accesses.push_back(pc);
    kernel_.access_numbers[pc] = static_cast<std::uint16_t>(kernel_.accesses.size() - 1);
  }
}

void Decoder::finish() {
  if (diagnostics_.failed()) return;
  const auto place = [&](std::uint32_t id) {
    return static_cast<std::uint32_t>(label_places_[id] < 0 ? 0 : label_places_[id]);
  };
  for (const Fixup& f : fixups_) kernel_.code[f.instruction].aux = place(f.label);
  for (const TableFixup& f : table_fixups_) {
    for (const std::uint32_t id : f.labels) kernel_.tables[f.table].push_back(place(id));
  }
  number_accesses();
  find_fragments();
  kernel_.dynamic_shared_offset =
      round_up(static_shared_, std::max<std::uint64_t>(16, extern_shared_align_));
  if (static_shared_ == 0) kernel_.dynamic_shared_offset = 0;
  for (ConstantSlot& c : kernel_.constants) {
    if (c.variable != in_dynamic_shared) continue;
    c.variable = -1;
    c.value += kernel_.dynamic_shared_offset;
  }
  kernel_.info.static_shared_bytes = static_shared_;
  set_reconvergence(kernel_);
}

}  // namespace ptxmill::emu
