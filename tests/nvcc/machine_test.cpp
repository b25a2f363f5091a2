// Special registers, clocks, inline assembly, printing, assertions, traps, the heap, copies.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;

TEST_CASE("special registers and clocks") {
  Device device;
  auto out = device.zeros<u32>(16 * 96 * 2);
  Shape shape{{2, 1, 1}, {48, 2, 1}};
  shape.shared = 512;
  device.launch("machine", "special_registers", shape, out);
  const auto v = out.read();
  for (u32 i = 0; i < 192; ++i) {
    CAPTURE(i);
    const u32 thread = i % 96, lane = thread % 32;
    const u32 expected[16] = {lane,
                              (1u << lane) - 1,
                              ~((1u << lane) - 1),
                              thread % 48,
                              thread / 48,
                              48,
                              2,
                              2,
                              1,
                              1,
                              512,
                              1,
                              1,
                              1,
                              32,
                              i / 96};
    for (u32 k = 0; k < 16; ++k) {
      CAPTURE(k);
      CHECK(v[16 * i + k] == expected[k]);
    }
  }
}

TEST_CASE("inline assembly") {
  Device device;
  Draw draw(1);
  const u32 n = 150;
  auto in = draw.list<int>(n, [&] { return static_cast<int>(draw.below(100)) - 50; });
  in[3] = 0x7ffffff0;
  in[4] = -0x7ffffff0;
  auto out = device.zeros<int>(5 * n);
  device.launch("machine", "inline_assembly", threads(n), device.put(in), out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    CAPTURE(in[i]);
    const auto x = static_cast<u32>(in[i]);
    const auto r = static_cast<int>(in[i] > 10 ? 3 * x + 1000 : 100 - x);
    const std::int64_t sum = std::int64_t{x} + r;
    const int b0 = static_cast<std::int8_t>(x), b1 = static_cast<std::int8_t>(x >> 8);
    CHECK(v[5 * i] == r);
    CHECK(v[5 * i + 1] == static_cast<int>(x << 22) >> 25);
    CHECK(v[5 * i + 2] == static_cast<int>(x << 16 | x >> 16));
    CHECK(v[5 * i + 3] == std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX));
    CHECK(v[5 * i + 4] ==
          static_cast<int>(static_cast<u32>(std::abs(b0 - b1)) + static_cast<u32>(r)));
  }
}

TEST_CASE("printf runs") {
  Device device;
  device.launch("machine", "print_some", threads(32, 32), 7, 3.14159);
}

TEST_CASE("an assertion that holds, a trap that nobody reaches") {
  Device device;
  device.launch("machine", "check_below", threads(64, 32), device.put(std::vector<int>(64, 3)), 4);
  device.launch("machine", "trap_at", threads(64, 32), u32{64});
}

TEST_CASE("the heap of a device") {
  Device device;
  const u32 n = 100;
  auto out = device.zeros<u32>(n);
  device.launch("machine", "heap", threads(n, 64), out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    const u32 count = i % 5 + 1;
    CHECK(v[i] == count * i + count * (count - 1) / 2);
  }
}

TEST_CASE("copies that overlap the arithmetic") {
  Device device;
  Draw draw(2);
  const u32 tiles = 5;
  const auto in = draw.list<float>(4 * 64 * tiles, [&] { return draw.below(100); });
  auto out = device.zeros<float>(in.size());
  device.launch("machine", "pipeline", threads(64, 64), device.put(in), out, tiles);
  const auto v = out.read();
  for (u32 k = 0; k < tiles; ++k) {
    for (u32 t = 0; t < 64; ++t) {
      const float *a = &in[4 * (64 * k + t)], *b = &in[4 * (64 * k + 63 - t)];
      const float expected[4] = {a[0] + b[0], a[1] * b[1], a[2] - b[2], a[3]};
      for (u32 c = 0; c < 4; ++c) CHECK(v[4 * (64 * k + t) + c] == expected[c]);
    }
  }
}

}  // namespace
}  // namespace ptxmill::nvcc_test
