// Floating point: IEEE operations to the bit in every rounding mode, the library within its bounds.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// What `f` computes in a rounding mode of the host.
template <class T>
T rounded(int mode, const std::function<T()>& f) {
  std::fesetround(mode);
  volatile T r = f();
  std::fesetround(FE_TONEAREST);
  return r;
}

template <class T>
bool same(T got, T expected) {
  return std::isnan(expected) ? std::isnan(got) : std::memcmp(&got, &expected, sizeof got) == 0;
}

template <class T>
std::vector<T> numbers(u64 seed, std::size_t n) {
  Draw draw(seed);
  using L = std::numeric_limits<T>;
  std::vector<T> v{T(0),           -T(0),          T(1),
                   -T(1),          L::min(),       -L::denorm_min(),
                   L::max(),       -L::max(),      L::infinity(),
                   -L::infinity(), L::quiet_NaN(), T(0.5),
                   T(3),           L::min() / 3,   T(1) + L::epsilon(),
                   T(-7.25)};
  std::rotate(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(seed % 16), v.end());
  while (v.size() < n)
    v.push_back(
        static_cast<T>(std::ldexp(draw.between(-2, 2), static_cast<int>(draw.below(40)) - 20)));
  return v;
}

template <class T>
using Expected = std::function<T(T, T, T)>;

template <class T>
void check_rounding(const char* kernel,
                    const std::vector<std::pair<int, Expected<T>>>& operations) {
  Device device;
  const std::size_t n = 700;
  const auto a = numbers<T>(1, n), b = numbers<T>(6, n), c = numbers<T>(13, n);
  auto out = device.zeros<T>(operations.size() * n);
  device.launch("floats", kernel, threads(n), device.put(a), device.put(b), device.put(c), out,
                static_cast<u32>(n));
  const auto v = out.read();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < operations.size(); ++k) {
      const auto& [mode, f] = operations[k];
      volatile T x = a[i], y = b[i], z = c[i];
      const std::function<T()> run = [&, g = f] { return g(x, y, z); };
      const T expected = rounded<T>(mode, run), got = v[operations.size() * i + k];
      CAPTURE(a[i]);
      CAPTURE(b[i]);
      CAPTURE(c[i]);
      CAPTURE(k);
      CAPTURE(got);
      CAPTURE(expected);
      CHECK(same(got, expected));
    }
  }
}

template <class T>
T add(T x, T y, T) {
  return x + y;
}
template <class T>
T mul(T x, T y, T) {
  return x * y;
}
template <class T>
T fma3(T x, T y, T z) {
  return std::fma(x, y, z);
}
template <class T>
T divide(T x, T y, T) {
  return x / y;
}
template <class T>
T root(T x, T, T) {
  return std::sqrt(std::fabs(x));
}
template <class T>
T inverse(T x, T, T) {
  return T(1) / x;
}
/// The larger or smaller, where one NaN loses and +0 is larger than -0.
template <class T>
T extremum(T x, T y, bool larger) {
  if (std::isnan(x)) return y;
  if (std::isnan(y)) return x;
  if (x == y) return std::signbit(x) == larger ? y : x;
  return (x > y) == larger ? x : y;
}

constexpr int N = FE_TONEAREST, Z = FE_TOWARDZERO, D = FE_DOWNWARD, U = FE_UPWARD;

TEST_CASE("f32 in its rounding modes") {
  using T = float;
  check_rounding<T>("rounding_f32", {{N, add<T>},
                                     {Z, add<T>},
                                     {D, add<T>},
                                     {U, add<T>},
                                     {N, mul<T>},
                                     {Z, mul<T>},
                                     {D, mul<T>},
                                     {U, mul<T>},
                                     {N, fma3<T>},
                                     {Z, fma3<T>},
                                     {D, fma3<T>},
                                     {U, fma3<T>},
                                     {N, divide<T>},
                                     {Z, divide<T>},
                                     {D, divide<T>},
                                     {U, divide<T>},
                                     {N, root<T>},
                                     {Z, root<T>},
                                     {D, root<T>},
                                     {U, root<T>},
                                     {N, inverse<T>},
                                     {U, inverse<T>},
                                     {N, [](T x, T, T) { return x > 0 ? std::min(x, 1.f) : 0.f; }},
                                     {N, [](T x, T y, T z) {
                                        return extremum(extremum(x, y, true), std::copysign(z, x),
                                                        false);
                                      }}});
}

