#include "tests/hardware/form.hpp"

#include <bit>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "tests/isa/cases.hpp"

namespace ptxmill::test {
namespace {

using isa::Type;

/// The type that a register is declared with.
std::string declared(Type t) {
  if (isa::bits(t) == 8 || t == Type::f16 || t == Type::bf16) return "b16";
  if (t == Type::f16x2 || t == Type::bf16x2) return "b32";
  return std::string(isa::spelling(t));
}

/// The type with which it is loaded and stored.
std::string moved(Type t) {
  if (isa::bits(t) == 8) return isa::is_signed(t) ? "s8" : "u8";
  return isa::bits(t) == 16 ? "b16" : isa::bits(t) == 32 ? "b32" : "b64";
}

std::uint64_t mask_of(Type t) {
  const int bits = isa::bits(t);
  return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

/// Fraction bits and exponent bits of a float's pattern.
struct Layout {
  int fraction, exponent;
};
Layout layout_of(Type t) {
  switch (t) {
    case Type::f16: return {10, 5};
    case Type::bf16: return {7, 8};
    case Type::f32: return {23, 8};
    default: return {52, 11};
  }
}

/// Edge values, and NaNs with payloads of both kinds.
std::vector<std::uint64_t> edges(Type t) {
  std::vector<std::uint64_t> values = edge_values(t);
  if (isa::is_float(t) && t != Type::f16x2 && t != Type::bf16x2) {
    const auto [fraction, exponent] = layout_of(t);
    const std::uint64_t infinity = ((std::uint64_t{1} << exponent) - 1) << fraction;
    const std::uint64_t sign = std::uint64_t{1} << (fraction + exponent);
    const std::uint64_t quiet = std::uint64_t{1} << (fraction - 1);
    for (const std::uint64_t v : {infinity | 1, infinity | quiet | 5, sign | infinity | 2,
                                  sign | infinity | quiet | 3, sign | mask_of(t)})
      values.push_back(v & mask_of(t));
  }
  return values;
}

/// A float of a magnitude near 1, or near that of `like`.
std::uint64_t near_one(Type t, Random& random) {
  const auto [fraction, exponent] = layout_of(t);
  const std::int64_t bias = (std::int64_t{1} << (exponent - 1)) - 1;
  const auto field = static_cast<std::uint64_t>(bias + random.integer(-9, 9));
  const std::uint64_t bits = random.next();
  std::uint64_t significand = bits & ((std::uint64_t{1} << fraction) - 1);
  if ((bits >> 60 & 3) == 0) significand &= ~std::uint64_t{0} << (fraction / 2);
  return (bits >> 63) << (fraction + exponent) | field << fraction | significand;
}

std::uint64_t draw(Type t, Random& random, const std::vector<std::uint64_t>& edge_list) {
  if (t == Type::pred) return random.next() & 1;
  if (t == Type::f16x2 || t == Type::bf16x2) {
    const Type half = t == Type::f16x2 ? Type::f16 : Type::bf16;
    static const std::vector<std::uint64_t> half_edges[] = {edges(Type::f16), edges(Type::bf16)};
    const auto& list = half_edges[half == Type::f16 ? 0 : 1];
    return draw(half, random, list) << 16 | draw(half, random, list);
  }
  const std::uint64_t which = random.next() % 8;
  if (which == 0) return edge_list[random.next() % edge_list.size()];
  if (which < 4 || (!isa::is_float(t) && which == 7)) return random.next() & mask_of(t);
  if (isa::is_float(t)) return near_one(t, random);
  const std::uint64_t small = random.next() >> (random.next() & 63);
  return (which == 4 ? 0 - small : small) & mask_of(t);
}

/// A few units in the last place away from `v`, its sign turned.
std::uint64_t opposite(Type t, std::uint64_t v, Random& random) {
  const auto [fraction, exponent] = layout_of(t);
  const auto away = static_cast<std::uint64_t>(random.integer(-3, 3));
  return ((v ^ std::uint64_t{1} << (fraction + exponent)) + away) & mask_of(t);
}

bool is_scalar_float(Type t) { return t >= Type::f16 && t <= Type::f64; }

double value_of(Type t, std::uint64_t v) {
  switch (t) {
    case Type::f64: return std::bit_cast<double>(v);
    case Type::f32: return std::bit_cast<float>(static_cast<std::uint32_t>(v));
    case Type::bf16: return std::bit_cast<float>(static_cast<std::uint32_t>(v << 16));
    default: {
      const auto m = static_cast<int>(v & 0x3ff), e = static_cast<int>(v >> 10 & 31);
      const double d = std::ldexp(e == 0 ? m : m + 1024, (e == 0 ? 1 : e) - 25);
      return (v & 0x8000) != 0 ? -d : d;
    }
  }
}

/// -a * b, about: what makes a fused product cancel.
std::uint64_t cancelling(Type t, std::uint64_t a, std::uint64_t b, Random& random) {
  const double product = -value_of(t, a) * value_of(t, b);
  std::uint64_t bits = 0;
  if (t == Type::f64) {
    bits = std::bit_cast<std::uint64_t>(product);
  } else {
    const auto f = std::bit_cast<std::uint32_t>(static_cast<float>(product));
    if (t == Type::f32) bits = f;
    if (t == Type::bf16) bits = f >> 16;
    if (t == Type::f16) {
      const int e = static_cast<int>(f >> 23 & 255) - 112;
      if (e <= 0 || e >= 31) return a;
      bits = (f >> 16 & 0x8000u) | static_cast<std::uint32_t>(e) << 10 | (f >> 13 & 0x3ffu);
    }
  }
  return (bits + static_cast<std::uint64_t>(random.integer(-1, 1))) & mask_of(t);
}

/// Makes the operands of one case close to cancelling.
void correlate(const std::vector<Type>& types, std::uint64_t* v, Random& random) {
  if (types.size() < 2 || !is_scalar_float(types[0]) || types[1] != types[0]) return;
  if (types.size() == 2) {
    v[1] = opposite(types[0], v[0], random);
  } else if (types[2] == types[0]) {
    v[0] = near_one(types[0], random);
    v[1] = near_one(types[0], random);
    v[2] = cancelling(types[0], v[0], v[1], random);
  }
}

}  // namespace

std::vector<std::uint64_t> operands_for(const Form& form, Random& random) {
  const std::vector<Type>& types = form.from;
  if (types.empty()) return {};
  std::vector<std::vector<std::uint64_t>> lists;
  std::size_t combinations = 1;
  for (const Type t : types) {
    lists.push_back(edges(t));
    combinations = std::min(form.count, combinations) * lists.back().size();
  }
  std::vector<std::uint64_t> words(form.count * types.size());
  const bool all_patterns = types.size() == 1 && isa::bits(types[0]) <= 16;
  const bool crossed = combinations <= form.count / 2;
  for (std::size_t i = 0; i < form.count; ++i) {
    std::uint64_t* v = &words[i * types.size()];
    if (all_patterns) {
      v[0] = i & mask_of(types[0]);
      continue;
    }
    const bool edge = crossed ? i < combinations : random.next() % 3 == 0;
    std::size_t rest = i;
    for (std::size_t k = 0; k < types.size(); ++k) {
      if (!edge) {
        v[k] = draw(types[k], random, lists[k]);
        continue;
      }
      const std::size_t at = crossed ? rest : random.next();
      v[k] = lists[k][at % lists[k].size()];
      rest /= lists[k].size();
    }
    if (!edge && random.next() % 6 == 0) correlate(types, v, random);
  }
  return words;
}

std::string module_around(const std::string& code, const std::vector<Type>& from,
                          const std::vector<Type>& to, const std::string& header, bool stores) {
  std::string declare, load, store;
  for (std::size_t k = 0; k < from.size(); ++k) {
    declare += fmt::format(".reg .{} %a{};\n", declared(from[k]), k);
    if (from[k] == Type::pred) {
      load += fmt::format("ld.global.u32 %t0, [%in+{}];\nsetp.ne.u32 %a{}, %t0, 0;\n", 8 * k, k);
    } else {
      load += fmt::format("ld.global.{} %a{}, [%in+{}];\n", moved(from[k]), k, 8 * k);
    }
  }
  for (std::size_t k = 0; k < to.size(); ++k) {
    declare += fmt::format(".reg .{} %d{};\n", declared(to[k]), k);
    if (!stores) continue;
    if (to[k] == Type::pred) {
      store += fmt::format("selp.u32 %t0, 1, 0, %d{};\nst.global.u32 [%out+{}], %t0;\n", k, 8 * k);
    } else {
      store += fmt::format("st.global.{} [%out+{}], %d{};\n", moved(to[k]), 8 * k, k);
    }
  }
  return fmt::format(
      "{}.visible .entry k(.param .u64 p_in, .param .u64 p_out, .param .u32 p_count,\n"
      "  .param .align 16 .b8 p_cell[16])\n{{\n"
      ".reg .b32 %case, %cta, %width, %thread, %t<4>;\n.reg .b64 %in, %out, %w<4>;\n"
      ".reg .pred %q<4>;\n.shared .align 16 .b8 tile[8192];\n{}"
      "mov.u32 %cta, %ctaid.x;\nmov.u32 %width, %ntid.x;\nmov.u32 %thread, %tid.x;\n"
      "mad.lo.u32 %case, %cta, %width, %thread;\n"
      "ld.param.u64 %in, [p_in];\ncvta.to.global.u64 %in, %in;\n"
      "mad.wide.u32 %in, %case, {}, %in;\n"
      "ld.param.u64 %out, [p_out];\ncvta.to.global.u64 %out, %out;\n"
      "mad.wide.u32 %out, %case, {}, %out;\n{}{}\n{}ret;\n}}\n",
      header, declare, 8 * from.size(), 8 * to.size(), load, code, store);
}

Form plain_form(std::string group, std::string name, const std::string& code,
                std::vector<Type> from, std::vector<Type> to, Bound bound) {
  Form f;
  f.group = std::move(group);
  f.name = std::move(name);
  f.ptx = module_around(code, from, to, plain_header);
  f.from = std::move(from);
  f.to = std::move(to);
  f.bound = bound;
  f.count = usual_count;
  return f;
}

Form plain_form(std::string group, const std::string& name, std::vector<Type> from, Type to,
                Bound bound) {
  std::string code = name + " %d0";
  for (std::size_t k = 0; k < from.size(); ++k) code += fmt::format(", %a{}", k);
  return plain_form(std::move(group), name, code + ";", std::move(from), std::vector<Type>{to},
                    bound);
}

std::vector<Form> all_forms() {
  std::vector<Form> all;
  for (const auto list :
       {table_forms, memory_forms, float_forms, integer_forms, conversion_forms, matrix_forms}) {
    std::vector<Form> forms = list();
    all.insert(all.end(), std::make_move_iterator(forms.begin()),
               std::make_move_iterator(forms.end()));
  }
  return all;
}

}  // namespace ptxmill::test
