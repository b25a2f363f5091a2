// Matrix products of a warp: where elements lie, and how sums are rounded.
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

using U32 = std::uint32_t;

/// An f16 pattern of a value that has one, without rounding.
U32 f16(double v) {
  if (v == 0) return std::signbit(v) ? 0x8000 : 0;
  const U32 sign = v < 0 ? 0x8000 : 0;
  const int exponent = std::ilogb(v);
  if (exponent < -14) return sign | static_cast<U32>(std::ldexp(std::fabs(v), 24));
  const auto fraction = static_cast<U32>(std::ldexp(std::fabs(v), 10 - exponent)) & 0x3ffu;
  return sign | static_cast<U32>(exponent + 15) << 10 | fraction;
}

/// One product: matrices by rows, results likewise, element patterns in 32-bit words.
struct Product {
  std::string name;  ///< as "m16n8k16.row.col.f32.f16.f16.f32"
  int m, n, k;
  int bits;           ///< of an element of a and b
  bool half = false;  ///< c and d are f16

  std::vector<U32> a, b, c;

  Product(std::string spelled, int rows, int columns, int depth, int element_bits)
      : name(std::move(spelled)),
        m(rows),
        n(columns),
        k(depth),
        bits(element_bits),
        a(static_cast<std::size_t>(m * k)),
        b(static_cast<std::size_t>(k * n)),
        c(static_cast<std::size_t>(m * n)) {}

  U32& at_a(int row, int column) { return a[static_cast<std::size_t>(row * k + column)]; }
  U32& at_b(int row, int column) { return b[static_cast<std::size_t>(row * n + column)]; }
  U32& at_c(int row, int column) { return c[static_cast<std::size_t>(row * n + column)]; }

  std::vector<U32> run() const;
};

/// Where the manual puts element `i` of a lane's fragment (the figures of "mma.m16n8k16" and its
/// neighbours): groupID is lane / 4, threadID_in_group lane % 4.
struct Place {
  int row, column;
};

/// a_i; `packed` elements share a register.
Place place_a(int m, int packed, int lane, int i) {
  const int reg = i / packed, part = i % packed;
  const bool lower = m == 16 && reg % 2 == 1;
  const int along = m == 16 ? reg / 2 : reg;
  return {lane / 4 + (lower ? 8 : 0), lane % 4 * packed + part + along * 4 * packed};
}
Place place_b(int packed, int lane, int i) {
  return {lane % 4 * packed + i % packed + i / packed * 4 * packed, lane / 4};
}
Place place_c(int lane, int i) { return {lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2}; }

std::string list(char letter, int count) {
  std::string s;
  for (int i = 0; i < count; ++i)
    s += (s.empty() ? "%" : ", %") + std::string(1, letter) + std::to_string(i);
  return "{" + s + "}";
}

/// The registers of all lanes, lane by lane.
template <class Find>
std::vector<U32> packed_registers(int registers, int packed, int bits, Find find) {
  std::vector<U32> out;
  for (int lane = 0; lane < 32; ++lane) {
    for (int r = 0; r < registers; ++r) {
      U32 v = 0;
      for (int p = 0; p < packed; ++p) v |= find(lane, r * packed + p) << (p * bits % 32);
      out.push_back(v);
    }
  }
  return out;
}

std::vector<U32> Product::run() const {
  const int packed = 32 / bits, c_packed = half ? 2 : 1;
  const int a_count = m * k / 32 / packed, b_count = k * n / 32 / packed;
  const int c_count = m * n / 32 / c_packed;
  const auto find = [](const std::vector<U32>& from, int stride, Place p) {
    return from[static_cast<std::size_t>(p.row * stride + p.column)];
  };
  const auto as = packed_registers(a_count, packed, bits, [&](int lane, int i) {
    return find(a, k, place_a(m, packed, lane, i));
  });
  const auto bs = packed_registers(
      b_count, packed, bits, [&](int lane, int i) { return find(b, n, place_b(packed, lane, i)); });
  const auto cs = packed_registers(c_count, c_packed, 16,
                                   [&](int lane, int i) { return find(c, n, place_c(lane, i)); });
  std::string body = ".reg .b64 %at;\n.reg .b32 %lane;\nmov.u32 %lane, %tid.x;\n";
  const auto load = [&](char letter, int count) {
    const std::string called(1, letter);
    body += ".reg .b32 %" + called + "<" + std::to_string(count) + ">;\nld.param.u64 %at, [p_" +
            called + "];\nmad.wide.u32 %at, %lane, " + std::to_string(4 * count) + ", %at;\n";
    for (int i = 0; i < count; ++i)
      body += "ld.global.b32 %" + called + std::to_string(i) + ", [%at+" + std::to_string(4 * i) +
              "];\n";
  };
  load('a', a_count);
  load('b', b_count);
  load('c', c_count);
  body += "mma.sync.aligned." + name + " " + list('c', c_count) + ", " + list('a', a_count) + ", " +
          list('b', b_count) + ", " + list('c', c_count) + ";\n";
  for (int i = 0; i < c_count; ++i)
    body += "st.global.b32 [%at+" + std::to_string(4 * i) + "], %c" + std::to_string(i) + ";\n";
  Device device(module_text(".param .u64 p_a, .param .u64 p_b, .param .u64 p_c", body + "ret;"));
  const DeviceAddress at = device.upload(cs);
  check_clean(device.run(Shape{}, device.upload(as), device.upload(bs), at));
  const auto raw = device.download<U32>(at, cs.size());
  std::vector<U32> out(c.size());
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < c_count * c_packed; ++i) {
      const Place p = place_c(lane, i);
      const U32 v = raw[static_cast<std::size_t>(lane * c_count + i / c_packed)];
      out[static_cast<std::size_t>(p.row * n + p.column)] = half ? v >> (i % 2 * 16) & 0xffffu : v;
    }
  }
  return out;
}

