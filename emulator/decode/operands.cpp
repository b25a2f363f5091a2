// Operands: registers, constants, special registers, addresses.
#include <bit>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;
using isa::Type;

bool is_bits(Type t) { return t == Type::pred || (t >= Type::b8 && t <= Type::b64); }

struct NamedSpecial {
  std::string_view name;
  Special special;
  int bits;
};

constexpr NamedSpecial specials[] = {
    {"%tid.x", Special::tid_x, 32},
    {"%tid.y", Special::tid_y, 32},
    {"%tid.z", Special::tid_z, 32},
    {"%ntid.x", Special::ntid_x, 32},
    {"%ntid.y", Special::ntid_y, 32},
    {"%ntid.z", Special::ntid_z, 32},
    {"%ctaid.x", Special::ctaid_x, 32},
    {"%ctaid.y", Special::ctaid_y, 32},
    {"%ctaid.z", Special::ctaid_z, 32},
    {"%nctaid.x", Special::nctaid_x, 32},
    {"%nctaid.y", Special::nctaid_y, 32},
    {"%nctaid.z", Special::nctaid_z, 32},
    {"%laneid", Special::laneid, 32},
    {"%warpid", Special::warpid, 32},
    {"%nwarpid", Special::nwarpid, 32},
    {"%smid", Special::smid, 32},
    {"%nsmid", Special::nsmid, 32},
    {"%gridid", Special::gridid, 64},
    {"%envreg1", Special::workspace_high, 32},
    {"%envreg2", Special::workspace_low, 32},
    {"%lanemask_eq", Special::lanemask_eq, 32},
    {"%lanemask_lt", Special::lanemask_lt, 32},
    {"%lanemask_le", Special::lanemask_le, 32},
    {"%lanemask_gt", Special::lanemask_gt, 32},
    {"%lanemask_ge", Special::lanemask_ge, 32},
    {"%dynamic_smem_size", Special::dynamic_smem_size, 32},
    {"%total_smem_size", Special::total_smem_size, 32},
    {"%aggr_smem_size", Special::total_smem_size, 32},
    {"%clusterid.x", Special::clusterid_x, 32},
    {"%clusterid.y", Special::clusterid_y, 32},
    {"%clusterid.z", Special::clusterid_z, 32},
    {"%nclusterid.x", Special::nclusterid_x, 32},
    {"%nclusterid.y", Special::nclusterid_y, 32},
    {"%nclusterid.z", Special::nclusterid_z, 32},
    {"%cluster_ctaid.x", Special::cluster_ctaid_x, 32},
    {"%cluster_ctaid.y", Special::cluster_ctaid_y, 32},
    {"%cluster_ctaid.z", Special::cluster_ctaid_z, 32},
    {"%cluster_nctaid.x", Special::cluster_nctaid_x, 32},
    {"%cluster_nctaid.y", Special::cluster_nctaid_y, 32},
    {"%cluster_nctaid.z", Special::cluster_nctaid_z, 32},
    {"%cluster_ctarank", Special::cluster_ctarank, 32},
    {"%cluster_nctarank", Special::cluster_nctarank, 32},
    {"%is_explicit_cluster", Special::explicit_cluster, 1},
};

struct NamedClock {
  std::string_view name;
  Move move;
  int bits;
};
constexpr NamedClock clocks[] = {
    {"%clock", Move::clock32, 32},          {"%clock_hi", Move::clock_hi, 32},
    {"%clock64", Move::clock64, 64},        {"%globaltimer", Move::clock64, 64},
    {"%globaltimer_lo", Move::clock32, 32}, {"%globaltimer_hi", Move::clock_hi, 32},
};

bool is_wide(Special s) {
  return s == Special::gridid || s == Special::stack_frame || s == Special::stack_top;
}

std::uint64_t truncated(std::uint64_t v, int bits) {
  return bits >= 64 ? v : v & ((std::uint64_t{1} << bits) - 1);
}

}  // namespace

bool compatible(Type declared, Type t) {
  if (declared == t) return true;
  if (isa::bits(declared) != isa::bits(t)) return false;
  if (is_bits(declared) || is_bits(t)) return true;
  return isa::is_integer(declared) && isa::is_integer(t);
}

