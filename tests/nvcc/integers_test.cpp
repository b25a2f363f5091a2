// Integer, logic and bit-field operations against plain C++.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s32 = std::int32_t;
using s64 = std::int64_t;
__extension__ using u128 = unsigned __int128;
__extension__ using s128 = __int128;

std::vector<u32> words(u64 seed, std::size_t n) {
  Draw draw(seed);
  std::vector<u32> v{0, 1, 0xffffffffu, 0x80000000u, 0x7fffffffu, 31, 32, 33, 0x8000u, 0xff00ff00u};
  while (v.size() < n) v.push_back(draw.below(4) == 0 ? draw.below(70) : draw.word());
  std::rotate(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(seed % 10), v.begin() + 10);
  return v;
}

s32 as_signed(u32 x) { return static_cast<s32>(x); }
u32 reversed(u32 x) {
  u32 r = 0;
  for (int k = 0; k < 32; ++k) r |= (x >> k & 1) << (31 - k);
  return r;
}
u32 shifted_left(u32 lo, u32 hi, u32 n) {
  return static_cast<u32>((u64{hi} << 32 | lo) << n >> 32);
}
u32 shifted_right(u32 lo, u32 hi, u32 n) { return static_cast<u32>((u64{hi} << 32 | lo) >> n); }
u32 permuted(u32 x, u32 y, u32 s) {
  u32 r = 0;
  for (u32 k = 0; k < 4; ++k) {
    const u32 from = s >> (4 * k) & 7;
    r |= ((from < 4 ? x >> (8 * from) : y >> (8 * (from - 4))) & 0xff) << (8 * k);
  }
  return r;
}
u32 dot4(u32 x, u32 y, u32 c, bool is_signed) {
  for (int k = 0; k < 4; ++k) {
    const u32 a = x >> (8 * k) & 0xff, b = y >> (8 * k) & 0xff;
    c += is_signed ? static_cast<u32>(static_cast<std::int8_t>(a) * static_cast<std::int8_t>(b))
                   : a * b;
  }
  return c;
}
u32 dot2(u32 x, u32 y, u32 c, bool high, bool is_signed) {
  for (int k = 0; k < 2; ++k) {
    const u32 a = x >> (16 * k) & 0xffff, b = y >> (8 * k + (high ? 16 : 0)) & 0xff;
    c += is_signed ? static_cast<u32>(static_cast<std::int16_t>(a) * static_cast<std::int8_t>(b))
                   : a * b;
  }
  return c;
}

std::vector<u32> bit_operations(u32 x, u32 y) {
  const s32 sx = as_signed(x), sy = as_signed(y);
  const auto signed24 = [](u32 v) { return s64{as_signed(v << 8) >> 8}; };
  const u32 n = y & 63;
  return {
      static_cast<u32>(std::popcount(x)),
      static_cast<u32>(std::countl_zero(x)),
      x == 0 ? 0 : static_cast<u32>(std::countr_zero(x)) + 1,
      reversed(x),
      permuted(x, y, y & 0x7777),
      shifted_left(x, y, y & 31),
      shifted_right(x, y, y & 31),
      n >= 32 ? x : shifted_left(x, y, n),
      n >= 32 ? y : shifted_right(x, y, n),
      static_cast<u32>(u64{x} * y >> 32),
      static_cast<u32>(static_cast<u64>(s64{sx} * sy) >> 32),
      (x & 0xffffff) * (y & 0xffffff),
      static_cast<u32>(signed24(x) * signed24(y)),
      (x > y ? x - y : y - x) + 7,
      static_cast<u32>(std::max(s64{sx}, s64{sy}) - std::min(s64{sx}, s64{sy}) + 9),
      static_cast<u32>((u64{x} + y) >> 1),
      static_cast<u32>((s64{sx} + sy) >> 1),
      static_cast<u32>((u64{x} + y + 1) >> 1),
      static_cast<u32>((s64{sx} + sy + 1) >> 1),
      sx < 0 ? 0 - x : x,
      static_cast<u32>(std::min(sx, sy)),
      std::max(x, y),
      std::rotl(x, static_cast<int>(y & 31)),
      static_cast<u32>(sx >> (y & 31)),
      (x & y) | (~x & (y ^ 0x5a5a5a5au)),
      (x >> 5) & 0x3ffu,
      static_cast<u32>(as_signed(x << 9) >> 20),
      (x & ~0xff00u) | (y & 0xff) << 8,
      x == 0 ? 1u : 0u,
      dot4(x, y, 5, true) + dot4(x, y, 6, false),
      dot2(x, y, 5, false, true) + dot2(x, y, 6, true, false),
      x * 2654435761u + y,
  };
}

