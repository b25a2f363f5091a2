#include "emulator/decode/scope.hpp"

#include <charconv>

namespace ptxmill::emu {

Slot Scopes::allocate(isa::Type type) {
  const Slot s = next_slot_;
  next_slot_ += isa::bits(type) == 64 ? 2 : 1;
  return s;
}

Symbol Scopes::make_register(isa::Type type, int width) {
  Symbol s;
  s.kind = Symbol::Kind::reg;
  s.type = type;
  s.width = width;
  const int bits = type == isa::Type::pred ? 1 : isa::bits(type) == 64 ? 64 : 32;
  s.slot = allocate(type);
  registers_.push_back({s.slot, bits});
  for (int i = 1; i < width; ++i) registers_.push_back({allocate(type), bits});
  return s;
}

bool Scopes::declare(std::string_view name, const Symbol& symbol) {
  return scopes_.back().names.emplace(name, symbol).second;
}

bool Scopes::declare(const ast::Register& r) {
  Scope& scope = scopes_.back();
  if (!r.ranged) {
    if (scope.names.count(r.name) != 0) return false;
    return declare(r.name, make_register(r.type, r.width));
  }
  return scope.ranges.emplace(r.name, Range{r.count, r.type, r.width}).second;
}

const Symbol* Scopes::find_in(Scope& scope, std::string_view name) {
  const auto it = scope.names.find(name);
  if (it != scope.names.end()) return &it->second;
  // The prefix may end in digits itself.
  for (std::size_t split = name.size(); split > 1;) {
    --split;
    if (name[split] < '0' || name[split] > '9') break;
    const auto found = scope.ranges.find(name.substr(0, split));
    if (found == scope.ranges.end()) continue;
    const Range& r = found->second;
    const std::string_view digits = name.substr(split);
    std::uint64_t index = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    const bool canonical = digits.size() == 1 || digits.front() != '0';
    if (parsed.ec != std::errc{} || !canonical || index >= r.count) continue;
    return &scope.names.emplace(name, make_register(r.type, r.width)).first->second;
  }
  return nullptr;
}

const Symbol* Scopes::find(std::string_view name) {
  for (std::size_t i = scopes_.size(); i > 0; --i) {
    if (const Symbol* s = find_in(scopes_[i - 1], name)) return s;
  }
  return nullptr;
}

}  // namespace ptxmill::emu
