// Conversions between integers and floats of every width.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

float f32(std::uint32_t bits) { return std::bit_cast<float>(bits); }

const std::vector<float>& floats() {
  static const std::vector<float> v{0.f,
                                    -0.f,
                                    0.5f,
                                    -0.5f,
                                    1.5f,
                                    2.5f,
                                    -2.5f,
                                    3.99f,
                                    127.6f,
                                    -128.6f,
                                    255.4f,
                                    300.f,
                                    -300.f,
                                    65535.7f,
                                    70000.f,
                                    -40000.f,
                                    2147483648.f,
                                    -2147483904.f,
                                    4294967296.f,
                                    1e19f,
                                    -1e19f,
                                    1e30f,
                                    -1e30f,
                                    f32(1),
                                    f32(0x80000001),
                                    f32(0x7f800000),
                                    f32(0xff800000),
                                    f32(0x7fc00000)};
  return v;
}

double rounded(double v, const std::string& mode) {
  if (mode == "rzi") return std::trunc(v);
  if (mode == "rmi") return std::floor(v);
  if (mode == "rpi") return std::ceil(v);
  const double down = std::floor(v), gap = v - down;
  if (gap != 0.5) return gap < 0.5 ? down : down + 1;
  return std::fmod(down, 2) == 0 ? down : down + 1;
}

template <class D>
D clamped(double v, bool wide_source) {
  using L = std::numeric_limits<D>;
  if (std::isnan(v)) {
    const bool wide = sizeof(D) == 8 || wide_source;
    return wide ? static_cast<D>(std::make_unsigned_t<D>{1} << (sizeof(D) * 8 - 1)) : D{0};
  }
  // Powers of two: exact as doubles, where the limits may not be.
  const double top =
      std::ldexp(1.0, static_cast<int>(sizeof(D) * 8) - (std::is_signed_v<D> ? 1 : 0));
  if (v >= top) return L::max();
  if (std::is_signed_v<D> ? v < -top : v < 0) return L::min();
  return static_cast<D>(v);
}

template <class D>
std::string name() {
  return (std::is_signed_v<D> ? "s" : "u") + std::to_string(sizeof(D) * 8);
}

TEST_CASE_TEMPLATE("floats become integers: rounded, clamped, NaN as the manual says", D,
                   std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t,
                   std::int32_t, std::uint64_t, std::int64_t) {
  std::vector<double> doubles;
  for (const float f : floats()) doubles.push_back(f);
  for (const std::string mode : {"rni", "rzi", "rmi", "rpi"}) {
    CAPTURE(mode);
    const auto from32 = evaluate<D>("cvt." + mode + "." + name<D>() + ".f32 %d, %a;", floats());
    const auto from64 = evaluate<D>("cvt." + mode + "." + name<D>() + ".f64 %d, %a;", doubles);
    for (std::size_t i = 0; i < doubles.size(); ++i) {
      CAPTURE(doubles[i]);
      CHECK(+from32[i] == +clamped<D>(rounded(doubles[i], mode), false));
      CHECK(+from64[i] == +clamped<D>(rounded(doubles[i], mode), true));
    }
  }
}

template <class S>
std::vector<S> integers() {
  using L = std::numeric_limits<S>;
  return {S(0),
          S(1),
          S(-1),
          S(77),
          S(127),
          S(128),
          L::max(),
          S(L::max() - 1),
          L::min(),
          S(L::min() + 1),
          S(L::max() / 2 + 1),
          S(0x5a5a5a5a5a5a5a5a)};
}

TEST_CASE_TEMPLATE("integers become floats, rounded as asked", S, std::uint8_t, std::int8_t,
                   std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, std::uint64_t,
                   std::int64_t) {
  const auto v = integers<S>();
  const auto nearest = evaluate<float>("cvt.rn.f32." + name<S>() + " %d, %a;", v);
  const auto down = evaluate<float>("cvt.rm.f32." + name<S>() + " %d, %a;", v);
  const auto up = evaluate<float>("cvt.rp.f32." + name<S>() + " %d, %a;", v);
  const auto doubles = evaluate<double>("cvt.rn.f64." + name<S>() + " %d, %a;", v);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const auto exact = static_cast<long double>(v[i]);  // 64 bits of significand hold any of them
    CHECK(nearest[i] == static_cast<float>(exact));
    CHECK(doubles[i] == static_cast<double>(exact));
    CHECK(static_cast<long double>(down[i]) <= exact);
    CHECK(static_cast<long double>(up[i]) >= exact);
    CHECK(static_cast<long double>(std::nextafterf(down[i], INFINITY)) > exact);
    CHECK(static_cast<long double>(std::nextafterf(up[i], -INFINITY)) < exact);
  }
}