const Symbol* Decoder::register_of(const Operand& o) {
  if (o.kind != Operand::Kind::name) return nullptr;
  if (const Symbol* s = find(o.name)) return s->kind == Symbol::Kind::reg ? s : nullptr;
  // A component of a vector register: %v.x or %v.r.
  const std::size_t dot = o.name.rfind('.');
  if (dot == std::string_view::npos || dot + 2 != o.name.size()) return nullptr;
  const Symbol* vector = find(o.name.substr(0, dot));
  if (vector == nullptr || vector->kind != Symbol::Kind::reg) return nullptr;
  constexpr std::string_view names = "xyzwrgba";
  const std::size_t index = names.find(o.name.back());
  if (index == std::string_view::npos || static_cast<int>(index % 4) >= vector->width)
    return nullptr;
  Symbol element = *vector;
  element.width = 1;
  const Slot slots_each = isa::bits(vector->type) == 64 ? 2 : 1;
  element.slot += static_cast<Slot>(index % 4) * slots_each;
  scopes_.declare(o.name, element);
  return scopes_.find(o.name);
}

Slot Decoder::constant(int bits, std::uint64_t value, int variable) {
  const int held = bits == 1 ? 1 : bits <= 32 ? 32 : 64;
  const std::uint64_t kept = truncated(value, held);
  if (kept == 0 && variable == -1) return zero_slot;
  const auto key = std::make_tuple(held, kept, variable);
  const auto it = constants_.find(key);
  if (it != constants_.end()) return it->second;
  const Slot slot = scopes_.allocate(held == 64 ? Type::b64 : Type::b32);
  constants_.emplace(key, slot);
  kernel_.constants.push_back({slot, held, kept, variable});
  return slot;
}

Slot Decoder::special(Special s) {
  const auto it = specials_.find(s);
  if (it != specials_.end()) return it->second;
  const Slot slot = scopes_.allocate(is_wide(s) ? Type::b64 : Type::b32);
  specials_.emplace(s, slot);
  kernel_.specials.push_back({slot, s});
  return slot;
}

Slot Decoder::temporary(Type t) {
  const std::size_t kind = t == Type::pred ? 0 : isa::bits(t) == 64 ? 2 : 1;
  std::vector<Slot>& pool = temporaries_[kind];
  const std::size_t n = temporaries_used_[kind]++;
  if (n == pool.size()) pool.push_back(scopes_.allocate(t));
  return pool[n];
}

Slot Decoder::carry() {
  if (carry_ == 0) carry_ = scopes_.allocate(Type::pred);
  return carry_;
}

Slot Decoder::constant_operand(const Operand& o, Type t) {
  const int bits = isa::bits(t);
  if (o.negated) mismatch();
  switch (o.kind) {
    case Operand::Kind::integer:
      if (t == Type::f32 || t == Type::f64) mismatch();
      if (t == Type::pred) return constant(1, o.bits != 0 ? 1 : 0);
      return constant(bits, truncated(o.bits, bits));
    case Operand::Kind::real32:
      if (bits == 32 && t != Type::u32 && t != Type::s32) return constant(32, o.bits);
      if (t == Type::f64) {
        const float v = std::bit_cast<float>(static_cast<std::uint32_t>(o.bits));
        return constant(64, std::bit_cast<std::uint64_t>(static_cast<double>(v)));
      }
      mismatch();
    case Operand::Kind::real64:
      if (t == Type::f64 || t == Type::b64) return constant(64, o.bits);
      if (t == Type::f32) {
        const auto v = static_cast<float>(std::bit_cast<double>(o.bits));
        return constant(32, std::bit_cast<std::uint32_t>(v));
      }
      mismatch();
    default: mismatch();
  }
}

std::optional<Slot> Decoder::special_operand(const Operand& o, Type t) {
  const auto fits = [&](int bits) { return isa::bits(t) == bits && !isa::is_float(t); };
  const auto check = [&](int bits) {
    if (!fits(bits) || o.negated || o.offset != 0) mismatch();
  };
  for (const NamedSpecial& s : specials) {
    if (s.name != o.name) continue;
    check(s.bits);
    return special(s.special);
  }
  for (const NamedClock& c : clocks) {
    if (c.name != o.name) continue;
    check(c.bits);
    const Slot slot = temporary(c.bits == 64 ? Type::b64 : Type::b32);
    emit(handlers().move(c.move, c.bits, 1), {slot}, {}, Kind::memory);
    return slot;
  }
  return std::nullopt;
}