TEST_CASE("f64 in its rounding modes") {
  using T = double;
  check_rounding<T>("rounding_f64",
                    {{N, add<T>},
                     {Z, add<T>},
                     {D, add<T>},
                     {U, add<T>},
                     {Z, mul<T>},
                     {D, mul<T>},
                     {N, fma3<T>},
                     {Z, fma3<T>},
                     {U, fma3<T>},
                     {N, divide<T>},
                     {D, divide<T>},
                     {N, root<T>},
                     {U, root<T>},
                     {Z, inverse<T>},
                     {N, [](T x, T y, T) { return extremum(x, y, false); }},
                     {N, [](T x, T y, T) { return extremum(std::fabs(x), -y, true); }}});
}

/// An integral number in the range of an integer, as the hardware clamps it.
template <class I>
std::int64_t clamped(double v) {
  if (!(v >= static_cast<double>(std::numeric_limits<I>::min())))
    return static_cast<std::int64_t>(std::numeric_limits<I>::min());
  if (v >= std::ldexp(1.0, std::numeric_limits<I>::digits))
    return static_cast<std::int64_t>(std::numeric_limits<I>::max());
  return static_cast<std::int64_t>(static_cast<I>(v));
}

std::int64_t bits(float v) { return std::bit_cast<std::int32_t>(v); }
std::int64_t bits(double v) { return std::bit_cast<std::int64_t>(v); }

TEST_CASE("conversions from floating point") {
  Device device;
  const std::size_t n = 500;
  auto a = numbers<float>(2, n);
  auto b = numbers<double>(9, n);
  for (float& x : a)
    if (std::isnan(x)) x = 2.5f;  // what NaN becomes is tested elsewhere
  for (double& x : b)
    if (std::isnan(x)) x = -2.5;
  auto out = device.zeros<std::int64_t>(20 * n);
  device.launch("floats", "from_floats", threads(n), device.put(a), device.put(b), out,
                static_cast<u32>(n));
  const auto v = out.read();
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i], y = b[i];
    const auto narrowed = [&](int mode) {
      return bits(rounded<float>(mode, [&] {
        volatile double held = y;
        return static_cast<float>(held);
      }));
    };
    const std::int64_t expected[20] = {
        clamped<std::int32_t>(std::nearbyint(x)),
        clamped<std::int32_t>(std::trunc(x)),
        clamped<std::int32_t>(std::floor(x)),
        clamped<std::int32_t>(std::ceil(x)),
        clamped<u32>(std::nearbyint(x)),
        clamped<u32>(std::trunc(x)),
        clamped<std::int64_t>(std::nearbyint(x)),
        clamped<std::int64_t>(std::floor(x)),
        clamped<u64>(std::ceil(x)),
        clamped<std::int32_t>(std::nearbyint(y)),
        clamped<std::int32_t>(std::floor(y)),
        clamped<u32>(std::trunc(y)),
        clamped<std::int64_t>(std::trunc(y)),
        clamped<u64>(std::nearbyint(y)),
        narrowed(N),
        narrowed(Z),
        narrowed(U),
        bits(std::nearbyint(a[i])) ^ bits(std::trunc(a[i])),
        bits(std::floor(a[i])) ^ bits(std::ceil(a[i])),
        bits(std::nearbyint(y)) ^ bits(std::floor(y)),
    };
    for (std::size_t k = 0; k < 20; ++k) {
      CAPTURE(x);
      CAPTURE(y);
      CAPTURE(k);
      CHECK(v[20 * i + k] == expected[k]);
    }
  }
}