Product f16_product(int k) {
  return {"m16n8k" + std::to_string(k) + ".row.col.f32.f16.f16.f32", 16, 8, k, 16};
}

float real(U32 bits) { return std::bit_cast<float>(bits); }

/// The sum c + a[0] b[0] + ..., in all elements alike.
float dot(const std::vector<double>& a, const std::vector<double>& b, float c = 0) {
  Product p = f16_product(16);
  for (int k = 0; k < 16; ++k) {
    const auto at = static_cast<std::size_t>(k);
    for (int row = 0; row < 16; ++row) p.at_a(row, k) = f16(at < a.size() ? a[at] : 0);
    for (int column = 0; column < 8; ++column) p.at_b(k, column) = f16(at < b.size() ? b[at] : 0);
  }
  for (U32& v : p.c) v = std::bit_cast<U32>(c);
  const auto d = p.run();
  for (const U32 v : d) CHECK(v == d[0]);
  return real(d[0]);
}

TEST_CASE("mma, small whole numbers are exact in every shape of f16, bf16 and tf32") {
  struct Format {
    const char* name;
    int bits;
    std::vector<int> depths;
  };
  for (const Format& f :
       {Format{"f16", 16, {8, 16}}, Format{"bf16", 16, {8, 16}}, Format{"tf32", 32, {4, 8}}}) {
    for (const int k : f.depths) {
      const std::string t = f.name;
      Product p("m16n8k" + std::to_string(k) + ".row.col.f32." + t + "." + t + ".f32", 16, 8, k,
                f.bits);
      const auto pattern = [&](int v) {
        const U32 single = std::bit_cast<U32>(static_cast<float>(v));
        return t == "f16" ? f16(v) : t == "bf16" ? single >> 16 : single;
      };
      const auto a = [](int row, int column) { return (row * 7 + column * 3) % 17 - 8; };
      const auto b = [](int row, int column) { return (row * 5 + column * 11) % 19 - 9; };
      const auto c = [](int row, int column) { return row * 100 + column * 13 - 700; };
      for (int row = 0; row < 16; ++row)
        for (int i = 0; i < k; ++i) p.at_a(row, i) = pattern(a(row, i));
      for (int i = 0; i < k; ++i)
        for (int column = 0; column < 8; ++column) p.at_b(i, column) = pattern(b(i, column));
      for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 8; ++column)
          p.at_c(row, column) = std::bit_cast<U32>(static_cast<float>(c(row, column)));
      const auto d = p.run();
      for (int row = 0; row < 16; ++row) {
        for (int column = 0; column < 8; ++column) {
          int expected = c(row, column);
          for (int i = 0; i < k; ++i) expected += a(row, i) * b(i, column);
          CHECK_MESSAGE(
              real(d[static_cast<std::size_t>(row * 8 + column)]) == static_cast<float>(expected),
              p.name << " at " << row << ", " << column);
        }
      }
    }
  }
}

