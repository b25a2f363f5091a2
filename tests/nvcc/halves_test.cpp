// f16 and bf16: arithmetic exact to the bit, the library within its bounds.
#include "tests/nvcc/half_formats.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u16 = std::uint16_t;
using u32 = std::uint32_t;

/// Patterns of 16 bits: the edges first, then any.
std::vector<u16> patterns(std::uint64_t seed, std::size_t n) {
  Draw draw(seed);
  std::vector<u16> v{0,      0x8000, 1,      0x8001, 0x3c00, 0xbc00, 0x7bff, 0xfbff,
                     0x7c00, 0xfc00, 0x7e00, 0x0400, 0x03ff, 0x3f80, 0x7f80, 0xff80};
  std::rotate(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(seed % 16), v.end());
  while (v.size() < n) v.push_back(static_cast<u16>(draw.word()));
  return v;
}

bool same(const HalfFormat& f, u16 got, u16 expected) {
  const bool nan = std::isnan(from_bits(f, expected));
  return nan ? std::isnan(from_bits(f, got)) : got == expected;
}

double clamped(double v) { return v > 0 ? std::min(v, 1.0) : 0; }
double relu(double v) { return std::isnan(v) || v > 0 ? v : 0; }
double larger(double a, double b) {
  return std::isnan(a)   ? b
         : std::isnan(b) ? a
         : a == b        ? (std::signbit(a) ? b : a)
                         : std::max(a, b);
}
double smaller_or_nan(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return NAN;
  return a == b ? (std::signbit(a) ? a : b) : std::min(a, b);
}
/// a * b + c rounded to odd in double, so that rounding it again does no harm.
double fused(double a, double b, double c) {
  const long double exact = static_cast<long double>(a) * b + c;  // 64 bits: exact for f16
  return static_cast<double>(exact);
}

using Operation = std::function<double(double, double, double)>;

void check_all(const HalfFormat& f, const std::vector<u16>& a, const std::vector<u16>& b,
               const std::vector<u16>& c, const std::vector<u16>& out,
               const std::vector<Operation>& operations, std::size_t stride) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < operations.size(); ++k) {
      if (!operations[k]) continue;
      const double x = from_bits(f, a[i]), y = from_bits(f, b[i]), z = from_bits(f, c[i]);
      const u16 got = out[2 * (stride * (i / 2) + k) + i % 2];
      CAPTURE(x);
      CAPTURE(y);
      CAPTURE(z);
      CAPTURE(k);
      CAPTURE(got);
      CHECK(same(f, got, to_bits(f, operations[k](x, y, z))));
    }
  }
}

TEST_CASE("arithmetic of pairs of f16") {
  Device device;
  const std::size_t n = 600;
  const auto a = patterns(1, 2 * n), b = patterns(5, 2 * n), c = patterns(11, 2 * n);
  auto out = device.zeros<u16>(2 * 16 * n);
  device.launch("halves", "half_arithmetic", threads(n), device.put(a), device.put(b),
                device.put(c), out, static_cast<u32>(n));
  const auto add = [](double x, double y, double) { return x + y; };
  const std::vector<Operation> operations{
      add,
      [](double x, double y, double) { return x - y; },
      [](double x, double y, double) { return x * y; },
      fused,
      [](double x, double y, double z) { return relu(fused(x, y, z)); },
      [](double x, double y, double) { return clamped(x + y); },
      [](double x, double y, double) { return larger(x, y); },
      [](double x, double y, double) { return smaller_or_nan(x, y); },
      [](double x, double, double) { return std::fabs(x); },
      [](double x, double, double) { return -x; },
      nullptr,  // division, below
      [](double x, double y, double) { return x > y ? 1.0 : 0.0; },
      [](double x, double y, double) { return x < y || x > y ? 1.0 : 0.0; },
      nullptr,
      [](double x, double y, double) { return clamped(x * y); },
  };
  const auto v = out.read();
  check_all(f16, a, b, c, v, operations, 16);
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(v[2 * (16 * i + 13)] == a[2 * i + 1]);
    CHECK(v[2 * (16 * i + 13) + 1] == b[2 * i]);
    // The library promises the quotient within one unit in the last place.
    const double q = from_bits(f16, a[2 * i]) / from_bits(f16, b[2 * i]);
    const double got = from_bits(f16, v[2 * (16 * i + 10)]);
    if (std::isfinite(q) && std::fabs(q) < 60000)
      CHECK(std::fabs(got - q) <= std::fabs(q) * 0x1p-10 + 0x1p-24);
  }
}

