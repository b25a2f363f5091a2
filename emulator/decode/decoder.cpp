#include "emulator/decode/decoder.hpp"

#include <algorithm>

#include "emulator/decode/reconvergence.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

// Inlining of calls stops here: a text whose calls multiply beyond it is refused.
constexpr std::size_t max_instructions = std::size_t{1} << 22;
constexpr Slot max_slots = Slot{1} << 20;
constexpr std::uint64_t max_static_shared = 48 * 1024;
constexpr std::uint64_t max_local = 512 * 1024;

std::uint64_t round_up(std::uint64_t n, std::uint64_t align) {
  return (n + align - 1) / align * align;
}

std::uint64_t size_of(const ast::Variable& v) {
  return v.elements * static_cast<std::uint64_t>(isa::bits(v.type)) / 8;
}

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
  return kernel_.code.back();
}

void Decoder::run(const ast::Function& entry) {
  try {
    scopes_.open();
    declare_params(entry);
    return_label_ = 0;
    label_places_.assign(1, -1);
    decode_body(entry);
    finish();
  } catch (const SyntaxError& e) {
    diagnostics_.error(e.at, e.message);
  }
}

void Decoder::declare_params(const ast::Function& entry) {
  std::uint64_t offset = 0;
  for (const ast::Variable& p : entry.params) {
    if (p.space != ast::Space::param) fail(p.at, "Parameters of an entry must be in .param space");
    const std::uint64_t size = size_of(p);
    offset = round_up(offset, p.align);
    if (size == 0 || offset + size > 32764) {
      fail(p.at, text("Formal parameter space overflowed at '", p.name, "' (32764 bytes max)"));
    }
    Symbol s;
    s.kind = Symbol::Kind::variable;
    s.type = p.type;
    s.space = AddressSpace::param;
    s.offset = offset;
    if (!scopes_.declare(p.name, s)) fail(p.at, text("Duplicate definition of '", p.name, "'"));
    kernel_.info.params.push_back({std::string(p.name), offset, size, p.align});
    offset += size;
  }
  kernel_.info.param_bytes = offset;
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
  call_stack_.push_back(&f);
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
  call_stack_.pop_back();
}

