// Shared memory and barriers.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;
const char* const builds[] = {"shared", "shared_unoptimised"};

TEST_CASE("transpose through a tile") {
  Device device;
  const u32 rows = 45, cols = 70;
  std::vector<float> in(rows * cols);
  for (u32 i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<float>(in.size());
    device.launch(build, "transpose", Shape{{3, 2, 1}, {32, 8, 1}}, device.put(in), out, rows,
                  cols);
    const auto v = out.read();
    for (u32 r = 0; r < rows; ++r)
      for (u32 c = 0; c < cols; ++c) CHECK(v[c * rows + r] == in[r * cols + c]);
  }
}

TEST_CASE("a product of matrices of small integers") {
  Device device;
  Draw draw(1);
  const u32 n = 37;
  const auto a = draw.list<float>(n * n, [&] { return draw.below(9); });
  const auto b = draw.list<float>(n * n, [&] { return draw.below(9); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto c = device.zeros<float>(n * n);
    device.launch(build, "matrix_product", Shape{{3, 3, 1}, {16, 16, 1}}, device.put(a),
                  device.put(b), c, n);
    const auto v = c.read();
    for (u32 i = 0; i < n; ++i) {
      for (u32 j = 0; j < n; ++j) {
        double sum = 0;
        for (u32 k = 0; k < n; ++k) sum += double{a[i * n + k]} * b[k * n + j];
        CHECK(v[i * n + j] == sum);
      }
    }
  }
}

TEST_CASE("a histogram") {
  Device device;
  Draw draw(2);
  const u32 n = 5000;
  const auto in = draw.list<unsigned char>(n, [&] { return draw.below(16) * draw.below(16); });
  std::vector<u32> expected(256, 0);
  for (const unsigned char c : in) ++expected[c];
  for (const char* build : builds) {
    CAPTURE(build);
    auto bins = device.zeros<u32>(256);
    device.launch(build, "histogram", Shape{{3, 1, 1}, {96, 1, 1}}, device.put(in), n, bins);
    CHECK(bins.read() == expected);
  }
}

TEST_CASE("an exclusive scan") {
  Device device;
  Draw draw(3);
  const u32 n = 500;
  const auto in = draw.list<u32>(n, [&] { return draw.below(1000); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<u32>(n);
    device.launch(build, "scan", Shape{{1, 1, 1}, {256, 1, 1}, 2048}, device.put(in), out, n);
    const auto v = out.read();
    u32 sum = 0;
    for (u32 i = 0; i < n; ++i) {
      CHECK(v[i] == sum);
      sum += in[i];
    }
  }
}

TEST_CASE("barriers that count and vote, and named ones") {
  Device device;
  Draw draw(4);
  auto in = draw.list<int>(256, [&] { return static_cast<int>(draw.below(100)) - 50; });
  in[200] = 42;
  in[130] = -100;
  for (int& x : in)
    if (x == 42 && &x < &in[128]) x = 41;
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<int>(4 * 256);
    device.launch(build, "barriers", threads(256, 128), device.put(in), out);
    const auto v = out.read();
    for (int i = 0; i < 256; ++i) {
      const auto first = in.begin() + i / 128 * 128, last = first + 128;
      const auto at = static_cast<std::size_t>(4 * i);
      CHECK(v[at] == std::count_if(first, last, [](int x) { return x > 0; }));
      CHECK((v[at + 1] != 0) == std::all_of(first, last, [](int x) { return x > -100; }));
      CHECK((v[at + 2] != 0) == (i >= 128));
      CHECK(v[at + 3] == (i % 128 < 64 ? 0 : 2 * in[static_cast<std::size_t>(i - 64)]));
    }
  }
}

TEST_CASE("a stencil with a halo") {
  Device device;
  const int n = 700;
  Draw draw(5);
  const auto in = draw.list<float>(n, [&] { return draw.below(100); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<float>(n);
    device.launch(build, "stencil_3", threads(n, 256), device.put(in), out, u32{n});
    const auto v = out.read();
    for (int i = 0; i < n; ++i) {
      float sum = 0;
      for (int k = -3; k <= 3; ++k) {
        if (i + k >= 0 && i + k < n)
          sum += in[static_cast<std::size_t>(i + k)] * static_cast<float>(4 - std::abs(k));
      }
      CHECK(v[static_cast<std::size_t>(i)] == sum);
    }
  }
}

TEST_CASE("the game of life") {
  Device device;
  Draw draw(6);
  auto cells = draw.list<unsigned char>(1024, [&] { return draw.below(3) == 0; });
  const int generations = 5;
  auto out = device.zeros<unsigned char>(1024);
  device.launch("shared", "life", Shape{{1, 1, 1}, {32, 32, 1}}, device.put(cells), out,
                generations);
  for (int g = 0; g < generations; ++g) {
    auto next = cells;
    for (int y = 0; y < 32; ++y) {
      for (int x = 0; x < 32; ++x) {
        int alive = 0;
        for (int k = 0; k < 9; ++k)
          alive += k == 4 ? 0
                          : cells[static_cast<std::size_t>((y + k / 3 + 31) % 32 * 32 +
                                                           (x + k % 3 + 31) % 32)];
        unsigned char& c = next[static_cast<std::size_t>(y * 32 + x)];
        c = alive == 3 || (c != 0 && alive == 2);
      }
    }
    cells = next;
  }
  CHECK(out.read() == cells);
}

}  // namespace
}  // namespace ptxmill::nvcc_test
