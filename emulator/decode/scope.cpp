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
  for (const Range& other : scope.ranges)
    if (other.prefix == r.name) return false;
  scope.ranges.push_back({r.name, r.count, r.type, r.width});
  return true;
}

const Symbol* Scopes::find_in(Scope& scope, std::string_view name) {
  const auto it = scope.names.find(name);
  if (it != scope.names.end()) return &it->second;
  for (const Range& r : scope.ranges) {
    if (name.size() <= r.prefix.size() || name.substr(0, r.prefix.size()) != r.prefix) continue;
    const std::string_view digits = name.substr(r.prefix.size());
    std::uint64_t index = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    const bool canonical = digits.size() == 1 || digits.front() != '0';
    if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() || !canonical ||
        index >= r.count) {
      continue;
    }
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
