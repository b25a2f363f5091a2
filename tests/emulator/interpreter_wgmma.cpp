// Products of a warpgroup: where elements lie, and how sums are rounded.
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "hopper_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

using U32 = std::uint32_t;

struct Format {
  int fraction, least;  ///< bits, and the least normal's exponent
  int shift;            ///< of the pattern within its word
};
constexpr Format f16{10, -14, 0}, bf16{7, -126, 0}, tf32{10, -126, 13}, f32{23, -126, 0};

/// The pattern of a value that has one.
U32 pattern(const Format& f, double v) {
  const int bits = f.fraction + (f.least == -14 ? 6 : 9);
  const U32 sign = std::signbit(v) ? 1u << (bits - 1) : 0u;
  if (v == 0) return sign << f.shift;
  const int exponent = std::max(std::ilogb(v), f.least);
  const auto scaled = static_cast<U32>(std::ldexp(std::fabs(v), f.fraction - exponent));
  const U32 field = scaled >> f.fraction == 0 ? 0 : static_cast<U32>(exponent - f.least + 1);
  return (sign | field << f.fraction | (scaled & ((1u << f.fraction) - 1))) << f.shift;
}

double value(const Format& f, U32 word) {
  const int exponent_bits = f.least == -14 ? 5 : 8;
  const U32 p = word >> f.shift;
  const U32 field = p >> f.fraction & ((1u << exponent_bits) - 1);
  const double significand = (p & ((1u << f.fraction) - 1)) + (field != 0 ? 1u << f.fraction : 0u);
  const double v =
      std::ldexp(significand, std::max<int>(static_cast<int>(field), 1) - 1 + f.least - f.fraction);
  return (p >> (f.fraction + exponent_bits) & 1) != 0 ? -v : v;
}

/// Fills a case with small integers, whose sums are exact.
void fill_integers(WarpgroupCase& c, U32 seed, const std::function<U32(int)>& in,
                   const std::function<U32(int)>& out, int least = -4) {
  c.resize();
  std::mt19937 random(seed);
  const auto draw = [&] { return static_cast<int>(random() % 9) + least; };
  for (U32& v : c.a) v = in(draw());
  for (U32& v : c.b) v = in(draw());
  for (U32& v : c.d) v = out(10 * draw());
}

/// a * b scaled, plus d, in the arithmetic of whole numbers.
std::vector<int> whole_product(WarpgroupCase& c, const std::function<int(U32)>& in,
                               const std::function<int(U32)>& out, int factor, bool accumulate) {
  std::vector<int> sums;
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < c.n; ++column) {
      int sum = 0;
      for (int i = 0; i < c.k; ++i) sum += in(c.at_a(row, i)) * in(c.at_b(i, column));
      sums.push_back(factor * sum + (accumulate ? out(c.at_d(row, column)) : 0));
    }
  }
  return sums;
}

void check_floats(WarpgroupCase& c, const Format& in, const Format& out, U32 seed, int factor = 1,
                  bool accumulate = true) {
  fill_integers(
      c, seed, [&](int v) { return pattern(in, v); }, [&](int v) { return pattern(out, v); });
  const auto expected = whole_product(
      c, [&](U32 v) { return static_cast<int>(value(in, v)); },
      [&](U32 v) { return static_cast<int>(value(out, v)); }, factor, accumulate);
  const auto result = c.run();
  REQUIRE(result.size() == expected.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < result.size(); ++i)
    wrong += result[i] == pattern(out, expected[i]) ? 0 : 1;
  CAPTURE(c.a_layout.along_k);
  CAPTURE(c.b_layout.along_k);
  CAPTURE(c.a_layout.width);
  CAPTURE(c.b_layout.width);
  CHECK(wrong == 0);
}

constexpr int widths[] = {16, 32, 64, 128};

TEST_CASE("wgmma: every order and swizzle of both factors") {
  for (int combination = 0; combination < 4; ++combination) {
    for (std::size_t w = 0; w < 4; ++w) {
      WarpgroupCase c;
      c.a_layout.along_k = (combination & 1) == 0;
      c.b_layout.along_k = (combination & 2) == 0;
      c.a_layout.width = widths[w];
      c.b_layout.width = widths[(w + static_cast<std::size_t>(combination)) % 4];
      c.n = 64;
      c.types = w % 2 == 0 ? "f32.bf16.bf16" : "f32.f16.f16";
      c.tail = std::string(", 1, 1, ") + (c.a_layout.along_k ? "0, " : "1, ") +
               (c.b_layout.along_k ? "0" : "1");
      check_floats(c, w % 2 == 0 ? bf16 : f16, f32, static_cast<U32>(w));
    }
  }
}

