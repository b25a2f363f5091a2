// Products and moves of matrices by a warp. The operands of a product are drawn to show how its
// sums are rounded: terms of one size and of very different ones, sums that cancel, subnormals,
// overflow, infinities and NaN.
#include <algorithm>
#include <bit>
#include <string_view>

#include <fmt/format.h>

#include "tests/hardware/form.hpp"

namespace ptxmill::test {
namespace {

using isa::Type;

constexpr std::size_t products = 1024;

struct Element {
  std::string_view name;
  int bits, fraction, exponent;  // of a float
};
constexpr Element f16{"f16", 16, 10, 5}, bf16{"bf16", 16, 7, 8}, tf32{"tf32", 32, 23, 8},
    f32{"f32", 32, 23, 8}, f64{"f64", 64, 52, 11}, s32{"s32", 32, 0, 0};

/// What the operands of one product have in common.
enum class Kind : std::uint8_t {
  even,     ///< magnitudes near 1
  spread,   ///< a few octaves
  wide,     ///< any finite pattern
  cancel,   ///< magnitudes from a short list, so that sums cancel
  sparse,   ///< most are zero
  whole,    ///< small integers
  tiny,     ///< around the least normal
  huge,     ///< around the largest
  special,  ///< a few infinities and NaN
  count
};

std::uint64_t pack_float(const Element& e, bool sign, std::int64_t exponent,
                         std::uint64_t fraction) {
  const std::int64_t bias = (std::int64_t{1} << (e.exponent - 1)) - 1;
  const std::int64_t most = 2 * bias;
  const auto field = static_cast<std::uint64_t>(std::clamp<std::int64_t>(exponent + bias, 0, most));
  return static_cast<std::uint64_t>(sign) << (e.fraction + e.exponent) | field << e.fraction |
         (fraction & ((std::uint64_t{1} << e.fraction) - 1));
}

/// A whole number from -8 to 8 in the format.
std::uint64_t small_whole(const Element& e, Random& random) {
  const std::int64_t v = random.integer(-8, 8);
  if (v == 0) return 0;
  const auto magnitude = static_cast<std::uint64_t>(v < 0 ? -v : v);
  const int top = std::bit_width(magnitude) - 1;
  return pack_float(e, v < 0, top, magnitude << (e.fraction - top));
}

std::uint64_t draw_float(const Element& e, Kind kind, bool accumulator, Random& random) {
  const std::uint64_t bits = random.next();
  const bool sign = (bits >> 63) != 0;
  const std::int64_t bias = (std::int64_t{1} << (e.exponent - 1)) - 1;
  // An accumulator is as large as a product.
  const int twice = accumulator ? 2 : 1;
  switch (kind) {
    case Kind::even: return pack_float(e, sign, random.integer(-1, 1), bits);
    case Kind::spread: return pack_float(e, sign, random.integer(-7, 6) * twice, bits);
    case Kind::wide: return pack_float(e, sign, random.integer(-bias, bias), bits);
    case Kind::cancel: {
      const std::int64_t down[] = {0, 0, 0, -5, -6, -12};
      const std::uint64_t fractions[] = {0, 0, ~std::uint64_t{0}, bits, bits << 8};
      return pack_float(e, sign, down[bits >> 8 & 3] * twice + (accumulator ? 1 : 0),
                        fractions[(bits >> 32) % 5]);
    }
    case Kind::sparse:
      return (bits & 3) != 0 && !accumulator
                 ? static_cast<std::uint64_t>(sign) << (e.fraction + e.exponent)
                 : pack_float(e, sign, random.integer(-9, 9) * twice, bits >> 2);
    case Kind::whole: return small_whole(e, random);
    case Kind::tiny: {
      const std::int64_t low = accumulator ? -bias : -bias / 2;
      return pack_float(e, sign, (bits & 7) == 0 ? -bias : low + random.integer(-9, 9), bits);
    }
    case Kind::huge:
      return pack_float(e, sign && (bits & 3) != 0,
                        bias / (accumulator ? 1 : 2) + 1 - random.integer(0, 3), bits);
    default: {
      if ((bits & 31) != 0) return pack_float(e, sign, random.integer(-1, 1), bits);
      const std::uint64_t infinity = ((std::uint64_t{1} << e.exponent) - 1) << e.fraction;
      const std::uint64_t some = (bits & 96) == 0 ? bits >> 40 & 0x2ff : 0;
      return static_cast<std::uint64_t>(sign) << (e.fraction + e.exponent) | infinity | some;
    }
  }
}

std::uint64_t draw_integer(Kind kind, bool accumulator, Random& random) {
  const std::uint64_t bits = random.next() & 0xffffffffu;
  if (accumulator) {
    if (kind == Kind::huge) return 0x7fffffffu - (bits & 0xfffff);
    if (kind == Kind::tiny) return 0x80000000u + (bits & 0xfffff);
    return kind == Kind::whole ? bits & 0xff : bits;
  }
  if (kind == Kind::huge) return (bits & 1) != 0 ? 0x7f7f7f7fu : 0x80808080u;
  if (kind == Kind::tiny) return (bits & 1) != 0 ? 0xffffffffu : 0x88888888u;
  return bits;
}

/// One register of a fragment.
std::uint64_t draw_register(const Element& e, Kind kind, bool accumulator, Random& random) {
  if (e.exponent == 0) return draw_integer(kind, accumulator, random);
  if (e.bits != 16) return draw_float(e, kind, accumulator, random);
  const std::uint64_t low = draw_float(e, kind, accumulator, random);
  return low | draw_float(e, kind, accumulator, random) << 16;
}

/// How many registers of which element the operands a, b and c have.
struct Fragment {
  Element element;
  std::size_t registers;
};

std::vector<std::uint64_t> draw_product(const std::vector<Fragment>& fragments, std::size_t count,
                                        Random& random) {
  std::vector<std::uint64_t> words;
  for (std::size_t p = 0; p < count; ++p) {
    const auto kind = static_cast<Kind>(p % static_cast<std::size_t>(Kind::count));
    for (int lane = 0; lane < 32; ++lane) {
      for (std::size_t f = 0; f < fragments.size(); ++f) {
        for (std::size_t r = 0; r < fragments[f].registers; ++r)
          words.push_back(draw_register(fragments[f].element, kind, f == 2, random));
      }
    }
  }
  return words;
}

Type register_type(const Element& e) {
  return e.name == "f64" ? Type::f64 : e.name == "f32" ? Type::f32 : Type::b32;
}

std::string braced(char letter, std::size_t first, std::size_t count) {
  std::string list;
  for (std::size_t k = 0; k < count; ++k)
    list += fmt::format("{}%{}{}", list.empty() ? "" : ", ", letter, first + k);
  return "{" + list + "}";
}

std::size_t registers_for(int count, const Element& e) {
  return static_cast<std::size_t>(count * e.bits / 32 / std::max(32, e.bits));
}

/// A product of m x k by k x n; `modifiers` stand before the types, `tail` after them.
Form product_form(int m, int n, int k, const Element& a, const Element& b, const Element& c,
                  const std::string& modifiers = "", const std::string& tail = "") {
  const std::string name = fmt::format("mma.sync.aligned.m{}n{}k{}.row.col{}.{}.{}.{}.{}{}", m, n,
                                       k, modifiers, c.name, a.name, b.name, c.name, tail);
  const std::vector<Fragment> fragments{
      {a, registers_for(m * k, a)}, {b, registers_for(k * n, b)}, {c, registers_for(m * n, c)}};
  std::vector<Type> from, to(fragments[2].registers, register_type(c));
  std::string operands = " " + braced('d', 0, to.size());
  for (const Fragment& f : fragments) {
    operands += ", " + braced('a', from.size(), f.registers);
    from.insert(from.end(), f.registers, register_type(f.element));
  }
  Form form = plain_form("matrix products", name, name + operands + ";", from, to);
  form.count = products * 32;
  form.operands = [fragments](const Form& f, Random& random) {
    return draw_product(fragments, f.count / 32, random);
  };
  return form;
}

void add_products(std::vector<Form>& all) {
  for (const int k : {8, 16}) {
    all.push_back(product_form(16, 8, k, f16, f16, f32));
    all.push_back(product_form(16, 8, k, f16, f16, f16));
    all.push_back(product_form(16, 8, k, bf16, bf16, f32));
  }
  for (const int k : {4, 8}) all.push_back(product_form(16, 8, k, tf32, tf32, f32));
  all.push_back(product_form(8, 8, 4, f64, f64, f64));
  for (const int k : {4, 8, 16}) all.push_back(product_form(16, 8, k, f64, f64, f64));
  const Element bytes[] = {{"s8", 8, 0, 0}, {"u8", 8, 0, 0}};
  const Element nibbles[] = {{"s4", 4, 0, 0}, {"u4", 4, 0, 0}};
  for (const char* saturate : {"", ".satfinite"}) {
    for (const auto& pair : {bytes, nibbles}) {
      const int k = 128 / pair[0].bits;
      for (int which = 0; which < 4; ++which) {
        const Element &a = pair[which / 2], &b = pair[which % 2];
        all.push_back(product_form(8, 8, k, a, b, s32, saturate));
        all.push_back(product_form(16, 8, k, a, b, s32, saturate));
        all.push_back(product_form(16, 8, 2 * k, a, b, s32, saturate));
      }
    }
  }
  const Element bit{"b1", 1, 0, 0};
  for (const char* combine : {".xor.popc", ".and.popc"}) {
    all.push_back(product_form(8, 8, 128, bit, bit, s32, "", combine));
    all.push_back(product_form(16, 8, 128, bit, bit, s32, "", combine));
    all.push_back(product_form(16, 8, 256, bit, bit, s32, "", combine));
  }
}

/// The warp's 512 bytes of `tile` begin at %t1; the row that %a0 names lies at %t2.
constexpr const char* row_addresses =
    "mov.u32 %t0, tile;\nshr.u32 %t1, %thread, 5;\nmad.lo.u32 %t1, %t1, 512, %t0;\n"
    "and.b32 %t2, %a0, 31;\nmad.lo.u32 %t2, %t2, 16, %t1;\n"
    "and.b32 %t0, %thread, 31;\nmad.lo.u32 %t3, %t0, 16, %t1;\n";

void add_moves(std::vector<Form>& all) {
  for (const std::size_t count : {1, 2, 4}) {
    for (const char* transposed : {"", ".trans"}) {
      const std::string load =
          fmt::format("ldmatrix.sync.aligned.m8n8.x{}{}.shared.b16", count, transposed);
      all.push_back(plain_form(
          "matrix moves", load,
          std::string(row_addresses) + "st.shared.v2.b64 [%t3], {%a1, %a2};\nbar.sync 0;\n" + load +
              " " + braced('d', 0, count) + ", [%t2];",
          {Type::u32, Type::b64, Type::b64}, std::vector<Type>(count, Type::b32)));
      const std::string store =
          fmt::format("stmatrix.sync.aligned.m8n8.x{}{}.shared.b16", count, transposed);
      // Rows in an order of their own: exclusive or with a number that the warp agrees on.
      all.push_back(plain_form(
          "matrix moves", store,
          "shr.u32 %t0, %case, 5;\nxor.b32 %a0, %t0, %thread;\n" + std::string(row_addresses) +
              "mov.u64 %w0, 77;\nst.shared.v2.b64 [%t3], {%w0, %w0};\nbar.sync 0;\n" + store +
              " [%t2], " + braced('a', 1, count) +
              ";\nbar.sync 0;\nld.shared.v2.b64 {%d0, %d1}, [%t3];",
          std::vector<Type>(count + 1, Type::b32), {Type::b64, Type::b64}));
    }
  }
  const std::string move = "movmatrix.sync.aligned.m8n8.trans.b16";
  all.push_back(plain_form("matrix moves", move, move + " %d0, %a0;", {Type::b32}, {Type::b32}));
}

}  // namespace

std::vector<Form> matrix_forms() {
  std::vector<Form> all;
  add_products(all);
  add_moves(all);
  return all;
}

}  // namespace ptxmill::test
