// Atomics and what is built of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

TEST_CASE("each kind of atomic") {
  Device device;
  const u32 n = 192;
  auto i32 = device.zeros<int>(4);
  auto w32 = device.put(std::vector<u32>{0, 50, ~0u, 0, 0, 0, 0, 0});
  auto w64 = device.zeros<u64>(3);
  auto f32 = device.zeros<float>(1);
  auto f64 = device.zeros<double>(1);
  auto seen = device.zeros<u32>(n);
  device.launch("atomics", "atomic_kinds", threads(n, 64), i32, w32, w64, f32, f64, seen);
  int sum = 0, least = 0, most = 0;
  u32 mixed = 0, wrapped_up = 0, wrapped_down = 50;
  u64 sum64 = 0;
  double sum32 = 0, sum_f64 = 0;
  for (u32 i = 0; i < n; ++i) {
    const int k = static_cast<int>(i);
    sum += k - 50;
    least = std::min(least, static_cast<int>(i * 7919 % 1000) - 500);
    most = std::max(most, static_cast<int>(i * 7919 % 1000) - 500);
    mixed ^= i * 2654435761u;
    wrapped_up = wrapped_up >= 99 ? 0 : wrapped_up + 1;
    wrapped_down = wrapped_down == 0 || wrapped_down > 77 ? 77 : wrapped_down - 1;
    sum64 += u64{i} << 33;
    sum32 += 0.5 * (i % 8);
    sum_f64 += 0.25 * i;
  }
  CHECK(i32.read() == std::vector<int>{sum, -static_cast<int>(n * (n - 1) / 2), least, most});
  const auto w = w32.read();
  CHECK(w[0] == wrapped_up);
  CHECK(w[1] == wrapped_down);
  CHECK(w[2] == (~0u << 20));
  CHECK(w[3] == (1u << 30) - 1);
  CHECK(w[4] == mixed);
  CHECK(w[5] + w[6] == n * (n + 1) / 2);  // the last one in, and all that were exchanged for others
  CHECK(w[7] == n);
  const auto d = w64.read();
  CHECK(d[0] == sum64);
  CHECK(d[1] == (n - 1) * 0x100000001ull);
  CHECK(d[2] >= 1);
  CHECK(d[2] <= n);
  CHECK(f32.read()[0] == static_cast<float>(sum32));
  CHECK(f64.read()[0] == sum_f64);
  auto order = seen.read();
  std::sort(order.begin(), order.end());
  for (u32 i = 0; i < n; ++i) CHECK(order[i] == i);
}

TEST_CASE("loops around compare-and-swap") {
  Device device;
  Draw draw(1);
  const u32 n = 200;
  const auto in = draw.list<float>(n, [&] { return draw.between(-10, 10); });
  auto least = device.put(std::vector<float>{100.f});
  auto halves = device.zeros<std::uint16_t>(2);
  device.launch("atomics", "cas_loops", threads(n), device.put(in), least, halves, n);
  CHECK(least.read()[0] == *std::min_element(in.begin(), in.end()));
  CHECK(halves.read() == std::vector<std::uint16_t>{static_cast<std::uint16_t>(3 * n), 0});
}

TEST_CASE("references to atomics, in their orders and scopes") {
  Device device;
  const u32 n = 128;
  auto words = device.zeros<u32>(4);
  auto wide = device.put(std::vector<u64>(1 + n, 1000));
  auto out = device.zeros<int>(n);
  device.launch("atomics", "atomic_refs", threads(n, 64), words, wide, out);
  CHECK(words.read() == std::vector<u32>{2 * n, 2 * n, ~0u, ~0u});
  const auto w = wide.read();
  CHECK(w[0] == 1000 - 3 * n);
  for (u32 i = 0; i < n; ++i) CHECK(w[1 + i] == i);
  CHECK(out.read() == std::vector<int>(n, 1));
}

TEST_CASE("the last block adds up, launch after launch") {
  Device device;
  const u32 n = 1000;
  std::vector<int> in(n);
  std::iota(in.begin(), in.end(), -300);
  for (int round = 0; round < 3; ++round) {
    auto partial = device.zeros<int>(7), total = device.zeros<int>(1);
    device.launch("atomics", "last_block", Shape{{7, 1, 1}, {64, 1, 1}}, device.put(in), partial,
                  total, n);
    CHECK(total.read()[0] == std::accumulate(in.begin(), in.end(), 0));
  }
}

TEST_CASE("a lock that every thread takes") {
  Device device;
  auto lock = device.zeros<int>(1);
  auto counter = device.zeros<u32>(1);
  device.launch("atomics", "spin_lock", threads(128, 64), lock, counter, u32{3});
  CHECK(counter.read()[0] == 128 * 3);
}

TEST_CASE("a hash table of lists") {
  struct Node {
    u32 key, value;
    u64 next;
  };
  Device device;
  const u32 n = 300, mask = 63;
  std::vector<u32> keys(n);
  for (u32 i = 0; i < n; ++i) keys[i] = i * 2654435761u;
  auto buckets = device.zeros<u64>(mask + 1);
  auto nodes = device.zeros<Node>(n);
  auto key_buffer = device.put(keys);
  device.launch("atomics", "hash_insert", threads(n), buckets, nodes, key_buffer, n, mask);
  auto asked = keys;
  std::reverse(asked.begin(), asked.end());
  asked[5] += 1;
  auto values = device.zeros<u32>(n);
  device.launch("atomics", "hash_find", threads(n), buckets, device.put(asked), values, n, mask);
  const auto v = values.read();
  for (u32 i = 0; i < n; ++i) CHECK(v[i] == (i == 5 ? ~0u : n - 1 - i));
}

TEST_CASE("a breadth-first search with a queue") {
  Device device;
  Draw draw(2);
  const u32 n = 400;
  std::vector<u32> offsets{0}, edges;
  for (u32 i = 0; i < n; ++i) {
    for (u32 k = draw.below(4); k > 0; --k) edges.push_back(draw.below(n));
    offsets.push_back(static_cast<u32>(edges.size()));
  }
  std::vector<u32> expected(n, ~0u), queue{0};
  expected[0] = 0;
  for (std::size_t k = 0; k < queue.size(); ++k) {
    for (u32 e = offsets[queue[k]]; e < offsets[queue[k] + 1]; ++e) {
      if (expected[edges[e]] != ~0u) continue;
      expected[edges[e]] = expected[queue[k]] + 1;
      queue.push_back(edges[e]);
    }
  }
  std::vector<u32> start(n, ~0u), frontier{0};
  start[0] = 0;
  auto distance = device.put(start);
  auto edge_buffer = device.put(edges);
  auto offset_buffer = device.put(offsets);
  for (u32 level = 1; !frontier.empty(); ++level) {
    auto next = device.zeros<u32>(n), next_size = device.zeros<u32>(1);
    const auto size = static_cast<u32>(frontier.size());
    device.launch("atomics", "bfs_level", threads(size, 64), offset_buffer, edge_buffer, distance,
                  device.put(frontier), size, next, next_size, level);
    frontier = next.read();
    frontier.resize(next_size.read()[0]);
  }
  CHECK(distance.read() == expected);
}

}  // namespace
}  // namespace ptxmill::nvcc_test
