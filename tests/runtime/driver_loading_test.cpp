// Loading a driver that is not there, or is not one. The process goes on, so that a right one can
// be named afterwards; none is in this test.
#include <doctest/doctest.h>

#include <cstdlib>

#include "runtime/device.hpp"
#include "runtime/driver/driver.hpp"
#include "tests/support/manifest_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

/// Sets PTXMILL_DRIVER for a scope.
class DriverChoice {
 public:
  explicit DriverChoice(const char* path) { setenv("PTXMILL_DRIVER", path, 1); }
  ~DriverChoice() { unsetenv("PTXMILL_DRIVER"); }
};

}  // namespace

TEST_CASE("driver: a library that is not there") {
  const DriverChoice choice("/nonexistent/libcuda.so");
  const Thrown thrown = thrown_by([] { Device::open(); });
  CHECK(thrown.code == ErrorCode::no_driver);
  CHECK(thrown.says("/nonexistent/libcuda.so"));
  CHECK(thrown.says("PTXMILL_DRIVER=emulator"));
  CHECK(thrown_by([] { Device::count(); }).code == ErrorCode::no_driver);
}

TEST_CASE("driver: a library that is no driver names what it lacks") {
  const DriverChoice choice("libm.so.6");
  const Thrown thrown = thrown_by([] { cu::driver(); });
  CHECK(thrown.code == ErrorCode::no_driver);
  CHECK(thrown.says("libm.so.6 lacks entry points"));
  CHECK(thrown.says("cuInit"));
  CHECK(thrown.says("cuMemAlloc_v2"));
  CHECK_FALSE(thrown.says("cuTensorMapEncodeTiled"));
}

TEST_CASE("driver: a failure can be followed by another try") {
  {
    const DriverChoice choice("/nonexistent/first.so");
    CHECK(thrown_by([] { cu::driver(); }).says("first.so"));
  }
  const DriverChoice choice("/nonexistent/second.so");
  CHECK(thrown_by([] { cu::driver(); }).says("second.so"));
}