TEST_CASE("conversions from integers") {
  Device device;
  Draw draw(3);
  std::vector<std::int64_t> a{0,         1,         -1,         INT64_MAX,
                              INT64_MIN, 0x1000001, -0x1000001, (1ll << 53) + 1};
  while (a.size() < 400) a.push_back(static_cast<std::int64_t>(draw.bits()) >> draw.below(64));
  const std::size_t n = a.size();
  auto out = device.zeros<double>(12 * n);
  device.launch("floats", "from_integers", threads(n), device.put(a), out, static_cast<u32>(n));
  const auto v = out.read();
  for (std::size_t i = 0; i < n; ++i) {
    volatile std::int64_t x = a[i];
    const auto narrow = [](int mode, const std::function<float()>& f) {
      return double{rounded(mode, f)};
    };
    const auto wide = [](int mode, const std::function<double()>& f) { return rounded(mode, f); };
    const double expected[12] = {
        narrow(N, [&] { return static_cast<float>(static_cast<std::int32_t>(x)); }),
        narrow(Z, [&] { return static_cast<float>(static_cast<std::int32_t>(x)); }),
        narrow(D, [&] { return static_cast<float>(static_cast<u32>(x)); }),
        narrow(N, [&] { return static_cast<float>(x); }),
        narrow(U, [&] { return static_cast<float>(x); }),
        narrow(Z, [&] { return static_cast<float>(static_cast<u64>(x)); }),
        wide(N, [&] { return static_cast<double>(x); }),
        wide(D, [&] { return static_cast<double>(x); }),
        wide(U, [&] { return static_cast<double>(static_cast<u64>(x)); }),
        double(static_cast<signed char>(x)),
        double(static_cast<std::uint16_t>(x)),
        std::bit_cast<double>(static_cast<u64>(x) & 0x3fffffffffffffffu),
    };
    for (std::size_t k = 0; k < 12; ++k) {
      CAPTURE(a[i]);
      CAPTURE(k);
      CHECK(v[12 * i + k] == expected[k]);
    }
  }
}

/// A function, more precise than any type here, and how many units in the last place the CUDA C++
/// Programming Guide allows it.
struct Function {
  std::function<long double(long double, long double)> f;
  double ulps = 0;
  double absolute = 0;
};

template <class T>
void check_library(const char* module, const char* kernel, const std::vector<Function>& functions,
                   double reach) {
  Device device;
  Draw draw(4);
  const std::size_t n = 600;
  const auto a = draw.list<T>(n, [&] { return draw.between(-reach, reach); });
  const auto b = draw.list<T>(n, [&] { return draw.between(-6, 6); });
  auto out = device.zeros<T>(functions.size() * n);
  device.launch(module, kernel, threads(n), device.put(a), device.put(b), out, static_cast<u32>(n));
  const auto v = out.read();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < functions.size(); ++k) {
      const long double expected = functions[k].f(a[i], b[i]);
      if (!std::isfinite(static_cast<T>(expected))) continue;
      const int exponent = expected == 0 ? -126 : std::max(std::ilogb(expected), -126);
      const double ulp = std::ldexp(1.0, exponent - std::numeric_limits<T>::digits + 1);
      CAPTURE(a[i]);
      CAPTURE(b[i]);
      CAPTURE(k);
      CHECK(static_cast<double>(std::fabs(v[functions.size() * i + k] - expected)) <=
            functions[k].ulps * ulp + functions[k].absolute);
    }
  }
}

