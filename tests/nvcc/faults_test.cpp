// Kernels that end their context: each test case needs a process of its own, which CTest gives it.
#include <doctest/doctest.h>

#include "tests/nvcc/device.hpp"

namespace ptxmill::nvcc_test {
namespace {

TEST_CASE("an assertion that fails") {
  std::vector<int> in(64, 3);
  in[50] = 9;
  Device device;
  CHECK(device.try_launch("machine", "check_below", threads(64, 32), device.put(in), 4) ==
        error_assert);
}

TEST_CASE("a trap") {
  Device device;
  const CUresult code = device.try_launch("machine", "trap_at", threads(64, 32), 40u);
  CHECK((code == error_launch_failed || code == error_illegal_instruction));
}

}  // namespace
}  // namespace ptxmill::nvcc_test
