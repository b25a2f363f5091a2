// Functions and calls. Each function that a kernel calls is decoded once, behind the entry's code.
// A callee's frame in local memory begins with its parameters and results: the caller's variables
// are copied into it and back by the call itself (run/call.cpp), its registers by instructions.
#include <algorithm>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

std::uint64_t size_of(const ast::Variable& v) {
  return v.elements * static_cast<std::uint64_t>(isa::bits(v.type)) / 8;
}

Builtin builtin_named(std::string_view name) {
  if (name == "vprintf") return Builtin::vprintf;
  if (name == "malloc") return Builtin::malloc;
  if (name == "free") return Builtin::free;
  if (name == "__assertfail") return Builtin::assertfail;
  return Builtin::none;
}

}  // namespace

void find_function_pointers(ModuleContext& context) {
  const auto point_to = [&](std::string_view name) {
    const auto it = context.functions.find(name);
    if (it == context.functions.end() || !it->second->defined || it->second->entry) return;
    const auto index = static_cast<std::uint32_t>(context.module->functions.size());
    if (context.pointed_to.emplace(it->first, index).second)
      context.module->functions.emplace_back(it->first);
  };
  for (const ast::Variable& v : context.ast->variables) {
    for (const ast::InitialValue& value : v.values) point_to(value.symbol);
  }
  for (const ast::Function& f : context.ast->functions) {
    for (const ast::Statement& s : f.body) {
      const auto* v = std::get_if<ast::Variable>(&s);
      if (v != nullptr && v->space != ast::Space::shared)
        context.stack_align = std::max(context.stack_align, v->align);
      const auto* i = std::get_if<ast::Instruction>(&s);
      if (i == nullptr || i->opcode != "mov") continue;
      for (const ast::Operand& o : i->operands) point_to(o.name);
    }
    if (f.entry) continue;  // its parameters lie elsewhere
    for (const ast::Variable& v : f.params)
      context.stack_align = std::max(context.stack_align, v.align);
    for (const ast::Variable& v : f.results)
      context.stack_align = std::max(context.stack_align, v.align);
  }
}

Slot Decoder::frame() {
  if (kernel_.frame == 0) kernel_.frame = special(Special::stack_frame);
  return kernel_.frame;
}

Slot Decoder::top() {
  if (kernel_.top == 0) kernel_.top = special(Special::stack_top);
  return kernel_.top;
}

Decoder::Layout Decoder::layout(const Interface& f) {
  Layout out;
  if (f.params->size() > max_function_params || f.results->size() > max_function_params)
    throw SyntaxError{f.params->empty() ? f.results->front().at : f.params->front().at,
                      "Function has too many parameters"};
  const auto place = [&](const std::vector<ast::Variable>& variables,
                         std::vector<std::uint64_t>& offsets) {
    for (const ast::Variable& v : variables) {
      const std::uint64_t size = size_of(v);
      if (v.type == isa::Type::pred || size == 0 || size > 32764)
        throw SyntaxError{v.at, text("Parameter '", v.name, "' of a function has no legal size")};
      const std::uint64_t align =
          v.align != 0 ? v.align : static_cast<std::uint64_t>(isa::bits(v.type)) / 8;
      out.bytes = round_up(out.bytes, align);
      offsets.push_back(out.bytes);
      out.bytes += size;
      out.spelled += text(size, ":", align, " ");
    }
    out.spelled += "/";
  };
  place(*f.params, out.params);
  out.param_bytes = out.bytes;
  place(*f.results, out.results);
  return out;
}

std::uint32_t Decoder::interface_index(const std::string& spelled) {
  const auto next = static_cast<std::uint32_t>(kernel_.interfaces.size());
  const auto [it, inserted] = interface_indices_.emplace(spelled, next);
  if (inserted) kernel_.interfaces.push_back(spelled);
  return it->second;
}