TEST_CASE("integers truncate, extend and saturate") {
  const std::vector<std::int32_t> v{
      0,   1,   -1,    127,    128,   -128,       -129,
      255, 256, 32768, -32769, 65536, 0x12345678, std::numeric_limits<std::int32_t>::min()};
  const auto s8 = evaluate<std::int32_t>("cvt.s8.s32 %d, %a;", v);
  const auto u8 = evaluate<std::int32_t>("cvt.u8.s32 %d, %a;", v);
  const auto s16 = evaluate<std::int16_t>("cvt.s16.s32 %d, %a;", v);
  const auto s8_in_16 = evaluate<std::int16_t>("cvt.s8.s32 %d, %a;", v);
  const auto s64 = evaluate<std::int64_t>("cvt.s64.s32 %d, %a;", v);
  const auto u64 = evaluate<std::uint64_t>("cvt.u64.u32 %d, %a;", v);
  const auto s8_in_64 = evaluate<std::int64_t>("cvt.s8.s32 %d, %a;", v);
  const auto sat_u8 = evaluate<std::int32_t>("cvt.sat.u8.s32 %d, %a;", v);
  const auto sat_s16 = evaluate<std::int32_t>("cvt.sat.s16.s32 %d, %a;", v);
  const auto sat_u32 = evaluate<std::uint32_t>("cvt.sat.u32.s32 %d, %a;", v);
  for (std::size_t i = 0; i < v.size(); ++i) {
    CHECK(s8[i] == static_cast<std::int8_t>(v[i]));
    CHECK(u8[i] == static_cast<std::uint8_t>(v[i]));
    CHECK(s16[i] == static_cast<std::int16_t>(v[i]));
    CHECK(s8_in_16[i] == static_cast<std::int8_t>(v[i]));
    CHECK(s64[i] == v[i]);
    CHECK(u64[i] == static_cast<std::uint32_t>(v[i]));
    CHECK(s8_in_64[i] == static_cast<std::int8_t>(v[i]));
    CHECK(sat_u8[i] == std::min(std::max(v[i], 0), 255));
    CHECK(sat_s16[i] == std::min(std::max(v[i], -32768), 32767));
    CHECK(sat_u32[i] == static_cast<std::uint32_t>(std::max(v[i], 0)));
  }
  const std::vector<std::uint64_t> wide{0x1122334455667788, 0xffffffff80000000};
  CHECK(evaluate<std::uint32_t>("cvt.u32.u64 %d, %a;", wide) ==
        std::vector<std::uint32_t>{0x55667788, 0x80000000});
  CHECK(evaluate<std::uint32_t>("cvt.u16.u16 %d, %a;", wide) ==
        std::vector<std::uint32_t>{0x7788, 0});
  CHECK(evaluate<std::int32_t>("cvt.sat.s32.s64 %d, %a;", wide) ==
        std::vector<std::int32_t>{0x7fffffff, std::numeric_limits<std::int32_t>::min()});
}

TEST_CASE("floats round to integral floats") {
  for (const std::string mode : {"rni", "rzi", "rmi", "rpi"}) {
    const auto d = evaluate<float>("cvt." + mode + ".f32.f32 %d, %a;", floats());
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (std::isnan(floats()[i])) {
        CHECK(std::isnan(d[i]));
      } else {
        CHECK(d[i] == static_cast<float>(rounded(floats()[i], mode)));
      }
    }
  }
  CHECK(std::signbit(evaluate<float>("cvt.rni.f32.f32 %d, %a;", std::vector<float>{-0.3f})[0]));
}