TEST_CASE("bit operations") {
  Device device;
  const auto a = words(1, 600), b = words(4, 600);
  const auto n = static_cast<u32>(a.size());
  auto out = device.zeros<u32>(32 * n);
  device.launch("integers", "bit_operations", threads(n), device.put(a), device.put(b), out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    const auto expected = bit_operations(a[i], b[i]);
    for (u32 k = 0; k < 32; ++k) {
      CAPTURE(a[i]);
      CAPTURE(b[i]);
      CAPTURE(k);
      CHECK(v[32 * i + k] == expected[k]);
    }
  }
}

std::vector<u64> wide_operations(u64 x, u64 y) {
  const auto sx = static_cast<s64>(x), sy = static_cast<s64>(y);
  const u64 d = y == 0 ? 1 : y;
  const s64 e = static_cast<s64>(d) == -1 ? 3 : static_cast<s64>(d);
  u64 brev = 0;
  for (int k = 0; k < 64; ++k) brev |= (x >> k & 1) << (63 - k);
  const u32 low = static_cast<u32>(x);
  return {
      x / d,
      x % d,
      static_cast<u64>(sx / e),
      static_cast<u64>(sx % e),
      static_cast<u64>(static_cast<u128>(x) * y >> 64),
      static_cast<u64>(static_cast<s128>(sx) * sy >> 64),
      x * y + 17,
      static_cast<u64>(std::popcount(x)),
      static_cast<u64>(std::countl_zero(x)),
      brev,
      x == 0 ? 0 : static_cast<u64>(std::countr_zero(x)) + 1,
      x << (y & 63),
      static_cast<u64>(sx >> (y & 63)),
      static_cast<u64>(std::min(sx, sy)),
      sx < 0 ? 0 - x : x,
      u64{low / static_cast<u32>(d | 1)} + low % (static_cast<u32>(d) | 1),
  };
}

TEST_CASE("64-bit operations, division among them") {
  Device device;
  Draw draw(5);
  std::vector<u64> a{0, 1, ~u64{0}, u64{1} << 63, (u64{1} << 63) - 1, 1000000007, 3};
  std::vector<u64> b{7, ~u64{0}, 3, u64{1} << 63, 10, 0, u64{1} << 32};
  while (a.size() < 500) {
    a.push_back(draw.bits() >> draw.below(64));
    b.push_back(draw.bits() >> draw.below(64));
  }
  const auto n = static_cast<u32>(a.size());
  auto out = device.zeros<u64>(16 * n);
  device.launch("integers", "wide_operations", threads(n), device.put(a), device.put(b), out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    const auto expected = wide_operations(a[i], b[i]);
    for (u32 k = 0; k < 16; ++k) {
      CAPTURE(a[i]);
      CAPTURE(b[i]);
      CAPTURE(k);
      CHECK(v[16 * i + k] == expected[k]);
    }
  }
}

TEST_CASE("types narrower than a register") {
  Device device;
  Draw draw(6);
  const u32 n = 300;
  const auto a = draw.list<signed char>(n, [&] { return draw.below(256); });
  const auto b = draw.list<unsigned char>(n, [&] { return draw.below(256); });
  const auto c = draw.list<std::int16_t>(n, [&] { return draw.below(65536); });
  const auto d = draw.list<std::uint16_t>(n, [&] { return draw.below(65536); });
  auto out = device.zeros<int>(4 * n);
  device.launch("integers", "narrow_types", threads(n), device.put(a), device.put(b), device.put(c),
                device.put(d), out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    const auto x = static_cast<signed char>(a[i] * 3 + b[i]);
    const auto y = static_cast<unsigned char>(b[i] - 77);
    const auto product = static_cast<u32>(c[i]) * d[i] + static_cast<u32>(int{x});
    const auto z = static_cast<std::int16_t>(product);
    const auto w = static_cast<std::uint16_t>(d[i] << 3 | d[i] >> 13);
    CHECK(v[4 * i] == x);
    CHECK(v[4 * i + 1] == y);
    CHECK(v[4 * i + 2] == z / (y | 1) + z % (y | 1));
    CHECK(v[4 * i + 3] == w);
  }
}

TEST_CASE("the product of big numbers, with carries") {
  Device device;
  Draw draw(7);
  const u32 n = 40;
  auto a = draw.list<u32>(n, [&] { return draw.word(); });
  auto b = draw.list<u32>(n, [&] { return draw.word(); });
  for (u32 k = 5; k < 15; ++k) a[k] = b[k] = 0xffffffffu;
  auto out = device.zeros<u32>(2 * n);
  Shape shape = threads(64, 64);
  shape.shared = 3 * 2 * n * 4;
  device.launch("integers", "big_multiply", shape, device.put(a), device.put(b), out, n);
  std::vector<u32> expected(2 * n, 0);
  for (u32 i = 0; i < n; ++i) {
    u64 carry = 0;
    for (u32 j = 0; j < n; ++j) {
      carry += u64{a[i]} * b[j] + expected[i + j];
      expected[i + j] = static_cast<u32>(carry);
      carry >>= 32;
    }
    expected[i + n] = static_cast<u32>(carry);
  }
  CHECK(out.read() == expected);
}