TEST_CASE("the library of f32") {
  check_library<float>(
      "floats", "library_f32",
      {{[](long double x, long double) { return std::sin(x); }, 2},
       {[](long double x, long double) { return std::cos(x); }, 2},
       {[](long double x, long double) { return std::tan(x); }, 4},
       {[](long double x, long double) { return std::exp(x); }, 2},
       {[](long double x, long double) { return std::log(std::fabs(x)); }, 1},
       {[](long double x, long double y) { return std::pow(std::fabs(x), y); }, 4},
       {[](long double x, long double) { return std::erf(x); }, 2},
       {[](long double x, long double) { return std::tanh(x); }, 2},
       {[](long double x, long double y) { return std::atan2(x, y); }, 3},
       {[](long double x, long double) { return std::cbrt(x); }, 1},
       {[](long double x, long double y) { return std::fmod(x, y); }, 0},
       {[](long double x, long double) { return std::log1p(std::fabs(x)); }, 1},
       {[](long double x, long double) { return std::expm1(x); }, 1},
       {[](long double x, long double) {
          return std::asin(static_cast<long double>(static_cast<float>(x) * 0.01f));
        },
        2},
       {[](long double x, long double y) { return std::hypot(x, y); }, 3},
       {[](long double x, long double) { return 1 / std::sqrt(std::fabs(x)); }, 2},
       {[](long double x, long double) { return std::exp2(x); }, 2},
       {[](long double x, long double) {
          return std::lgamma(static_cast<long double>(std::fabs(static_cast<float>(x)) + 0.5f));
        },
        6, 1e-6},
       {[](long double x, long double) { return std::round(x); }, 0},
       {[](long double x, long double y) { return std::ldexp(y, static_cast<int>(x)); }, 0}},
      40);
}

TEST_CASE("the library of f64") {
  check_library<double>(
      "floats", "library_f64",
      {{[](long double x, long double) { return std::sin(x); }, 2.5},
       {[](long double x, long double) { return std::cos(x); }, 2.5},
       {[](long double x, long double) { return std::exp(x); }, 1.5},
       {[](long double x, long double) { return std::log(std::fabs(x)); }, 1.5},
       {[](long double x, long double y) { return std::pow(std::fabs(x), y); }, 2.5},
       {[](long double x, long double) { return std::erf(x); }, 2.5},
       {[](long double x, long double) { return std::tanh(x); }, 2.5},
       {[](long double x, long double y) { return std::atan2(x, y); }, 2.5},
       {[](long double x, long double) { return std::cbrt(x); }, 1.5},
       {[](long double x, long double y) { return std::fmod(x, y); }, 0},
       {[](long double x, long double y) -> long double {
          const auto dx = static_cast<double>(x), dy = static_cast<double>(y);
          return std::sqrt(std::fabs(dx)) / (dy + 100);
        },
        0},
       {[](long double x, long double) { return 1 / std::sqrt(std::fabs(x)); }, 1.5}},
      100);
}

TEST_CASE("fast mathematics") {
  const double f32_tiny = 0x1p-126;
  check_library<float>(
      "fast", "fast_f32",
      {{[](long double x, long double) { return std::sin(x); }, 0, 0x1p-21 * 3},
       {[](long double x, long double) { return std::cos(x); }, 0, 0x1p-21 * 3},
       {[](long double x, long double) { return std::exp(x); }, 8, f32_tiny},
       {[](long double x, long double) { return std::log(std::fabs(x)); }, 3, 0x1p-21},
       {[](long double x, long double y) { return std::pow(std::fabs(x), y); }, 40, f32_tiny},
       {[](long double x, long double y) { return x / y; }, 2, f32_tiny},
       {[](long double x, long double) { return 1 / std::sqrt(std::fabs(x)); }, 3},
       {[](long double, long double y) { return std::pow(10.0L, y); }, 30},
       {[](long double x, long double) { return std::sqrt(std::fabs(x)); }, 3},
       {[](long double x, long double y) { return x * y + 1; }, 1},
       {[](long double, long double y) { return std::tanh(y); }, 0, 0x1p-10},
       {[](long double x, long double y) { return std::max(x, y) < 3 ? x - y : 0.0L; }, 1}},
      6);
}

}  // namespace
}  // namespace ptxmill::nvcc_test
