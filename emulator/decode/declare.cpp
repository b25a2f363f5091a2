// Parameters, registers and variables take their places.
#include <algorithm>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint64_t max_static_shared = 48 * 1024;
constexpr std::uint64_t max_local = 512 * 1024;

std::uint64_t size_of(const ast::Variable& v) {
  return v.elements * static_cast<std::uint64_t>(isa::bits(v.type)) / 8;
}

}  // namespace

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
  s.size = size;
  s.in_frame = function_ != nullptr;
  if (size > max_local || local_bytes_ + size > max_local) {
    fail(v.at, text("Entry '", kernel_.info.name, "' uses too much local data (0x",
                    hex(local_bytes_ + size), " bytes, 0x", hex(max_local), " max)"));
  }
  if (function_ == nullptr) kernel_.local.push_back({std::string(v.name), local_bytes_, size});
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

}  // namespace ptxmill::emu