TEST_CASE("wgmma: widths of the result") {
  for (const int n : {8, 16, 24, 40, 128, 200, 248, 256}) {
    for (const bool along_k : {true, false}) {
      if (!along_k && n % 64 != 0) continue;  // a swizzled row has 64 columns
      WarpgroupCase c;
      c.n = n;
      c.a_layout.width = c.b_layout.width = 128;
      c.b_layout.along_k = along_k;
      c.schedule = n % 16 == 0 ? Schedule::latest : Schedule::random;
      c.tail = along_k ? ", 1, 1, 0, 0" : ", 1, 1, 0, 1";
      check_floats(c, bf16, f32, static_cast<U32>(n));
    }
  }
}

TEST_CASE("wgmma: a from registers") {
  for (const int n : {8, 96, 256}) {
    WarpgroupCase c;
    c.n = n;
    c.registers = true;
    c.types = "f32.f16.f16";
    c.b_layout.width = 64;
    c.tail = ", 1, 1, 0";
    check_floats(c, f16, f32, 5);
    c.types = "f32.bf16.bf16";
    c.b_layout.along_k = n % 32 != 0;
    c.tail = c.b_layout.along_k ? ", 1, 1, 0" : ", 1, 1, 1";
    check_floats(c, bf16, f32, 6);
  }
}

TEST_CASE("wgmma: tf32, and results in f16") {
  for (const bool registers : {false, true}) {
    WarpgroupCase c;
    c.types = "f32.tf32.tf32";
    c.n = 56;
    c.k = 8;
    c.bytes = 4;
    c.registers = registers;
    c.a_layout.width = 128;
    c.b_layout.width = 32;
    c.tail = ", 1, 1";
    check_floats(c, tf32, f32, 7);
  }
  for (const int n : {8, 80}) {
    WarpgroupCase c;
    c.types = "f16.f16.f16";
    c.n = n;
    c.half = true;
    c.a_layout.width = c.b_layout.width = 128;
    check_floats(c, f16, f16, 8);
  }
}

TEST_CASE("wgmma: scale-d, and the signs of the factors") {
  WarpgroupCase c;
  c.n = 32;
  c.scale = "0";
  check_floats(c, bf16, f32, 9, 1, false);
  c.scale = "%scale";
  check_floats(c, bf16, f32, 10);
  c.scale = "!%scale";
  check_floats(c, bf16, f32, 11, 1, false);
  c.scale = "1";
  c.tail = ", -1, 1, 0, 0";
  check_floats(c, bf16, f32, 12, -1);
  c.tail = ", 1, -1, 0, 0";
  check_floats(c, bf16, f32, 13, -1);
  c.tail = ", -1, -1, 0, 0";
  check_floats(c, bf16, f32, 14);
}

TEST_CASE("wgmma: steps along k within a swizzled row") {
  for (const int step : {1, 2, 3}) {
    WarpgroupCase c;
    c.n = 16;
    c.a_layout.width = c.b_layout.width = 128;
    // The product's 16 columns of k are those from 16 * step on of a row of 64.
    c.resize();
    std::mt19937 random(static_cast<U32>(step));
    for (U32& v : c.a) v = pattern(bf16, static_cast<int>(random() % 9) - 4);
    for (U32& v : c.b) v = pattern(bf16, static_cast<int>(random() % 9) - 4);
    const auto expected = whole_product(
        c, [&](U32 v) { return static_cast<int>(value(bf16, v)); }, [](U32) { return 0; }, 1,
        false);
    c.a_layout.start += static_cast<U32>(32 * step);
    c.b_layout.start += static_cast<U32>(32 * step);
    const auto result = c.run();
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(result[i] == pattern(f32, expected[i]));
  }
}