TEST_CASE("arithmetic of pairs of bf16") {
  Device device;
  const std::size_t n = 400;
  const auto a = patterns(2, 2 * n), b = patterns(7, 2 * n), c = patterns(14, 2 * n);
  auto out = device.zeros<u16>(2 * 8 * n);
  device.launch("halves", "bfloat_arithmetic", threads(n), device.put(a), device.put(b),
                device.put(c), out, static_cast<u32>(n));
  // Sums of numbers far apart need more than a double; what is left out is a matter of the last
  // bit, which the sign of the rest decides only on a tie.
  const auto sum = [](double x, double y) {
    const double s = x + y;
    if (!std::isfinite(s)) return s;
    const double rest = std::fabs(x) > std::fabs(y) ? y - (s - x) : x - (s - y);
    return rest == 0 ? s : std::nextafter(s, rest > 0 ? INFINITY : -INFINITY);
  };
  const std::vector<Operation> operations{
      [&](double x, double y, double) { return sum(x, y); },
      [](double x, double y, double) { return x * y; },
      [&](double x, double y, double z) { return sum(x * y, z); },
      [&](double x, double y, double z) { return relu(sum(x * y, z)); },
      [](double x, double y, double) { return larger(x, y); },
      [](double x, double y, double) { return smaller_or_nan(x, y); },
      [](double x, double, double) { return -std::fabs(x); },
      [&](double x, double y, double) { return sum(x, -y); },
  };
  check_all(bf16, a, b, c, out.read(), operations, 8);
}

TEST_CASE("conversions between the halves and other types") {
  Device device;
  Draw draw(3);
  const std::size_t n = 800;
  auto a = draw.list<float>(
      n, [&] { return std::ldexp(draw.between(-2, 2), static_cast<int>(draw.below(34)) - 18); });
  const float edges[] = {0.f,      -0.f,     65504.f,    65519.f,        65520.f,          -70000.f,
                         0x1p-24f, 0x1p-25f, 0x1.8p-25f, 1.f + 0x1p-11f, 1.f + 0x1.8p-10f, 2048.5f,
                         -0x1p-30f};
  std::copy(std::begin(edges), std::end(edges), a.begin());
  auto h = patterns(4, n);
  for (u16& x : h)
    if (std::isnan(from_bits(f16, x)) || std::isinf(from_bits(f16, x))) x = 0x4321;
  auto out = device.zeros<u32>(20 * n);
  device.launch("halves", "half_conversions", threads(n), device.put(a), device.put(h), out,
                static_cast<u32>(n));
  const auto v = out.read();
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i], y = from_bits(f16, h[i]);
    const auto whole = [&](double r) { return static_cast<u32>(static_cast<std::int64_t>(r)); };
    const auto short_clamped = std::clamp(std::nearbyint(y), -32768.0, 32767.0);
    const auto as_int = static_cast<std::int32_t>(a[i]);
    const auto as_float = static_cast<float>(y);
    u32 float_bits = 0;
    std::memcpy(&float_bits, &as_float, 4);
    const u32 expected[20] = {
        to_bits(f16, x),
        to_bits(f16, x, Round::zero),
        to_bits(f16, x, Round::down),
        to_bits(f16, x, Round::up),
        float_bits,
        whole(std::nearbyint(y)),
        whole(std::floor(y)),
        whole(std::max(0.0, std::trunc(y))),
        static_cast<u16>(static_cast<int>(short_clamped)),
        to_bits(f16, as_int),
        to_bits(f16, static_cast<u16>(as_int), Round::zero),
        to_bits(f16, std::copysign(std::nearbyint(y), y)),
        to_bits(f16, std::copysign(std::floor(y), y)),
        to_bits(f16, std::trunc(y)),
        to_bits(bf16, x),
        to_bits(bf16, x, Round::zero),
        to_bits(bf16, x, Round::up),
        to_bits(f16, x) | static_cast<u32>(to_bits(f16, -x)) << 16,
        to_bits(bf16, x) | static_cast<u32>(to_bits(bf16, 2 * x)) << 16,
        to_bits(f16, x),
    };
    for (std::size_t k = 0; k < 20; ++k) {
      CAPTURE(a[i]);
      CAPTURE(y);
      CAPTURE(k);
      CHECK(v[20 * i + k] == expected[k]);
    }
  }
}

