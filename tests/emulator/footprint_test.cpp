// What blocks that run at the same time touched, page by page.
#include "emulator/watch/footprint.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace ptxmill::emu {

TEST_CASE("what is undone are the bytes that blocks wrote") {
  std::vector<std::byte> bytes(PageBits::bytes, std::byte{0x11});
  std::vector<std::uint8_t> written(PageBits::bytes, 1);
  written[10] = 0;
  LaunchFootprint launch;
  const PagePlace place{0x1000, bytes.data(), written.data()};
  PageBits some, none;
  some.add(8, 16);
  launch.keep(place);
  CHECK(launch.add(place, none, some));
  std::fill_n(bytes.begin() + 8, 8, std::byte{0x22});
  std::fill_n(written.begin() + 8, 8, std::uint8_t{1});
  bytes[100] = std::byte{0x33};  // the host's
  std::vector<std::array<std::uint64_t, 3>> seen;
  launch.for_each([&](std::uint64_t at, std::uint64_t size, bool writes) {
    seen.push_back({at, size, writes ? 1u : 0u});
  });
  CHECK(seen == std::vector<std::array<std::uint64_t, 3>>{{0x1008, 8, 1}});
  launch.undo();
  CHECK(bytes[7] == std::byte{0x11});
  CHECK(bytes[8] == std::byte{0x11});
  CHECK(bytes[15] == std::byte{0x11});
  CHECK(bytes[100] == std::byte{0x33});
  CHECK(written[9] == 1);
  CHECK(written[10] == 0);
  // Blocks meet where one writes, and only in the same bytes.
  PageBits beside, across;
  beside.add(16, 80);
  across.add(15, 17);
  CHECK(launch.add(place, beside, none));
  CHECK(!launch.add(place, across, none));
  launch.clear();
  CHECK(launch.add(place, across, none));
  CHECK(launch.add(place, some, none));
  CHECK(!launch.add(place, none, across));
}

}  // namespace ptxmill::emu
