// Devices, streams, events.
#include <doctest/doctest.h>

#include <optional>
#include <thread>

#include "runtime/context.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::DeviceFixture;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

}  // namespace

TEST_CASE_FIXTURE(DeviceFixture, "device: what the driver says of it") {
  const DeviceInfo& info = device().info();
  CHECK(Device::count() >= 1);
  CHECK_FALSE(info.name.empty());
  CHECK(info.compute_capability >= 80);
  CHECK(info.sm_count > 0);
  CHECK(info.driver_version >= 11000);
  CHECK(info.max_shared_bytes >= 48 * 1024);
  const MemoryInfo memory = device().memory();
  CHECK(memory.total > 0);
  CHECK(memory.free <= memory.total);
}

TEST_CASE_FIXTURE(DeviceFixture, "device: an ordinal that does not exist") {
  for (const int ordinal : {-1, 1000}) {
    const Thrown thrown = thrown_by([&] { Device::open(ordinal); });
    CHECK(thrown.code == ErrorCode::not_found);
    CHECK(thrown.says("there is no device " + std::to_string(ordinal)));
  }
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "device: a second handle and the caller's context share one state") {
  const Device again = Device::open(0);
  CHECK(again.context() == device().context());
  const Device wrapped = Device::from_context(device().handle());
  CHECK(wrapped.context() == device().context());
  CHECK(wrapped.info().ordinal == 0);
  CHECK(thrown_by([] { Device::from_context(nullptr); }).code == ErrorCode::invalid_argument);
}

TEST_CASE_FIXTURE(DeviceFixture, "device: works from a thread that has no context") {
  std::vector<float> got;
  std::thread([&] {
    const Stream mine(device());
    const Tensor tensor = Tensor::from_host(mine, std::vector<float>{1, 2, 3}, {3});
    got = tensor.to_host<float>(mine);
  }).join();
  CHECK(got == std::vector<float>{1, 2, 3});
}

TEST_CASE_FIXTURE(DeviceFixture, "stream: synchronise, idle, wrap, move") {
  Stream mine(device());
  mine.synchronize();
  CHECK(mine.idle());
  CHECK_FALSE(mine.capturing());
  const cu::Stream handle = mine.handle();
  CHECK(handle != nullptr);
  Stream moved = std::move(mine);
  CHECK(moved.handle() == handle);
  const Stream foreign = Stream::wrap(device(), handle);
  CHECK(foreign.handle() == handle);
  const Stream legacy = Stream::wrap(device(), nullptr);
  const Tensor tensor = Tensor::from_host(legacy, std::vector<float>{4, 5}, {2});
  CHECK(tensor.to_host<float>(foreign) == std::vector<float>{4, 5});
}

TEST_CASE_FIXTURE(DeviceFixture, "stream: outlives its handle while tensors need it") {
  std::optional<Tensor> tensor;
  {
    const Stream mine(device());
    tensor = Tensor::from_host(mine, std::vector<float>{6}, {1});
  }
  CHECK(tensor->to_host<float>(stream) == std::vector<float>{6});
}

TEST_CASE_FIXTURE(DeviceFixture, "event: order between streams, and time") {
  const Stream other(device());
  const Tensor x = Tensor::from_host(stream, std::vector<float>(1000, 1.f), {1000});
  const Tensor y = Tensor::empty(stream, DType::f32, {1000});
  Event before(device()), after(device());
  before.record(stream);
  y.fill(stream, 7);
  after.record(stream);
  other.wait(after);
  x.copy_from(other, y);
  CHECK(x.to_host<float>(other) == std::vector<float>(1000, 7.f));
  after.synchronize();
  CHECK(before.done());
  CHECK(after.done());
  CHECK(after.milliseconds_since(before) >= 0.f);
}