TEST_CASE("the library of f16") {
  Device device;
  Draw draw(5);
  const std::size_t n = 500;
  std::vector<u16> a;
  for (std::size_t i = 0; i < 2 * n; ++i)
    a.push_back(to_bits(f16, std::nearbyint(draw.between(-8, 8) * 64) / 64));
  auto out = device.zeros<u16>(2 * 10 * n);
  device.launch("halves", "half_library", threads(n), device.put(a), out, static_cast<u32>(n));
  const auto v = out.read();
  const std::vector<std::function<double(double)>> functions{
      [](double x) { return std::exp(x); },
      [](double x) { return std::log(std::fabs(x)); },
      [](double x) { return std::sqrt(std::fabs(x)); },
      [](double x) { return 1 / x; },
      [](double x) { return std::sin(x); },
      [](double x) { return std::cos(x); },
      [](double x) { return std::exp2(x); },
      [](double x) { return 1 / std::sqrt(std::fabs(x)); },
      [](double x) { return std::tanh(x); },
  };
  for (std::size_t i = 0; i < 2 * n; ++i) {
    const double x = from_bits(f16, a[i]);
    for (std::size_t k = 0; k < functions.size(); ++k) {
      const double expected = functions[k](x);
      if (!std::isfinite(expected)) continue;
      const double got = from_bits(f16, v[2 * (10 * (i / 2) + k) + i % 2]);
      CAPTURE(x);
      CAPTURE(k);
      CHECK(std::fabs(got - expected) <=
            std::fabs(expected) * 0x1p-9 + 0x1p-11 * (k == 4 || k == 5));
    }
    if (i % 2 == 0 && x < 4.8)
      CHECK(from_bits(f16, v[2 * (10 * (i / 2) + 9)]) ==
            doctest::Approx(std::pow(10, x)).epsilon(0x1p-9));
    if (i % 2 == 1 && x != 0)
      CHECK(std::fabs(from_bits(f16, v[2 * (10 * (i / 2) + 9) + 1]) - std::log2(std::fabs(x))) <=
            std::fabs(std::log2(std::fabs(x))) * 0x1p-9 + 0x1p-10);
  }
}

TEST_CASE("atomics of pairs") {
  Device device;
  const std::size_t n = 96;
  std::vector<u16> a;
  for (std::size_t i = 0; i < n; ++i) {
    a.push_back(to_bits(f16, i % 2));
    a.push_back(to_bits(f16, 1));
  }
  auto sum = device.zeros<u16>(2), sum_bf = device.zeros<u16>(2);
  device.launch("halves", "half_atomics", threads(n, 32), device.put(a), sum, sum_bf,
                static_cast<u32>(n));
  CHECK(sum.read() == std::vector<u16>{to_bits(f16, n / 2), to_bits(f16, n)});
  CHECK(sum_bf.read() == std::vector<u16>{to_bits(bf16, n / 2), to_bits(bf16, n)});
}

}  // namespace
}  // namespace ptxmill::nvcc_test