int Decoder::callee_index(const ast::Function& f) {
  const auto [it, inserted] = callee_indices_.emplace(&f, static_cast<int>(callees_.size()));
  if (inserted) {
    callees_.push_back(&f);
    const Layout places = layout({&f.params, &f.results});
    Callee& c = kernel_.callees.emplace_back();
    c.name = std::string(f.name);
    c.param_bytes = places.param_bytes;
    c.interface = interface_index(places.spelled);
    const auto pointed = context_.pointed_to.find(f.name);
    if (pointed != context_.pointed_to.end()) {
      kernel_.callee_of_function.resize(context_.pointed_to.size(), -1);
      kernel_.callee_of_function[pointed->second] = it->second;
    }
  }
  return it->second;
}

Decoder::Interface Decoder::interface_of(const Call& call, const ast::Function* callee) {
  if (callee != nullptr) return {&callee->params, &callee->results};
  if (call.prototype == nullptr) {
    fail(call.target->at, text("Unknown function '", call.target->name, "'"));
  }
  const Symbol* s = call.prototype->kind == ast::Operand::Kind::name
                        ? scopes_.find(call.prototype->name)
                        : nullptr;
  if (s == nullptr || s->kind != Symbol::Kind::prototype)
    fail(call.prototype->at, text("Unknown call prototype '", call.prototype->name, "'"));
  const ast::Prototype& p = *s->prototype;
  if (p.targets.empty()) return {&p.params, &p.results};
  const ast::Function* first = function(p.targets[0].name);
  if (first == nullptr) fail(p.targets[0].at, text("Unknown function '", p.targets[0].name, "'"));
  return {&first->params, &first->results};
}

FrameCopy Decoder::frame_copy(const ast::Variable& formal, const ast::Operand& actual,
                              std::uint64_t offset) {
  const Symbol* v = actual.kind == ast::Operand::Kind::name ? find(actual.name) : nullptr;
  if (v == nullptr || v->kind != Symbol::Kind::variable || v->space != AddressSpace::local) {
    fail(actual.at, "Argument of a call must be a .param variable");
  }
  if (v->size != size_of(formal)) {
    fail(actual.at, text("Type of '", actual.name, "' does not match the parameter: ", v->size,
                         " bytes, expected ", size_of(formal)));
  }
  return {v->offset, offset, v->size};
}

void Decoder::move_register(const ast::Variable& formal, std::uint64_t offset, Slot base,
                            Slot value, bool to_memory) {
  const Address a{base, static_cast<std::int64_t>(offset), true, AddressSpace::local};
  Instruction& i = to_memory
                       ? emit(handlers().store({formal.type, 1}), {}, {a.base, value}, Kind::memory)
                       : emit(handlers().load({formal.type, 1}), {value}, {a.base}, Kind::memory);
  i.imm = a.offset;
  i.aux = access_bits(a);
  i.definedness = Definedness::own;
}

void Decoder::pass(const Call& call, const Interface& f, const Layout& places, CallSite& site) {
  for (std::size_t k = 0; k < call.arguments.size(); ++k) {
    const ast::Variable& formal = (*f.params)[k];
    if (formal.space == ast::Space::reg) {
      const Slot value = source(call.arguments[k], formal.type);
      move_register(formal, places.params[k], top(), value, true);
    } else {
      site.arguments.push_back(frame_copy(formal, call.arguments[k], places.params[k]));
    }
  }
}

void Decoder::collect(const Call& call, const Interface& f, const Layout& places, CallSite& site) {
  for (std::size_t k = 0; k < call.results.size(); ++k) {
    const ast::Variable& formal = (*f.results)[k];
    if (formal.space == ast::Space::reg) {
      const Slot value = result(call.results[k], formal.type);
      move_register(formal, places.results[k], top(), value, false);
    } else {
      site.results.push_back(frame_copy(formal, call.results[k], places.results[k]));
    }
  }
}