TEST_CASE("SHA-256") {
  // The digest of 64 letters "a", as sha256sum prints it.
  Device device;
  const u32 n = 33;
  std::vector<u32> messages(16 * n, 0x61616161u);
  messages[16] = 0x61616162u;  // another first letter
  auto out = device.zeros<u32>(8 * n);
  device.launch("integers", "sha256", threads(n, 32), device.put(messages), out, n);
  const u32 expected[8] = {0xffe054fe, 0x7ae0cb6d, 0xc65c3af9, 0xb61d5209,
                           0xf439851d, 0xb43d0ba5, 0x997337df, 0x154668eb};
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    for (u32 k = 0; k < 8; ++k) {
      if (i != 1) CHECK(v[8 * i + k] == expected[k]);
      if (i == 1) CHECK(v[8 * i + k] != expected[k]);
    }
  }
}

TEST_CASE("Philox") {
  Device device;
  const u32 n = 100;
  auto out = device.zeros<u32>(4 * n);
  device.launch("integers", "philox", threads(n), u32{11}, u32{22}, out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    u32 c[4] = {i, 0, 0x12345678u, 0}, key[2] = {11, 22};
    for (int round = 0; round < 10; ++round) {
      const u64 p = u64{0xD2511F53u} * c[0], q = u64{0xCD9E8D57u} * c[2];
      const u32 next[4] = {static_cast<u32>(q >> 32) ^ c[1] ^ key[0], static_cast<u32>(q),
                           static_cast<u32>(p >> 32) ^ c[3] ^ key[1], static_cast<u32>(p)};
      std::copy(next, next + 4, c);
      key[0] += 0x9E3779B9u;
      key[1] += 0xBB67AE85u;
    }
    for (u32 k = 0; k < 4; ++k) CHECK(v[4 * i + k] == c[k]);
  }
}

/// f on each part of `bits` bits, with its sign where asked.
template <class F>
u32 by_parts(int bits, bool is_signed, u32 x, u32 y, F f) {
  const u32 mask = (1u << bits) - 1;
  u32 r = 0;
  const auto part = [&](u32 v, int at) {
    const s64 p = v >> at & mask;
    return is_signed && (p >> (bits - 1)) != 0 ? p - (s64{1} << bits) : p;
  };
  for (int at = 0; at < 32; at += bits)
    r |= (static_cast<u32>(f(part(x, at), part(y, at))) & mask) << at;
  return r;
}

TEST_CASE("bytes and halves in a word") {
  Device device;
  const auto a = words(2, 400), b = words(8, 400);
  const auto n = static_cast<u32>(a.size());
  auto out = device.zeros<u32>(16 * n);
  device.launch("integers", "packed_bytes", threads(n), device.put(a), device.put(b), out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    const u32 x = a[i], y = b[i];
    const s32 sx = as_signed(x), sy = as_signed(y);
    u32 distance = 0;
    for (int at = 0; at < 32; at += 8) {
      const u32 p = x >> at & 0xff, q = y >> at & 0xff;
      distance += p > q ? p - q : q - p;
    }
    const u32 expected[16] = {
        by_parts(8, false, x, y, [](s64 p, s64 q) { return p + q; }),
        by_parts(16, false, x, y, [](s64 p, s64 q) { return p - q; }),
        by_parts(8, false, x, y, [](s64 p, s64 q) { return std::abs(p - q); }),
        by_parts(16, true, x, y, [](s64 p, s64 q) { return std::max(p, q); }),
        by_parts(8, false, x, y, [](s64 p, s64 q) { return std::min(p, q); }),
        by_parts(8, false, x, y, [](s64 p, s64 q) { return p > q ? 0xff : 0; }),
        by_parts(8, false, x, y, [](s64 p, s64 q) { return (p + q + 1) / 2; }),
        by_parts(8, false, x, y, [](s64 p, s64 q) { return std::min<s64>(p + q, 255); }),
        by_parts(16, true, x, y,
                 [](s64 p, s64 q) { return std::clamp<s64>(p - q, -32768, 32767); }),
        distance,
        by_parts(16, true, x, y, [](s64 p, s64) { return std::abs(p); }),
        by_parts(8, true, x, y, [](s64 p, s64) { return -p; }),
        by_parts(8, false, x, y, [](s64 p, s64 q) { return p == q ? 1 : 0; }),
        static_cast<u32>(std::max(as_signed(x + y), 5)),
        static_cast<u32>(std::min({sx, sy, -3})),
        std::max(x, y) ^ (x >= y ? 1u : 0u),
    };
    for (u32 k = 0; k < 16; ++k) {
      CAPTURE(x);
      CAPTURE(y);
      CAPTURE(k);
      CHECK(v[16 * i + k] == expected[k]);
    }
  }
}

}  // namespace
}  // namespace ptxmill::nvcc_test