TEST_CASE("wgmma: integers") {
  struct Signs {
    const char* types;
    bool a_sign, b_sign;
  };
  for (const Signs& s : {Signs{"s32.s8.s8", true, true}, Signs{"s32.u8.u8", false, false},
                         Signs{"s32.s8.u8", true, false}, Signs{"s32.u8.s8", false, true}}) {
    for (const bool registers : {false, true}) {
      WarpgroupCase c;
      c.types = s.types;
      c.n = registers ? 24 : 48;
      c.k = 32;
      c.bytes = 1;
      c.registers = registers;
      c.a_layout.width = c.b_layout.width = 64;
      c.tail = "";
      c.resize();
      std::mt19937 random(1);
      for (U32& v : c.a) v = random() & 0xffu;
      for (U32& v : c.b) v = random() & 0xffu;
      for (U32& v : c.d) v = random();
      const auto result = c.run();
      const auto number = [](U32 v, bool sign) {
        return sign && v >= 128 ? static_cast<int>(v) - 256 : static_cast<int>(v);
      };
      std::size_t wrong = 0;
      for (int row = 0; row < 64; ++row) {
        for (int column = 0; column < c.n; ++column) {
          int sum = 0;
          for (int i = 0; i < 32; ++i)
            sum += number(c.at_a(row, i), s.a_sign) * number(c.at_b(i, column), s.b_sign);
          const U32 expected = c.at_d(row, column) + static_cast<U32>(sum);
          wrong += result[static_cast<std::size_t>(row * c.n + column)] == expected ? 0 : 1;
        }
      }
      CHECK(wrong == 0);
    }
  }
  WarpgroupCase c;
  c.types = "s32.s8.s8.satfinite";
  c.k = 32;
  c.bytes = 1;
  c.tail = "";
  c.resize();
  for (U32& v : c.a) v = 127;
  for (U32& v : c.b) v = 127;
  for (U32& v : c.d) v = 0x7fffff00u;
  for (const U32 v : c.run()) CHECK(v == 0x7fffffffu);
}

/// The sum of a product's terms as docs/emulator.md says: cut 25 bits below the largest exponent.
double cut_sum(const std::vector<std::pair<double, int>>& terms) {
  int largest = std::numeric_limits<int>::min();
  for (const auto& t : terms)
    if (t.first != 0) largest = std::max(largest, t.second);
  double sum = 0;
  for (const auto& t : terms)
    if (t.first != 0) sum += std::trunc(std::ldexp(t.first, 25 - largest));
  return sum == 0 ? 0 : std::ldexp(sum, largest - 25);
}

/// Toward zero to f32.
U32 cut_to_f32(double v) {
  if (std::fabs(v) >= 0x1p128) return v < 0 ? 0xff800000u : 0x7f800000u;
  const int exponent = v == 0 ? -126 : std::max(std::ilogb(v), -126);
  return pattern(f32, std::ldexp(std::trunc(std::ldexp(v, 23 - exponent)), exponent - 23));
}

/// The exponent in the field of a number's format.
int exponent_in(const Format& f, double v) { return std::max(std::ilogb(v), f.least); }

void check_cut_sums(WarpgroupCase& c, const Format& in, int exponents, int middle, U32 seed) {
  c.resize();
  std::mt19937 random(seed);
  const auto draw = [&](const Format& f, int centre) {
    const int e = std::min(
        127, centre + static_cast<int>(random() % static_cast<U32>(exponents)) - exponents / 2);
    const double v = std::ldexp(1.0 + static_cast<double>(random() % (1u << f.fraction)) /
                                          static_cast<double>(1u << f.fraction),
                                e);
    // Rounded to what the format has where it is subnormal.
    const int last = std::max(e, f.least) - f.fraction;
    const double kept = std::ldexp(std::trunc(std::ldexp(v, -last)), last);
    return pattern(f, (random() & 1) != 0 ? kept : -kept);
  };
  for (U32& v : c.a) v = random() % 16 == 0 ? 0 : draw(in, middle);
  for (U32& v : c.b) v = random() % 16 == 0 ? 0 : draw(in, middle);
  for (U32& v : c.d) v = random() % 16 == 0 ? 0 : draw(f32, 2 * middle);
  const auto result = c.run();
  std::size_t wrong = 0;
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < c.n; ++column) {
      std::vector<std::pair<double, int>> terms;
      const double start = value(f32, c.at_d(row, column));
      terms.emplace_back(start, start == 0 ? 0 : exponent_in(f32, start));
      for (int i = 0; i < c.k; ++i) {
        const double x = value(in, c.at_a(row, i)), y = value(in, c.at_b(i, column));
        terms.emplace_back(x * y, x * y == 0 ? 0 : exponent_in(in, x) + exponent_in(in, y));
      }
      wrong += result[static_cast<std::size_t>(row * c.n + column)] == cut_to_f32(cut_sum(terms))
                   ? 0
                   : 1;
    }
  }
  CAPTURE(exponents);
  CAPTURE(middle);
  CHECK(wrong == 0);
}

