// Recursion, pointers to functions, virtual calls, structs by value, tables of cases.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

const char* const builds[] = {"calls", "calls_unoptimised"};

unsigned queens(unsigned all, unsigned cols, unsigned left, unsigned right) {
  if (cols == all) return 1;
  unsigned count = 0;
  for (unsigned free = all & ~(cols | left | right); free != 0; free &= free - 1) {
    const unsigned bit = free & (~free + 1);
    count += queens(all, cols | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return count;
}

TEST_CASE("n queens, by recursion") {
  Device device;
  for (const char* build : builds) {
    CAPTURE(build);
    const unsigned n = 7;
    auto counts = device.zeros<unsigned>(n * n);
    device.launch(build, "n_queens", threads(n * n, 64), n, counts);
    unsigned total = 0;
    for (const unsigned c : counts.read()) total += c;
    CHECK(total == queens((1u << n) - 1, 0, 0, 0));
    CHECK(total == 40);
  }
}

TEST_CASE("functions that call each other and themselves") {
  Device device;
  for (const char* build : builds) {
    CAPTURE(build);
    const unsigned n = 50;
    auto out = device.zeros<unsigned>(3 * n);
    device.launch(build, "recursions", threads(n, 64), out, n);
    const std::function<unsigned(unsigned)> fibonacci = [&](unsigned k) {
      return k < 2 ? k : fibonacci(k - 1) + fibonacci(k - 2);
    };
    const auto v = out.read();
    for (unsigned i = 0; i < n; ++i) {
      CHECK(v[3 * i] == (i % 2 == 0 ? 1 : 2));
      CHECK(v[3 * i + 1] == 2 * (i % 5) + 3);  // Ackermann's function of 2
      CHECK(v[3 * i + 2] == fibonacci(i % 13));
    }
  }
}

TEST_CASE("quicksort in local memory") {
  Device device;
  Draw draw(1);
  const int each = 24, n = 70;
  auto expected = draw.list<int>(each * n, [&] { return draw.below(1000); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto data = device.put(expected);
    device.launch(build, "sort_each", Shape{{2, 1, 1}, {35, 1, 1}}, data, each);
    auto sorted = expected;
    for (int i = 0; i < n; ++i)
      std::sort(sorted.begin() + i * each, sorted.begin() + (i + 1) * each);
    CHECK(data.read() == sorted);
  }
}

TEST_CASE("a table of functions") {
  Device device;
  Draw draw(2);
  const unsigned n = 200;
  const auto a = draw.list<int>(n, [&] { return static_cast<int>(draw.below(100)) - 50; });
  const auto b = draw.list<int>(n, [&] { return static_cast<int>(draw.below(100)) - 50; });
  const auto plain = [](unsigned which, int x, int y) {
    return which == 0 ? x + y : which == 1 ? x - y : x * y;
  };
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<int>(n);
    device.launch(build, "function_table", threads(n), device.put(a), device.put(b), out, n);
    const auto v = out.read();
    for (unsigned i = 0; i < n; ++i) {
      const unsigned which = static_cast<unsigned>(a[i]) % 4;
      const unsigned inner = static_cast<unsigned>(a[i] ^ b[i]) % 3;
      CHECK(v[i] ==
            (which < 3 ? plain(which, a[i], b[i]) : plain(inner, plain(inner, a[i], b[i]), b[i])));
    }
  }
}

TEST_CASE("virtual functions") {
  Device device;
  const unsigned n = 100;
  std::vector<float> in;
  for (unsigned i = 0; i < n; ++i) in.push_back(static_cast<float>(i) + 0.25f);
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<float>(2 * n);
    device.launch(build, "virtual_calls", threads(n), device.put(in), out, n);
    const auto v = out.read();
    for (unsigned i = 0; i < n; ++i) {
      const float x = in[i];
      const bool square = i % 2 == 0;
      CHECK(v[2 * i] == (square ? x * x : x * (x + 1.f)));
      CHECK(v[2 * i + 1] == (square ? x * x * 2.f : (x + 2.f) * (x + 1.f + 2.f)));
    }
  }
}

struct Particle {
  double mass;
  float at[3];
  char tag;
  short id;
};

Particle merge(const Particle& a, const Particle& b, float by) {
  Particle r = a;
  r.mass += b.mass;
  r.at[0] = a.at[0] * by + b.at[0];
  r.at[1] += b.at[1];
  r.at[2] -= b.at[2];
  r.tag = static_cast<char>(a.tag + b.tag);
  r.id = static_cast<short>(a.id * b.id);
  return r;
}

TEST_CASE("structs by value") {
  Device device;
  const unsigned n = 60;
  const Particle first{1.5, {1, 2, 3}, 'a', 7};
  std::vector<Particle> in(n);
  for (unsigned i = 0; i < n; ++i) {
    std::memset(static_cast<void*>(&in[i]), 0, sizeof in[i]);
    const auto f = static_cast<float>(i);
    in[i].mass = i;
    in[i].at[0] = f / 4, in[i].at[1] = f / 8, in[i].at[2] = -f;
    in[i].tag = static_cast<char>(i % 20);
    in[i].id = static_cast<short>(i * 11);
  }
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<double>(6 * n);
    device.launch(build, "structs", threads(n), first, device.put(in), out, n);
    const auto v = out.read();
    for (unsigned i = 0; i < n; ++i) {
      const Particle p = merge(first, in[i], 0.5f), q = i % 2 != 0 ? merge(p, first, 2.f) : p;
      const double expected[] = {q.mass, q.at[0], q.at[1], q.at[2], double(q.tag), double(q.id)};
      for (unsigned k = 0; k < 6; ++k) CHECK(v[6 * i + k] == expected[k]);
    }
  }
}