void Decoder::decode_statement(const ast::Statement& s) {
  if (const auto* i = std::get_if<ast::Instruction>(&s)) return decode(*i);
  if (const auto* r = std::get_if<ast::Register>(&s)) return declare(*r);
  if (const auto* v = std::get_if<ast::Variable>(&s)) return declare(*v);
  if (std::holds_alternative<ast::ScopeOpen>(s)) return open_scope();
  if (std::holds_alternative<ast::ScopeClose>(s)) return scopes_.close();
  if (const auto* l = std::get_if<ast::Label>(&s)) {
    const Symbol* symbol = scopes_.find(l->name);
    if (symbol != nullptr && symbol->kind == Symbol::Kind::label) {
      label_places_[symbol->label] = static_cast<std::int64_t>(kernel_.code.size());
    }
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

void Decoder::declare(const ast::Register& r) {
  if (r.count > max_slots) fail(r.at, text("Too many registers '", r.name, "'"));
  if (!scopes_.declare(r)) fail(r.at, text("Duplicate definition of register '", r.name, "'"));
}

void Decoder::declare(const ast::Variable& v) {
  switch (v.space) {
    case ast::Space::shared: return declare_shared(v);
    case ast::Space::local:
    case ast::Space::param: return declare_local(v);
    default: fail(v.at, text("Variable '", v.name, "' must be declared at module scope"));
  }
}

void Decoder::declare_shared(const ast::Variable& v) {
  Symbol s;
  s.kind = Symbol::Kind::variable;
  s.type = v.type;
  s.space = AddressSpace::shared;
  if (v.external) {
    extern_shared_align_ = std::max(extern_shared_align_, v.align);
    s.variable = in_dynamic_shared;
  } else {
    const std::uint64_t size = size_of(v);
    static_shared_ = round_up(static_shared_, v.align);
    s.offset = static_shared_;
    if (size > max_static_shared || static_shared_ + size > max_static_shared) {
      fail(v.at, text("Entry '", kernel_.info.name, "' uses too much shared data (0x",
                      hex(static_shared_ + size), " bytes, 0x", hex(max_static_shared), " max)"));
    }
    kernel_.shared.push_back({std::string(v.name), static_shared_, size});
    static_shared_ += size;
  }
  if (!scopes_.declare(v.name, s)) fail(v.at, text("Duplicate definition of '", v.name, "'"));
}

void Decoder::declare_local(const ast::Variable& v) {
  const std::uint64_t size = size_of(v);
  local_bytes_ = round_up(local_bytes_, v.align);
  Symbol s;
  s.kind = Symbol::Kind::variable;
  s.type = v.type;
  s.space = AddressSpace::local;
  s.offset = local_bytes_;
  if (size > max_local || local_bytes_ + size > max_local) {
    fail(v.at, text("Entry '", kernel_.info.name, "' uses too much local data (0x",
                    hex(local_bytes_ + size), " bytes, 0x", hex(max_local), " max)"));
  }
  kernel_.local.push_back({std::string(v.name), local_bytes_, size});
  local_bytes_ += size;
  if (!scopes_.declare(v.name, s)) fail(v.at, text("Duplicate definition of '", v.name, "'"));
}

const Symbol* Decoder::find(std::string_view name) {
  if (const Symbol* s = scopes_.find(name)) return s;
  const auto it = context_.variables.find(name);
  if (it == context_.variables.end()) return nullptr;
  if (it->second.space != AddressSpace::shared) return &it->second;
  // A module's shared variable takes its place in the first entry scope that uses it.
  for (const ast::Variable& v : context_.ast->variables) {
    if (v.name != name) continue;
    declare_shared(v);
    return scopes_.find(name);
  }
  return nullptr;
}

void Decoder::decode(const ast::Instruction& i) {
  current_ = &i;
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
  decode_guarded(i);
}

void Decoder::decode_guarded(const ast::Instruction& i) {
  Modifiers modifiers(i.modifiers);
  modifiers_ = &modifiers;
  const bool known = decode_arithmetic(*this, i.opcode) || decode_logic(*this, i.opcode) ||
                     decode_data(*this, i.opcode) || decode_memory(*this, i.opcode) ||
                     decode_control(*this, i.opcode);
  modifiers_ = nullptr;
  if (!known) fail(i.at, text("Unknown instruction '", i.opcode, "'"));
  if (!modifiers.left().empty()) {
    fail(i.at,
         text("Unsupported modifier '.", modifiers.left(), "' for instruction '", i.opcode, "'"));
  }
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
  TableFixup fixup{kernel_.tables.size(), {}};
  for (const ast::Operand& l : targets.labels) fixup.labels.push_back(label(l));
  kernel_.tables.emplace_back();
  table_fixups_.push_back(std::move(fixup));
}

void Decoder::emit_return() {
  if (call_stack_.size() <= 1) {
    emit(nullptr, {}, {}, Kind::exit);
  } else {
    emit_branch(return_label_);
  }
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

void Decoder::finish() {
  if (diagnostics_.failed()) return;
  static const ast::Instruction end{};
  current_ = &end;
  guarded_ = false;
  emit(nullptr, {}, {}, Kind::exit);
  kernel_.origins.back() =
      kernel_.code.size() > 1 ? kernel_.origins[kernel_.code.size() - 2] : Origin{};
  const auto place = [&](std::uint32_t id) {
    return static_cast<std::uint32_t>(label_places_[id] < 0 ? 0 : label_places_[id]);
  };
  for (const Fixup& f : fixups_) kernel_.code[f.instruction].aux = place(f.label);
  for (const TableFixup& f : table_fixups_) {
    for (const std::uint32_t id : f.labels) kernel_.tables[f.table].push_back(place(id));
  }
  kernel_.dynamic_shared_offset =
      round_up(static_shared_, std::max<std::uint64_t>(16, extern_shared_align_));
  if (static_shared_ == 0) kernel_.dynamic_shared_offset = 0;
  for (ConstantSlot& c : kernel_.constants) {
    if (c.variable != in_dynamic_shared) continue;
    c.variable = -1;
    c.value += kernel_.dynamic_shared_offset;
  }
  kernel_.info.static_shared_bytes = static_shared_;
  kernel_.info.local_bytes = round_up(local_bytes_, 16);
  set_reconvergence(kernel_);
}

}  // namespace ptxmill::emu