Slot Decoder::source(const Operand& o, Type t) {
  if (o.kind != Operand::Kind::name) return constant_operand(o, t);
  if (const Symbol* r = register_of(o)) {
    if (!compatible(r->type, t) || r->width != 1 || o.offset != 0) mismatch();
    if (!o.negated) return r->slot;
    if (t != Type::pred) mismatch();
    return predicate(o);
  }
  if (const Symbol* v = find(o.name)) {
    if (v->kind != Symbol::Kind::variable || isa::is_float(t) || isa::bits(t) < 32) mismatch();
    return address_constant(*v, o.offset, isa::bits(t));
  }
  if (const auto s = special_operand(o, t)) return *s;
  const auto pointed = context_.pointed_to.find(o.name);
  if (pointed != context_.pointed_to.end()) {
    if (isa::is_float(t) || isa::bits(t) != 64 || o.offset != 0 || o.negated) mismatch();
    return constant(64, function_window + function_step * pointed->second);
  }
  fail(o.at, text("Unknown symbol '", o.name, "'"));
}

Slot Decoder::predicate(const Operand& o) {
  if (!o.negated) return source(o, Type::pred);
  Operand plain = o;
  plain.negated = false;
  const Slot value = source(plain, Type::pred);
  const Slot inverted = temporary(Type::pred);
  emit(handlers().bit(BitOp::not_, Type::pred), {inverted}, {value});
  return inverted;
}

Slot Decoder::result(const Operand& o, Type t) {
  if (o.kind == Operand::Kind::sink) return sink_slot;
  const Symbol* r = register_of(o);
  if (r == nullptr) {
    if (o.kind == Operand::Kind::name && find(o.name) == nullptr) {
      fail(o.at, text("Unknown symbol '", o.name, "'"));
    }
    mismatch();
  }
  if (!compatible(r->type, t) || r->width != 1 || o.negated || o.offset != 0) mismatch();
  return r->slot;
}

Slot Decoder::address_constant(const Symbol& v, std::int64_t offset, int bits) {
  if (v.in_frame) {
    const Slot sum = temporary(Type::b64);
    emit(handlers().integer(IntegerOp::add, Type::u64), {sum},
         {frame(), constant(64, v.offset + static_cast<std::uint64_t>(offset))});
    if (bits == 64) return sum;
    const Slot low = temporary(Type::b32);
    emit(handlers().convert({Type::u32, Type::u64, FloatMode(Rounding::none)}), {low}, {sum}).imm =
        -1;
    return low;
  }
  return constant(bits, v.offset + static_cast<std::uint64_t>(offset), v.variable);
}

Decoder::Address Decoder::address(const Operand& o, AddressSpace space) {
  if (o.kind != Operand::Kind::address || o.parts.size() != 1) mismatch();
  const Operand& base = o.parts[0];
  Address a;
  a.space = space;
  if (base.kind == Operand::Kind::integer) {
    a.base = constant(64, base.bits);
    return a;
  }
  if (base.kind != Operand::Kind::name || base.negated) mismatch();
  a.offset = base.offset;
  if (const Symbol* r = register_of(base)) {
    if (isa::is_float(r->type) || r->width != 1 || isa::bits(r->type) < 32) mismatch();
    a.base = r->slot;
    a.wide = isa::bits(r->type) == 64;
    return a;
  }
  const Symbol* v = find(base.name);
  if (v == nullptr) fail(base.at, text("Unknown symbol '", base.name, "'"));
  if (v->kind != Symbol::Kind::variable) mismatch();
  // A function's own parameters lie in local memory, but are reached by ld.param and st.param.
  const bool own = space == AddressSpace::param && v->space == AddressSpace::local;
  const bool constants_too = space == AddressSpace::generic;
  const bool of_cluster = space == AddressSpace::cluster && v->space == AddressSpace::shared;
  if (v->space != space && !own && !constants_too && !of_cluster) {
    fail(base.at, text("State space mismatch for '", base.name, "' in instruction '",
                       current_->opcode, "'"));
  }
  a.space = v->space;
  if (v->in_frame) {
    a.base = frame();
    a.offset += static_cast<std::int64_t>(v->offset);
  } else {
    a.base = address_constant(*v, 0, 64);
  }
  return a;
}

std::uint32_t Decoder::access_bits(const Address& a) {
  std::uint32_t bits = static_cast<std::uint32_t>(a.space);
  if (a.wide) bits |= AccessBits::address64;
  return bits | (hint_++ % 8) << AccessBits::hint_shift;
}

}  // namespace ptxmill::emu
