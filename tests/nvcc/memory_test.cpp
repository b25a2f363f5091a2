// State spaces, module variables, vectors, generic pointers.
#include <doctest/doctest.h>

#include <numeric>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s64 = std::int64_t;
const char* const builds[] = {"memory", "memory_unoptimised"};

template <class T>
void write_global(Device& device, const char* build, const char* name, const std::vector<T>& v) {
  CUdeviceptr at = 0;
  std::size_t bytes = 0;
  check(api().get_global(&at, &bytes, device.module(build), name), name);
  REQUIRE(bytes == v.size() * sizeof(T));
  check(api().to_device(at, v.data(), bytes), name);
}

TEST_CASE("variables of a module, from both sides") {
  Device device;
  const float weights[4][4] = {{1, 2, 3, 4}, {.5f, .25f, .125f, 0}, {-1, -2, -3, -4}, {7, 0, 0, 0}};
  const char* const names[3] = {"zero", "one", "two"};
  const double shorts[3] = {1, -2, 3};
  for (const char* build : builds) {
    CAPTURE(build);
    std::vector<u32> filled(64);
    std::iota(filled.begin(), filled.end(), 100u);
    write_global(device, build, "host_filled", filled);
    int table[8] = {3, 1, 4, 1, 5, 9, 2, 6};
    double scalar = 2.5;
    const u32 n = 70;
    for (int round = 0; round < 2; ++round) {
      auto out = device.put(std::vector<double>(8 * n, -1));
      device.launch(build, "module_variables", threads(n), out, n);
      const auto v = out.read();
      for (u32 i = 0; i < n; ++i) {
        CAPTURE(i);
        const double expected[8] = {weights[i % 4][i / 4 % 4],
                                    100.0 + i % 64,
                                    double(table[i % 8] + table[2 + i % 6]),
                                    double(names[i % 3][i % 4]),
                                    scalar * i,
                                    0,
                                    0.125 + shorts[i % 3] + 'x',
                                    4};
        for (u32 k = 0; k < 8; ++k) {
          CAPTURE(k);
          CHECK(v[8 * i + k] == expected[k]);
        }
      }
      device.launch(build, "write_variables", threads(32, 32), 5);
      for (int& t : table) t += 5;
      scalar = 2.5;
    }
  }
}