TEST_CASE("wgmma: terms are cut at the largest exponent") {
  for (const int middle : {0, -6, 30, 60, -50, -63, -70}) {
    WarpgroupCase c;
    c.n = 16;
    for (const int exponents : {1, 4, 12, 60}) {
      c.types = "f32.bf16.bf16";
      c.k = 16;
      c.bytes = 2;
      c.tail = ", 1, 1, 0, 0";
      check_cut_sums(c, bf16, exponents, middle, 3);
      c.types = "f32.tf32.tf32";
      c.k = 8;
      c.bytes = 4;
      c.tail = ", 1, 1";
      check_cut_sums(c, tf32, exponents, middle, 4);
    }
  }
  WarpgroupCase c;
  c.n = 24;
  c.types = "f32.f16.f16";
  for (const int exponents : {1, 6, 28}) check_cut_sums(c, f16, exponents, 0, 5);
}

TEST_CASE("wgmma: infinities and NaN") {
  WarpgroupCase c;
  c.n = 8;
  c.resize();
  for (U32& v : c.a) v = 0x3f80;
  for (U32& v : c.b) v = 0x3f80;
  c.at_a(3, 5) = 0x7f80;  // infinite row
  c.at_b(7, 2) = 0xffc0;  // NaN column
  c.at_b(5, 4) = 0;       // infinity times zero
  c.at_d(10, 1) = 0xff800000u;
  const auto result = c.run();
  const auto at = [&](int row, int column) {
    return result[static_cast<std::size_t>(row * 8 + column)];
  };
  CHECK(at(3, 0) == 0x7f800000u);
  CHECK(at(3, 4) == 0x7fffffffu);
  CHECK(at(0, 2) == 0x7fffffffu);
  CHECK(at(10, 1) == 0xff800000u);
  CHECK(at(10, 0) == std::bit_cast<U32>(16.0f));
  CHECK(at(10, 4) == std::bit_cast<U32>(15.0f));
}

TEST_CASE("wgmma: what is refused") {
  const auto log = [](std::string_view line, std::string_view target = "sm_90a") {
    return refusal(hopper_text("",
                               ".reg .f32 %f<4>;\n.reg .b64 %a;\n.reg .pred %p;\n" +
                                   std::string(line) + "\nret;\n",
                               target),
                   Machine{});
  };
  check_contains(log("wgmma.fence.sync.aligned;", "sm_90"),
                 {"Instruction 'wgmma.fence' not supported on .target 'sm_90'"});
  check_contains(log("setmaxnreg.inc.sync.aligned.u32 40;", "sm_80"),
                 {"Instruction 'setmaxnreg.inc' not supported on .target 'sm_80'"});
  check_contains(log("wgmma.mma_async.sync.aligned.m64n12k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %a, "
                     "%a, 1, 1, 1, 0, 0;"),
                 {"Shape modifier required"});
  check_contains(
      log("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f0, %f1, %f2}, %a, %a, 1, "
          "1, 1, 0, 0;"),
      {"3 registers, expected 4"});
  check_contains(
      log("wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%f0, %f1, %f2, %f3}, %a, "
          "%a, 1, 1, 1;"),
      {"Unsupported by the emulator: type '.e4m3'"});
  check_contains(log("wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%f0, %f1, %f2, %f3}, %a, "
                     "%a, 1, 1, 1, 0, 0;"),
                 {"takes 6 operands, not 8"});
  check_contains(log("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %a, "
                     "%a, 1, 2, 1, 0, 0;"),
                 {"expected to be 1 or -1"});
  check_contains(log("setmaxnreg.dec.sync.aligned.u32 20;"), {"multiple of 8 in range [24..256]"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