int run_byte_code(const unsigned char* code, int length, int start) {
  int stack[16] = {start};
  int top = 0;
  for (int pc = 0; pc < length; ++pc) {
    int& t = stack[top];
    const auto u = static_cast<unsigned>(t);
    switch (code[pc]) {
      case 0: t = static_cast<int>(u + 3); break;
      case 1: t = static_cast<int>(u * 5); break;
      case 2: t ^= 0x55; break;
      case 3: t = static_cast<int>(0 - u); break;
      case 4:
        if (top < 15) stack[top + 1] = t, ++top;
        break;
      case 5:
        if (top > 0)
          stack[top - 1] = static_cast<int>(static_cast<unsigned>(stack[top - 1]) + u), --top;
        break;
      case 6:
        if (top > 0) std::swap(stack[top], stack[top - 1]);
        break;
      case 7: t = static_cast<int>(u >> 3); break;
      case 8: t = __builtin_popcount(u); break;
      case 9:
        if ((t & 1) != 0) ++pc;
        break;
      case 10: t %= 1000; break;
      case 11: t = static_cast<int>(u + static_cast<unsigned>(pc)); break;
      default: t = static_cast<int>(u - code[pc]); break;
    }
  }
  return static_cast<int>(static_cast<unsigned>(stack[top]) * 31 + static_cast<unsigned>(top));
}

TEST_CASE("a switch that becomes a table of branches") {
  Device device;
  Draw draw(3);
  const unsigned n = 128;
  const int length = 60;
  const auto code =
      draw.list<unsigned char>(n * static_cast<unsigned>(length), [&] { return draw.below(14); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<int>(n);
    device.launch(build, "byte_code", threads(n, 64), device.put(code), length, out, n);
    const auto v = out.read();
    for (unsigned i = 0; i < n; ++i) {
      CHECK(v[i] == run_byte_code(code.data() + i * static_cast<unsigned>(length), length,
                                  static_cast<int>(i)));
    }
  }
}

TEST_CASE("memory on the stack, as much as each thread asks for") {
  Device device;
  for (const char* build : builds) {
    CAPTURE(build);
    const unsigned n = 100;
    auto out = device.zeros<int>(n);
    device.launch(build, "stack_memory", threads(n), out, n);
    const auto v = out.read();
    for (unsigned i = 0; i < n; ++i) {
      unsigned expected = 0;
      for (unsigned k = 0; k <= i % 7; ++k) expected += (k + i) * (k + i);
      CHECK(v[i] == static_cast<int>(expected));
    }
  }
}

TEST_CASE("a way out of the middle of a recursion") {
  Device device;
  for (const char* build : builds) {
    CAPTURE(build);
    const unsigned n = 64;
    auto out = device.zeros<unsigned>(n);
    device.launch(build, "towers", threads(n, 64), out, n);
    const auto v = out.read();
    for (unsigned i = 0; i < n; ++i) {
      const unsigned moves = (1u << (i % 8)) - 1;
      CHECK(v[i] == (moves > 50 ? 100 : 2 * moves + 1));
    }
  }
}

}  // namespace
}  // namespace ptxmill::nvcc_test