TEST_CASE("f64 narrows and f32 widens") {
  const std::vector<double> v{1.0 + 0x1p-24, 1.0 + 0x1p-24 + 0x1p-50, 1e300,
                              -1e-300,       0x1p-149 * 0.75,         1.0 / 3};
  const auto rn = evaluate<float>("cvt.rn.f32.f64 %d, %a;", v);
  CHECK(rn == std::vector<float>{1.f, 1.f + 0x1p-23f, INFINITY, -0.f, 0x1p-149f,
                                 static_cast<float>(1.0 / 3)});
  const auto rz = evaluate<float>("cvt.rz.f32.f64 %d, %a;", v);
  CHECK(rz[2] == std::numeric_limits<float>::max());
  CHECK(rz[4] == 0.f);
  const auto back = evaluate<double>("cvt.f64.f32 %d, %a;", std::vector<float>{0.1f, 0x1p-149f});
  CHECK(back == std::vector<double>{static_cast<double>(0.1f), 0x1p-149});
}

TEST_CASE("f16 and bf16 narrow to the nearest, ties to even") {
  const std::vector<float> v{0.f,
                             -0.f,
                             1.f,
                             65504.f,
                             65519.9f,
                             65520.f,
                             0x1p-24f,
                             0x1p-25f,
                             0x1.8p-25f,
                             1.f + 0x1p-11f,
                             1.f + 0x1.8p-10f,
                             f32(0x7fc00000),
                             f32(0xff800000),
                             1e-40f};
  const auto h = evaluate<std::uint16_t>("cvt.rn.f16.f32 %d, %a;", v);
  CHECK(h == std::vector<std::uint16_t>{0, 0x8000, 0x3c00, 0x7bff, 0x7bff, 0x7c00, 1, 0, 1, 0x3c00,
                                        0x3c02, 0x7fff, 0xfc00, 0});
  const auto hz = evaluate<std::uint16_t>("cvt.rz.f16.f32 %d, %a;", v);
  CHECK(hz[5] == 0x7bff);
  CHECK(hz[8] == 0);
  const std::vector<float> w{1.f,  1.f + 0x1p-8f, 1.f + 0x1.8p-7f, 3.3895314e38f, f32(0x7f7fffff),
                             -2.f, f32(1),        f32(0x7fc00000)};
  const auto b = evaluate<std::uint16_t>("cvt.rn.bf16.f32 %d, %a;", w);
  CHECK(b == std::vector<std::uint16_t>{0x3f80, 0x3f80, 0x3f82, 0x7f7f, 0x7f80, 0xc000, 0, 0x7fff});
  const auto pair = evaluate<std::uint32_t>("cvt.rn.f16x2.f32 %d, %a, %b;", std::vector<float>{1.f},
                                            std::vector<float>{-2.f});
  CHECK(pair[0] == 0x3c00c000);  // the first source is the upper half
  const auto relu = evaluate<std::uint32_t>("cvt.rn.relu.bf16x2.f32 %d, %a, %b;",
                                            std::vector<float>{-1.f}, std::vector<float>{2.f});
  CHECK(relu[0] == 0x00004000);
}

TEST_CASE("every f16 and bf16 widens exactly and comes back") {
  std::vector<std::uint16_t> all;
  for (std::uint32_t i = 0; i < 65536; ++i) all.push_back(static_cast<std::uint16_t>(i));
  const auto from_half = evaluate<float>("cvt.f32.f16 %d, %a;", all);
  const auto from_bfloat = evaluate<float>("cvt.f32.bf16 %d, %a;", all);
  const auto back = evaluate<std::uint16_t>("cvt.rn.f16.f32 %d, %a;", from_half);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const int exponent = all[i] >> 10 & 31, fraction = all[i] & 1023;
    const double magnitude =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    const bool nan = exponent == 31 && fraction != 0;
    const double expected =
        (exponent == 31 ? HUGE_VAL : magnitude) * ((all[i] & 0x8000) != 0 ? -1 : 1);
    wrong += nan ? !std::isnan(from_half[i])
                 : static_cast<double>(from_half[i]) != expected || back[i] != all[i];
    const float b = f32(static_cast<std::uint32_t>(all[i]) << 16);
    wrong += std::isnan(b) ? !std::isnan(from_bfloat[i]) : from_bfloat[i] != b;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a saturation that can do nothing is refused") {
  const auto log = refusal(module_text("", ".reg .b32 %a;\ncvt.sat.s64.s32 %a, %a;\nret;\n"));
  check_contains(log, {"line 7; error", ".sat"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