TEST_CASE("mma, integers of eight and four bits, signed and not, wrapped and saturated") {
  for (const int bits : {8, 4}) {
    for (const int m : {8, 16}) {
      for (const bool sign : {true, false}) {
        for (const bool saturate : {true, false}) {
          const int k = 128 / bits;
          const std::string t = (sign ? "s" : "u") + std::to_string(bits);
          Product p("m" + std::to_string(m) + "n8k" + std::to_string(k) + ".row.col" +
                        (saturate ? ".satfinite" : "") + ".s32." + t + "." + t + ".s32",
                    m, 8, k, bits);
          const U32 mask = (1u << bits) - 1;
          for (std::size_t i = 0; i < p.a.size(); ++i)
            p.a[i] = static_cast<U32>(i * 37 + 11) & mask;
          for (std::size_t i = 0; i < p.b.size(); ++i) p.b[i] = static_cast<U32>(i * 91 + 5) & mask;
          for (std::size_t i = 0; i < p.c.size(); ++i)
            p.c[i] = i % 3 == 0 ? 0x7fffff00u : i % 3 == 1 ? 0x80000100u : static_cast<U32>(i);
          const auto value = [&](U32 v) {
            return sign && v > mask / 2 ? static_cast<std::int64_t>(v) - mask - 1
                                        : static_cast<std::int64_t>(v);
          };
          const auto d = p.run();
          for (int row = 0; row < m; ++row) {
            for (int column = 0; column < 8; ++column) {
              auto sum = static_cast<std::int64_t>(static_cast<std::int32_t>(p.at_c(row, column)));
              for (int i = 0; i < k; ++i) sum += value(p.at_a(row, i)) * value(p.at_b(i, column));
              if (saturate) {
                using L = std::numeric_limits<std::int32_t>;
                sum = std::min<std::int64_t>(std::max<std::int64_t>(sum, L::min()), L::max());
              }
              CHECK_MESSAGE(d[static_cast<std::size_t>(row * 8 + column)] ==
                                static_cast<U32>(static_cast<std::uint64_t>(sum)),
                            p.name << " at " << row << ", " << column);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("mma, terms are cut 25 bits below the largest exponent, toward zero") {
  // 1 - 1 + a small term: what is left of the term.
  const auto left_of = [](double a, double b) { return dot({1, a, -1}, {1, b, 1}); };
  CHECK(left_of(0x1p-12, 0x1p-13) == 0x1p-25F);
  CHECK(left_of(0x1p-12, 0x1p-14) == 0);
  CHECK(left_of(0x1.8p-12, 0x1p-13) == 0x1p-25F);
  CHECK(left_of(-0x1.8p-12, 0x1p-13) == -0x1p-25F);
  // A product of 1.5 and 1.5 is above 2, but its exponent counts as 0.
  CHECK(dot({1.5, 0x1p-12, -1.5}, {1.5, 0x1p-13, 1.5}) == 0x1p-25F);
  // The accumulator takes part with its own exponent, and the last products with the first.
  CHECK(dot({0x1p-12}, {0x1p-13}, 4.0F) == 4.0F);
  CHECK(dot({0x1p-12, -2}, {0x1p-13, 2}, 4.0F) == 0);
  CHECK(dot({0x1p-11, -2}, {0x1p-12, 2}, 4.0F) == 0x1p-23F);
  std::vector<double> a(16, 0.0), b(16, 1.0);
  a[0] = 1024;
  a[7] = 0x1p-16;
  a[15] = -1024;
  CHECK(dot(a, b) == 0);
  a[7] = 0x1p-15;
  CHECK(dot(a, b) == 0x1p-15F);
}

TEST_CASE("mma, a sum is cut to f32, and infinite from 2^128") {
  CHECK(dot({1, 0x1p-12}, {1, 0x1.8p-12}) == 1.0F);
  CHECK(dot({-1, -0x1p-12}, {1, 0x1.8p-12}) == -1.0F);
  CHECK(dot({1, 0x1p-11}, {1, 0x1.8p-12}) == 1.0F + 0x1p-23F);
  const float most = std::numeric_limits<float>::max();
  CHECK(dot({0}, {0}, most) == most);
  // All f16 products are far below the last place of the largest f32.
  CHECK(dot({65504}, {65504}, most) == most);
  CHECK(dot({0x1p-24}, {0x1p-24}) == 0x1p-48F);
  CHECK(dot({0}, {1}, 0x1p-149F) == 0x1p-149F);
  Product p("m16n8k8.row.col.f32.bf16.bf16.f32", 16, 8, 8, 16);
  const U32 patterns[] = {0x7f7f, 0xff7f, 0x7eff};  // the largest bf16, its negative, half of it
  for (int row = 0; row < 3; ++row) p.at_a(row, 0) = patterns[row];
  for (int column = 0; column < 8; ++column) p.at_b(0, column) = 0x4000;  // 2
  const auto d = p.run();
  CHECK(d[0] == 0x7f800000u);
  CHECK(d[8] == 0xff800000u);
  CHECK(d[16] == 0x7f7f0000u);
}

TEST_CASE("mma, infinities and NaN") {
  const auto special = [](U32 x, U32 y, float c) {
    Product p = f16_product(8);
    p.at_a(3, 5) = x;
    p.at_b(5, 2) = y;
    for (U32& v : p.c) v = std::bit_cast<U32>(c);
    const auto d = p.run();
    CHECK(d[0] == std::bit_cast<U32>(c));
    return d[3 * 8 + 2];
  };
  constexpr U32 one = 0x3c00, infinity = 0x7c00, nan = 0x7e01, canonical = 0x7fffffff;
  CHECK(special(infinity, one, 1.0F) == 0x7f800000u);
  CHECK(special(infinity | 0x8000, one, 1.0F) == 0xff800000u);
  CHECK(special(infinity, 0, 1.0F) == canonical);
  CHECK(special(nan, one, 1.0F) == canonical);
}

TEST_CASE("mma, f16 results are rounded to nearest, ties to even") {
  Product p("m16n8k8.row.col.f16.f16.f16.f16", 16, 8, 8, 16);
  p.half = true;
  const double terms[] = {0x1p-11, 0x1.8p-10, 0x1.004p-11};
  for (int row = 0; row < 3; ++row) {
    p.at_a(row, 0) = f16(1);
    p.at_a(row, 1) = f16(terms[row]);
  }
  for (int column = 0; column < 8; ++column) p.at_b(0, column) = p.at_b(1, column) = f16(1);
  const auto d = p.run();
  CHECK(d[0] == 0x3c00);
  CHECK(d[8] == 0x3c02);
  CHECK(d[16] == 0x3c01);
}

constexpr const char* some_product =
    "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, {%a0, %a1}, {%b}, "
    "{%f0, %f1, %f2, %f3};\n";

std::string product_of_ones(const std::string& before) {
  return ".reg .f32 %f<4>;\n.reg .b32 %a<2>, %b, %lane;\n.reg .pred %p;\n.reg .b64 %at;\n"
         "mov.u32 %lane, %tid.x;\nmov.b32 %a1, 0;\nmov.b32 %b, 0;\nmov.f32 %f0, 0f00000000;\n"
         "mov.f32 %f1, %f0;\nmov.f32 %f2, %f0;\nmov.f32 %f3, %f0;\nld.param.u64 %at, [p_d];\n"
         "mad.wide.u32 %at, %lane, 4, %at;\n" +
         before;
}

TEST_CASE("mma, what is undefined spoils its row alone") {
  // Lane 5 holds elements of row 1 of a, and lane 4 of the results of that row.
  const std::string body = product_of_ones("setp.eq.u32 %p, %lane, 5;\n@!%p mov.b32 %a0, 0;\n" +
                                           std::string(some_product));
  const auto stored = [&](int group, const char* reg) {
    Device device(
        module_text(".param .u64 p_d", body + "shr.u32 %b, %lane, 2;\nsetp.eq.u32 %p, %b, " +
                                           std::to_string(group) + ";\n@%p st.global.f32 [%at], " +
                                           reg + ";\nret;"));
    return device.run(Shape{}, device.reserve(128));
  };
  check_clean(stored(0, "%f0"));
  check_clean(stored(1, "%f2"));  // row 9
  check_contains(stored(1, "%f0").report, {"undefined value stored"});
}

TEST_CASE("mma, ldmatrix: every lane of the warp is needed") {
  for (const char* instruction :
       {some_product, "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%b}, [tile];\n"}) {
    Device device(module_text(".param .u64 p_d", ".shared .align 16 .b8 tile[512];\n" +
                                                     product_of_ones("mov.b32 %a0, 0;\n") +
                                                     instruction + "ret;"));
    Shape shape;
    shape.block = {24, 1, 1};
    const ExecuteResult r = device.run(shape, device.reserve(128));
    CHECK(r.outcome != Outcome::ok);
    check_contains(r.report, {"not all 32 lanes of the warp"});
  }
}

TEST_CASE("mma, combinations that do not exist are refused") {
  for (const char* spelled : {"m16n8k4.row.col.f32.f16.f16.f32", "m16n8k8.row.col.f16.f16.f16.f32",
                              "m16n8k8.row.col.f32.f16.bf16.f32", "m16n8k8.col.col.f32.f16.f16.f32",
                              "m16n8k8.row.col.satfinite.f32.f16.f16.f32"}) {
    const std::string log = refusal(
        module_text(".param .u64 p_d", product_of_ones("mma.sync.aligned." + std::string(spelled) +
                                                       " {%f0, %f1, %f2, %f3}, {%a0, %a1}, {%b}, "
                                                       "{%f0, %f1, %f2, %f3};\nret;")));
    check_contains(log, {"mma"});
  }
  check_contains(refusal(module_text(".param .u64 p_d",
                                     product_of_ones("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16."
                                                     "f32 {%f0, %f1, %f2, %f3}, {%a0}, {%b}, "
                                                     "{%f0, %f1, %f2, %f3};\nret;"))),
                 {"1 registers, expected 2"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