void Decoder::emit_call(const Call& call) {
  const ast::Function* callee = call.prototype == nullptr ? function(call.target->name) : nullptr;
  const Interface f = interface_of(call, callee);
  const Layout places = layout(f);
  if (call.arguments.size() != f.params->size() || call.results.size() != f.results->size()) {
    fail(current_->at, text("Call of '", call.target->name, "' has ", call.arguments.size(),
                            " arguments and ", call.results.size(), " results, its declaration ",
                            f.params->size(), " and ", f.results->size()));
  }
  CallSite site;
  site.caller = function_index_;
  site.interface = interface_index(places.spelled);
  if (callee != nullptr && callee->entry)
    fail(current_->at, text("Call of entry '", callee->name, "'"));
  if (callee != nullptr && !callee->defined) {
    site.builtin = builtin_named(callee->name);
    if (site.builtin == Builtin::none)
      fail(current_->at, text("Unresolved extern function '", callee->name, "'"));
  } else if (callee != nullptr) {
    site.callee = callee_index(*callee);
  } else if (!calls_pointers_) {
    calls_pointers_ = true;
    for (const auto& [name, index] : context_.pointed_to) callee_index(*function(name));
  }

  // The lanes that do not call go around all that belongs to the call.
  label_places_.push_back(-1);
  const auto end = static_cast<std::uint32_t>(label_places_.size() - 1);
  if (guarded_) {
    guard_negated_ = !guard_negated_;
    emit_branch(end);
    guarded_ = false;
  }
  frame(), top();
  const Slot target = callee == nullptr ? source(*call.target, isa::Type::b64) : zero_slot;
  pass(call, f, places, site);
  emit(nullptr, {}, {target}, Kind::call).aux = static_cast<std::uint32_t>(kernel_.calls.size());
  collect(call, f, places, site);
  kernel_.calls.push_back(std::move(site));
  kernel_.outgoing_bytes =
      std::max(kernel_.outgoing_bytes, round_up(places.bytes, context_.stack_align));
  label_places_[end] = static_cast<std::int64_t>(kernel_.code.size());
}

void Decoder::declare_formals(const ast::Function& f, const Layout& places) {
  const auto declare_one = [&](const ast::Variable& formal, std::uint64_t offset, bool is_param) {
    Symbol s;
    s.type = formal.type;
    if (formal.space == ast::Space::reg) {
      s.kind = Symbol::Kind::reg;
      s.slot = scopes_.allocate_register(formal.type);
      if (is_param) move_register(formal, offset, frame(), s.slot, false);
    } else {
      s.kind = Symbol::Kind::variable;
      s.space = AddressSpace::local;
      s.offset = offset;
      s.size = size_of(formal);
      s.in_frame = true;
    }
    if (!scopes_.declare(formal.name, s))
      fail(formal.at, text("Duplicate definition of '", formal.name, "'"));
  };
  for (std::size_t k = 0; k < f.params.size(); ++k)
    declare_one(f.params[k], places.params[k], true);
  for (std::size_t k = 0; k < f.results.size(); ++k)
    declare_one(f.results[k], places.results[k], false);
}

void Decoder::decode_function(std::size_t index) {
  const ast::Function& f = *callees_[index];
  ast::Instruction here;
  here.at = f.at;
  here.opcode = "ret";
  current_ = &here;
  guarded_ = false;
  guard_ = zero_slot;
  temporaries_used_ = {};
  function_ = &f;
  function_index_ = static_cast<int>(index);
  scopes_.take_registers();
  kernel_.callees[index].entry = static_cast<std::uint32_t>(kernel_.code.size());
  const Layout places = layout({&f.params, &f.results});
  local_bytes_ = places.bytes;
  returns_registers_ = std::any_of(f.results.begin(), f.results.end(), [](const ast::Variable& v) {
    return v.space == ast::Space::reg;
  });
  scopes_.open();
  declare_formals(f, places);
  decode_body(f);
  current_ = &here;
  guarded_ = false;
  emit_return();
  kernel_.origins.back() = kernel_.origins[kernel_.code.size() - 2];
  scopes_.close();
  Callee& c = kernel_.callees[index];
  c.frame_bytes = frame_bytes();
  c.registers = scopes_.take_registers();
}

void Decoder::decode_functions() {
  // Decoding one may find others that it calls.
  for (std::size_t k = 0; k < callees_.size() && !diagnostics_.full(); ++k) decode_function(k);
  kernel_.stack_align = context_.stack_align;
  if (kernel_.top == 0) return;
  std::uint64_t largest = 0;
  for (const Callee& c : kernel_.callees) largest = std::max(largest, c.frame_bytes);
  kernel_.entry_frame_bytes = kernel_.info.local_bytes;
  kernel_.info.local_bytes += largest + kernel_.outgoing_bytes;
}

}  // namespace ptxmill::emu
