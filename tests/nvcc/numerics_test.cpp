// Small numerical programs against double precision.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;

TEST_CASE("the Mandelbrot set, bit for bit") {
  Device device;
  const u32 width = 40, height = 30, limit = 60;
  auto out = device.zeros<u32>(width * height);
  device.launch("numerics", "mandelbrot", Shape{{3, 4, 1}, {16, 8, 1}}, out, width, height, limit);
  const auto v = out.read();
  for (u32 y = 0; y < height; ++y) {
    for (u32 x = 0; x < width; ++x) {
      const double re = std::fma(3.0 * x / width, 1.0, -2.0), im = 3.0 * y / height - 1.5;
      double a = 0, b = 0;
      u32 k = 0;
      for (; k < limit; ++k) {
        volatile double aa = a * a, bb = b * b, product = (a + a) * b;  // nothing contracted
        if (aa + bb > 4) break;
        b = product + im;
        a = aa - bb + re;
      }
      CHECK(v[y * width + x] == k);
    }
  }
}

TEST_CASE("a Fourier transform") {
  Device device;
  Draw draw(1);
  const auto in = draw.list<float>(2 * 512, [&] { return draw.between(-1, 1); });
  auto out = device.zeros<float>(2 * 512);
  device.launch("numerics", "fft_256", Shape{{2, 1, 1}, {128, 1, 1}}, device.put(in), out);
  const auto v = out.read();
  for (std::size_t block = 0; block < 2; ++block) {
    for (std::size_t k = 0; k < 256; ++k) {
      std::complex<double> sum = 0;
      for (std::size_t j = 0; j < 256; ++j) {
        const double angle = -2 * M_PI * static_cast<double>(j * k % 256) / 256;
        const std::size_t at = 2 * (256 * block + j);
        sum += std::complex<double>(in[at], in[at + 1]) * std::polar(1.0, angle);
      }
      const std::size_t at = 2 * (256 * block + k);
      CHECK(std::abs(std::complex<double>(v[at], v[at + 1]) - sum) < 1e-4);
    }
  }
}

TEST_CASE("a sparse matrix times a vector") {
  Device device;
  Draw draw(2);
  const u32 rows = 50;
  std::vector<u32> offsets{0}, columns;
  std::vector<float> values;
  for (u32 r = 0; r < rows; ++r) {
    for (u32 k = draw.below(90); k > 0; --k) {
      columns.push_back(draw.below(rows));
      values.push_back(static_cast<float>(draw.below(16)));
    }
    offsets.push_back(static_cast<u32>(columns.size()));
  }
  const auto x = draw.list<float>(rows, [&] { return draw.below(16); });
  auto y = device.zeros<float>(rows);
  device.launch("numerics", "spmv", threads(32 * rows), device.put(offsets), device.put(columns),
                device.put(values), device.put(x), y, rows);
  const auto v = y.read();
  for (u32 r = 0; r < rows; ++r) {
    double sum = 0;
    for (u32 e = offsets[r]; e < offsets[r + 1]; ++e) sum += double{values[e]} * x[columns[e]];
    CHECK(v[r] == sum);
  }
}

TEST_CASE("a step of k-means") {
  Device device;
  Draw draw(3);
  const u32 n = 300, k = 5;
  const auto points = draw.list<float>(2 * n, [&] { return draw.below(100); });
  const auto centres = draw.list<float>(2 * k, [&] { return draw.below(100); });
  auto assigned = device.zeros<u32>(n);
  auto sums = device.zeros<int>(2 * k);
  auto counts = device.zeros<u32>(k);
  device.launch("numerics", "k_means_step", threads(n), device.put(points), n, device.put(centres),
                k, assigned, sums, counts);
  std::vector<u32> expected(n), how_many(k, 0);
  std::vector<int> totals(2 * k, 0);
  for (u32 i = 0; i < n; ++i) {
    float least = INFINITY;
    for (u32 c = 0; c < k; ++c) {
      const float dx = points[2 * i] - centres[2 * c], dy = points[2 * i + 1] - centres[2 * c + 1];
      if (dx * dx + dy * dy < least) least = dx * dx + dy * dy, expected[i] = c;
    }
    ++how_many[expected[i]];
    totals[2 * expected[i]] += static_cast<int>(points[2 * i]);
    totals[2 * expected[i] + 1] += static_cast<int>(points[2 * i + 1]);
  }
  CHECK(assigned.read() == expected);
  CHECK(sums.read() == totals);
  CHECK(counts.read() == how_many);
}

TEST_CASE("a Jacobi step") {
  Device device;
  Draw draw(4);
  const u32 n = 33;
  const auto in = draw.list<double>(n * n, [&] { return draw.below(1 << 20); });
  auto out = device.zeros<double>(n * n);
  device.launch("numerics", "jacobi", Shape{{3, 5, 1}, {16, 8, 1}}, device.put(in), out, n);
  const auto v = out.read();
  for (u32 y = 0; y < n; ++y) {
    for (u32 x = 0; x < n; ++x) {
      const bool edge = x == 0 || y == 0 || x == n - 1 || y == n - 1;
      const u32 at = y * n + x;
      CHECK(v[at] == (edge ? in[at] : (in[at - 1] + in[at + 1] + in[at - n] + in[at + n]) / 4));
    }
  }
}

TEST_CASE("an integral") {
  Device device;
  auto total = device.zeros<double>(1);
  device.launch("numerics", "integrate", threads(200), -5.0, 5.0, total, u32{200});
  // The integral of exp(-x^2) cos(3x) over the line.
  CHECK(std::fabs(total.read()[0] - std::sqrt(M_PI) * std::exp(-9.0 / 4)) < 1e-7);
}

TEST_CASE("edit distances") {
  Device device;
  Draw draw(5);
  const u32 length = 12, count = 20;
  const auto words = draw.list<char>(length * count, [&] { return 'a' + draw.below(4); });
  auto distance = device.zeros<u32>(count * count);
  device.launch("numerics", "edit_distance", Shape{{3, 3, 1}, {8, 8, 1}}, device.put(words), length,
                distance, count);
  const auto v = distance.read();
  for (u32 a = 0; a < count; ++a) {
    for (u32 b = 0; b < count; ++b) {
      u32 d[13][13];
      for (u32 i = 0; i <= length; ++i) {
        for (u32 j = 0; j <= length; ++j) {
          if (i == 0 || j == 0) {
            d[i][j] = i + j;
            continue;
          }
          const u32 swap = words[a * length + i - 1] != words[b * length + j - 1] ? 1 : 0;
          d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + swap});
        }
      }
      CHECK(v[a * count + b] == d[length][length]);
    }
  }
}

}  // namespace
}  // namespace ptxmill::nvcc_test