TEST_CASE("a parameter of many bytes") {
  struct Big {
    int words[40];
    float scale;
  } big{};
  for (int k = 0; k < 40; ++k) big.words[k] = k * k - 100;
  big.scale = 0.5f;
  Device device;
  Draw draw(1);
  const u32 n = 100;
  const auto index = draw.list<u32>(n, [&] { return draw.word(); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<float>(n);
    device.launch(build, "big_parameter", threads(n), big, device.put(index), out, n);
    const auto v = out.read();
    for (u32 i = 0; i < n; ++i) CHECK(v[i] == static_cast<float>(big.words[index[i] % 40]) * 0.5f);
  }
}

TEST_CASE("a local array") {
  Device device;
  Draw draw(2);
  const u32 n = 100;
  const auto in = draw.list<u32>(n, [&] { return draw.word(); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<u32>(n);
    device.launch(build, "local_array", threads(n, 64), device.put(in), out, n);
    const auto v = out.read();
    for (u32 i = 0; i < n; ++i) {
      u32 ring[17], x = in[i];
      for (u32 k = 0; k < 17; ++k) ring[k] = k * k;
      for (u32 k = 0; k < 40; ++k) {
        ring[x % 17] += x;
        x = x * 1664525u + 1013904223u + ring[k % 17];
      }
      CHECK(v[i] == (ring[in[i] % 17] ^ x));
    }
  }
}

TEST_CASE("vectors of several types") {
  Device device;
  Draw draw(3);
  const u32 n = 90;
  const auto a = draw.list<float>(4 * n, [&] { return draw.below(1000); });
  const auto b = draw.list<unsigned char>(4 * n, [&] { return draw.below(256); });
  const auto c = draw.list<s64>(2 * n, [&] { return draw.bits() >> 2; });
  const auto d = draw.list<std::int16_t>(2 * n, [&] { return draw.below(200); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<float>(4 * n);
    auto wide = device.zeros<s64>(2 * n);
    device.launch(build, "vectors", threads(n, 64), device.put(a), device.put(b), device.put(c),
                  device.put(d), out, wide, n);
    const auto v = out.read();
    const auto w = wide.read();
    for (u32 i = 0; i < n; ++i) {
      CHECK(v[4 * i] == a[4 * i] + b[4 * i]);
      CHECK(v[4 * i + 1] == a[4 * i + 1] * b[4 * i + 1]);
      CHECK(v[4 * i + 2] == a[4 * i + 2] - d[2 * i]);
      CHECK(v[4 * i + 3] == a[4 * i + 3] + static_cast<float>(d[2 * i + 1] * b[4 * i + 3]));
      CHECK(w[2 * i] == c[2 * i + 1] - c[2 * i]);
      CHECK(w[2 * i + 1] == (c[2 * i] ^ c[2 * i + 1]));
    }
  }
}

TEST_CASE("generic pointers into each space") {
  Device device;
  const u32 n = 128;
  const std::vector<int> global{7, 8, 9, 10};
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<int>(n);
    device.launch(build, "generic_pointers", threads(n, 64), device.put(global), out, n);
    const auto v = out.read();
    for (u32 i = 0; i < n; ++i) {
      const int k = static_cast<int>(i % 4);
      const int expected = i % 3 == 0   ? global[static_cast<u32>(k)] + 2000
                           : i % 3 == 1 ? 3 * k + 1000
                                        : 10 * (k + 1) + static_cast<int>(i) + 4000;
      CHECK(v[i] == expected);
    }
  }
}

TEST_CASE("unions, memset and memcpy") {
  Device device;
  Draw draw(4);
  const u32 n = 64;
  const auto in = draw.list<double>(n, [&] { return draw.between(-5, 5); });
  for (const char* build : builds) {
    CAPTURE(build);
    auto out = device.zeros<u64>(n);
    auto bytes = device.zeros<unsigned char>(16 * n);
    device.launch(build, "unions_and_copies", threads(n, 32), device.put(in), out, bytes, n);
    const auto v = out.read();
    const auto raw = bytes.read();
    for (u32 i = 0; i < n; ++i) {
      u64 expected = 0;
      std::memcpy(&expected, &in[i], 8);
      expected ^= u64{0x5a} << (8 * (i % 8));
      CHECK(v[i] == expected);
      unsigned char line[16];
      std::memset(line, static_cast<int>(i), 16);
      std::memcpy(line + 3, &expected, 8);
      CHECK(std::memcmp(line, raw.data() + 16 * i, 16) == 0);
    }
  }
}

TEST_CASE("a search for words") {
  Device device;
  Draw draw(5);
  std::string text;
  for (int k = 0; k < 700; ++k) text += static_cast<char>('a' + draw.below(3));
  const std::vector<std::string> words{"abc", "aa", "cab", "b", "abcabcabc"};
  std::vector<char> all;
  std::vector<u32> starts{0};
  for (const std::string& w : words) {
    all.insert(all.end(), w.begin(), w.end());
    starts.push_back(static_cast<u32>(all.size()));
  }
  for (const char* build : builds) {
    CAPTURE(build);
    auto matches = device.zeros<u32>(words.size());
    const auto length = static_cast<u32>(text.size());
    device.launch(build, "find_words", threads(length),
                  device.put(std::vector<char>(text.begin(), text.end())), length, device.put(all),
                  device.put(starts), static_cast<u32>(words.size()), matches);
    const auto v = matches.read();
    for (std::size_t k = 0; k < words.size(); ++k) {
      u32 count = 0;
      for (auto at = text.find(words[k]); at != std::string::npos; at = text.find(words[k], at + 1))
        ++count;
      CHECK(v[k] == count);
    }
  }
}

}  // namespace
}  // namespace ptxmill::nvcc_test
