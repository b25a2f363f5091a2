// The emulated device's global memory.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "emulator/memory.hpp"

namespace ptxmill::emu {
namespace {

TEST_CASE("allocations are aligned, apart, zero in use count after they are freed") {
  GlobalMemory memory(1 << 20);
  const DeviceAddress a = memory.allocate(1000), b = memory.allocate(1);
  REQUIRE(a != 0);
  REQUIRE(b != 0);
  CHECK(a % 512 == 0);
  CHECK(b % 512 == 0);
  CHECK(b >= a + 1000);
  CHECK(memory.used() == 1001);
  CHECK(memory.free(a));
  CHECK(memory.free(b));
  CHECK(memory.used() == 0);
}

TEST_CASE("no host address is ever a device address, and the top byte is zero") {
  GlobalMemory memory(std::size_t{1} << 30);
  const DeviceAddress first = memory.allocate(1), large = memory.allocate(std::size_t{1} << 29);
  REQUIRE(large != 0);
  const int on_stack = 0;
  const auto on_heap = std::make_unique<int>(0);
  const void* const hosts[] = {&on_stack, on_heap.get(), memory.find(large, 1)->bytes.data(),
                               reinterpret_cast<const void*>(&std::string::npos)};
  for (const void* host : hosts) CHECK(reinterpret_cast<std::uintptr_t>(host) < first);
  CHECK(first >= (DeviceAddress{1} << 52));
  CHECK((large >> 56) == 0);
}

TEST_CASE("capacity is a limit, and what is freed can be had again") {
  GlobalMemory memory(1000);
  const DeviceAddress a = memory.allocate(900);
  REQUIRE(a != 0);
  CHECK(memory.allocate(101) == 0);
  CHECK(memory.allocate(0) == 0);
  CHECK(memory.allocate(~std::size_t{0}) == 0);
  CHECK(memory.free(a));
  CHECK(memory.allocate(1000) != 0);
}

TEST_CASE("a freed address is not handed out again at once") {
  GlobalMemory memory(1 << 20);
  std::vector<DeviceAddress> seen;
  for (int i = 0; i < 100; ++i) {
    const DeviceAddress a = memory.allocate(512);
    CHECK(std::find(seen.begin(), seen.end(), a) == seen.end());
    seen.push_back(a);
    memory.free(a);
  }
}

TEST_CASE("free takes the start of a live allocation and nothing else") {
  GlobalMemory memory(1 << 20);
  const DeviceAddress a = memory.allocate(64);
  CHECK_FALSE(memory.free(a + 1));
  CHECK_FALSE(memory.free(0));
  CHECK(memory.free(a));
  CHECK_FALSE(memory.free(a));
}

TEST_CASE("find wants the whole range inside one live allocation") {
  GlobalMemory memory(1 << 20);
  const DeviceAddress a = memory.allocate(64);
  CHECK(memory.find(a, 64) != nullptr);
  CHECK(memory.find(a + 60, 4) != nullptr);
  CHECK(memory.find(a + 60, 5) == nullptr);
  CHECK(memory.find(a + 64, 0) == nullptr);
  CHECK(memory.find(a + 64, 1) == nullptr);
  CHECK(memory.find(a - 1, 1) == nullptr);
  CHECK(memory.find(a + 1, ~std::size_t{0}) == nullptr);
  CHECK(memory.find(0, 1) == nullptr);
  memory.free(a);
  CHECK(memory.find(a, 1) == nullptr);
}

TEST_CASE("nearest and freed serve the diagnostics") {
  GlobalMemory memory(1 << 20);
  const DeviceAddress a = memory.allocate(64), b = memory.allocate(64);
  CHECK(memory.nearest(a + 100)->base == a);
  CHECK(memory.nearest(b)->base == b);
  CHECK(memory.nearest(a - 1) == nullptr);
  CHECK(memory.freed(a).size == 0);
  memory.free(a);
  CHECK(memory.freed(a + 63).base == a);
  CHECK(memory.freed(a + 63).size == 64);
  CHECK(memory.freed(a + 64).size == 0);
}

TEST_CASE("new memory is marked as not written") {
  GlobalMemory memory(1 << 20);
  const auto a = memory.find(memory.allocate(100), 100);
  CHECK(a->bytes.size() == 100);
  CHECK(a->written.size() == 100);
  CHECK(std::all_of(a->written.begin(), a->written.end(), [](std::uint8_t w) { return w == 0; }));
}

TEST_CASE("a large allocation costs only what is touched") {
  GlobalMemory memory(std::size_t{64} << 30);
  const DeviceAddress a = memory.allocate(std::size_t{48} << 30);
  REQUIRE(a != 0);
  const auto allocation = memory.find(a, std::size_t{48} << 30);
  allocation->bytes[(std::size_t{40} << 30) + 5] = std::byte{7};
  CHECK(allocation->bytes[(std::size_t{40} << 30) + 5] == std::byte{7});
}

TEST_CASE("an allocation lives on while someone holds it") {
  GlobalMemory memory(1 << 20);
  const DeviceAddress a = memory.allocate(16);
  const auto held = memory.find(a, 16);
  memory.free(a);
  held->bytes[3] = std::byte{9};
  CHECK(held->bytes[3] == std::byte{9});
}

TEST_CASE("threads allocate, find and free at once") {
  GlobalMemory memory(1 << 20);
  std::vector<std::thread> threads;
  std::vector<int> failures(8, 0);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&memory, &failures, t] {
      for (int i = 0; i < 200; ++i) {
        const DeviceAddress a = memory.allocate(64);
        if (a == 0 || !memory.find(a, 64) || !memory.free(a))
          ++failures[static_cast<std::size_t>(t)];
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(std::count(failures.begin(), failures.end(), 0) == 8);
  CHECK(memory.used() == 0);
}

}  // namespace
}  // namespace ptxmill::emu
