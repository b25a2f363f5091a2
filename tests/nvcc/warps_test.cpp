// Shuffles, votes, cooperative groups, divergence.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;

std::vector<int> numbers(std::uint64_t seed, std::size_t n) {
  Draw draw(seed);
  return draw.list<int>(n, [&] { return static_cast<int>(draw.below(40)) - 20; });
}

TEST_CASE("shuffles, votes, matches and reductions") {
  Device device;
  auto in = numbers(1, 128);
  in[40] = 1 << 25;
  auto out = device.zeros<int>(16 * 128);
  device.launch("warps", "shuffles_and_votes", threads(128, 64), device.put(in), out);
  const auto v = out.read();
  for (u32 i = 0; i < 128; ++i) {
    CAPTURE(i);
    const int* x = in.data() + i / 32 * 32;
    const u32 lane = i % 32;
    const int mine = x[lane];
    const auto lanes = [&](auto holds) {
      u32 m = 0;
      for (u32 l = 0; l < 32; ++l) m |= (holds(x[l]) ? 1u : 0u) << l;
      return static_cast<int>(m);
    };
    const bool all_same = std::all_of(x, x + 32, [&](int k) { return k >> 20 == x[0] >> 20; });
    const u32 odd = static_cast<u32>(lanes([](int k) { return (k & 1) != 0; }));
    u32 exclusive = 0, most = 0;
    for (u32 l = 0; l < 32; ++l) {
      exclusive ^= static_cast<u32>(x[l]);
      most = std::max(most, static_cast<u32>(x[l]));
    }
    const int expected[16] = {
        x[(lane * 7 + 3) % 32],
        x[lane >= 3 ? lane - 3 : lane],
        x[lane % 16 + 5 < 16 ? lane + 5 : lane],
        x[lane ^ 9],
        lanes([](int k) { return k > 0; }),
        lanes([](int k) { return k == 7; }) != 0 ? 1 : 0,
        1,
        lanes([&](int k) { return (k & 3) == (mine & 3); }),
        all_same ? -1 : 0,
        all_same ? 1 : 0,
        std::accumulate(x, x + 32, 0),
        *std::min_element(x, x + 32),
        static_cast<int>(most),
        static_cast<int>(exclusive),
        static_cast<int>(x[lane ^ 1] * 0.5),
        (mine & 1) != 0 ? std::popcount(odd & ((1u << lane) - 1)) + 100 : 0,
    };
    for (u32 k = 0; k < 16; ++k) {
      CAPTURE(k);
      // Whether votes yield 1 or another number that is not 0 is nowhere said.
      const bool truth = k == 5 || k == 6;
      CHECK((truth ? v[16 * i + k] != 0 : v[16 * i + k] == expected[k]) ==
            (truth ? expected[k] != 0 : true));
    }
  }
}

TEST_CASE("a sum over warps, blocks and the grid") {
  Device device;
  const u32 n = 3000;
  const auto in = numbers(2, n);
  auto out = device.zeros<float>(1);
  device.launch("warps", "reduce_sum", Shape{{3, 1, 1}, {160, 1, 1}},
                device.put(std::vector<float>(in.begin(), in.end())), out, n);
  CHECK(out.read()[0] == static_cast<float>(std::accumulate(in.begin(), in.end(), 0)));
}

TEST_CASE("a bitonic sort") {
  Device device;
  Draw draw(3);
  auto keys = draw.list<u32>(2048, [&] { return draw.word(); });
  auto buffer = device.put(keys);
  device.launch("warps", "bitonic_sort", threads(2048, 1024), buffer);
  std::sort(keys.begin(), keys.begin() + 1024);
  std::sort(keys.begin() + 1024, keys.end());
  CHECK(buffer.read() == keys);
}

TEST_CASE("cooperative groups") {
  Device device;
  const auto in = numbers(4, 192);
  auto out = device.zeros<int>(8 * 192), odd_count = device.zeros<int>(1);
  device.launch("warps", "groups", threads(192, 96), device.put(in), out, odd_count);
  const auto v = out.read();
  int odd_total = 0;
  for (u32 i = 0; i < 192; ++i) {
    CAPTURE(i);
    const u32 lane = i % 32, rank = i % 8;
    const int *warp = in.data() + (i - lane), *eight = in.data() + (i - rank);
    u32 positive = 0;
    int odd_before = 0, odd = 0, first_odd = 0;
    for (u32 l = 32; l-- > 0;) {
      positive |= (warp[l] > 0 ? 1u : 0u) << l;
      if (warp[l] % 2 == 0) continue;
      ++odd;
      odd_before += l < lane ? 1 : 0;
      first_odd = warp[l];
    }
    const bool mine = in[i] % 2 != 0;
    odd_total += mine ? 1 : 0;
    const int expected[8] = {
        std::accumulate(warp, warp + 32, 0),
        *std::max_element(eight, eight + 8),
        std::accumulate(eight, eight + rank + 1, 0),
        eight[2] + static_cast<int>(lane / 8),
        static_cast<int>(positive),
        std::accumulate(warp, warp + lane, 0),
        std::find(eight, eight + 8, 5) != eight + 8 ? static_cast<int>(rank) : -1,
        mine ? odd_before + 100 * odd + 10000 * first_odd : -1,
    };
    for (u32 k = 0; k < 8; ++k) {
      CAPTURE(k);
      CHECK(v[8 * i + k] == expected[k]);
    }
  }
  CHECK(odd_count.read()[0] == odd_total);
}

TEST_CASE("loops of different length in one warp") {
  Device device;
  Draw draw(5);
  const u32 n = 100;
  const auto in = draw.list<u32>(n, [&] { return draw.below(5000) + 1; });
  auto out = device.zeros<u32>(2 * n);
  device.launch("warps", "collatz", threads(n, 64), device.put(in), out, n);
  const auto v = out.read();
  for (u32 i = 0; i < n; ++i) {
    u32 steps = 0;
    for (std::uint64_t x = in[i]; x != 1; ++steps) x = x % 2 != 0 ? 3 * x + 1 : x / 2;
    CHECK(v[i] == steps);
    CHECK(v[n + i] == 0);
  }
}

TEST_CASE("a grid that meets") {
  Device device;
  const u32 rounds = 4;
  auto counts = device.zeros<u32>(rounds + 1);
  Shape shape = threads(6 * 64, 64);
  shape.cooperative = true;
  device.launch("warps", "grid_meeting", shape, counts, rounds);
  CHECK(counts.read() == std::vector<u32>{384, 384, 384, 384, 0});
}

}  // namespace
}  // namespace ptxmill::nvcc_test
