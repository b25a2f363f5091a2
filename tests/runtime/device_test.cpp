// Devices, streams, events.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <functional>
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

/// A second context on the device, made past the runtime.
class OtherContext {
 public:
  OtherContext() : driver_(dlopen(cu::driver().path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    REQUIRE(driver_ != nullptr);
    cu::Entry<cu::Result(cu::Context*, unsigned, cu::Device)> create("cuCtxCreate_v2");
    create.bind(dlsym(driver_, create.symbol()));
    create(&handle, 0, 0);
    cu::Context popped = nullptr;
    cu::driver().ctx_pop_current(&popped);
  }
  ~OtherContext() {
    cu::Entry<cu::Result(cu::Context)> destroy("cuCtxDestroy_v2");
    destroy.bind(dlsym(driver_, destroy.symbol()));
    destroy.raw(handle);
    dlclose(driver_);
  }
  OtherContext(const OtherContext&) = delete;
  OtherContext& operator=(const OtherContext&) = delete;

  cu::Context handle = nullptr;

 private:
  void* driver_;
};

}  // namespace

TEST_CASE_FIXTURE(DeviceFixture, "device: launches whichever context is current") {
  ptxmill::test::ManifestFixture fixture = ptxmill::test::fixture_library();
  const KernelLibrary library = fixture.open(device());
  const Stream legacy = Stream::wrap(device(), nullptr);
  const Tensor x = Tensor::from_host(stream, std::vector<float>{1, 2}, {2});
  const OtherContext other;
  for (const cu::Context current : {device().handle(), other.handle, cu::Context{}}) {
    cu::driver().ctx_set_current(current);
    library.kernel("scale").launch(stream, {{"n", 2}}, x, 2.f, x);
    stream.synchronize();
    library.kernel("scale").launch(legacy, {{"n", 2}}, x, 2.f, x);
    legacy.synchronize();
    cu::Context after = nullptr;
    cu::driver().ctx_get_current(&after);
    CHECK(after == current);
  }
  cu::driver().ctx_set_current(device().handle());
  CHECK(x.to_host<float>(stream) == std::vector<float>{64, 128});
}

TEST_CASE_FIXTURE(DeviceFixture, "device: what belongs to another context is refused and named") {
  const OtherContext context;
  const Device second = Device::from_context(context.handle);
  CHECK(second.context() != device().context());
  const Stream there(second);
  const Tensor away = Tensor::from_host(there, std::vector<float>{1, 2}, {2});
  ptxmill::test::ManifestFixture fixture = ptxmill::test::fixture_library();
  const KernelLibrary library = fixture.open(device());
  const Kernel add = library.kernel("add");
  const Tensor x = Tensor::from_host(stream, std::vector<float>{3, 4}, {2});
  const Tensor out = Tensor::from_host(stream, std::vector<float>{77, 77}, {2});
  Event event(device());
  const Graph graph = Graph::capture(stream, [] {});
  struct Case {
    std::string words;
    std::function<void()> call;
  };
  const Case cases[] = {
      {"kernel 'add': argument 'y' (in) is on another device than the library",
       [&] {
         add.launch(stream, {{"n", 2}}, x, away, out);
       }},
      {"kernel 'add': the stream is on another device than the library",
       [&] {
         add.launch(there, {{"n", 2}}, x, x, out);
       }},
      {"the tensor and the stream are on different devices", [&] { away.to_host<float>(stream); }},
      {"the tensor and the stream are on different devices", [&] { out.copy_from(stream, away); }},
      {"the stream is on another device", [&] { event.record(there); }},
      {"the stream is on another device", [&] { graph.launch(there); }},
  };
  for (const Case& c : cases) {
    const Thrown thrown = thrown_by(c.call);
    CAPTURE(thrown.what);
    CHECK(thrown.code == ErrorCode::invalid_argument);
    CHECK(thrown.says(c.words));
  }
  CHECK(out.to_host<float>(stream) == std::vector<float>{77, 77});
  CHECK(away.to_host<float>(there) == std::vector<float>{1, 2});
}

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
