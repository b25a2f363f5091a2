#include "runtime/library.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>

#include "runtime/counters.hpp"
#include "runtime/manifest.hpp"
#include "runtime/sha256.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::DeviceFixture;
using ptxmill::test::fixture_library;
using ptxmill::test::ManifestFixture;
using ptxmill::test::TemporaryDirectory;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

}  // namespace

TEST_CASE_FIXTURE(DeviceFixture, "library: opened from a directory") {
  const TemporaryDirectory directory;
  fixture_library().write(directory.path());
  const KernelLibrary library = KernelLibrary::open(device(), directory.path().string());
  CHECK(library.manifest().kernels.size() == 10);
  CHECK(library.contains("add"));
  CHECK_FALSE(library.contains("ad"));
  CHECK(library.kernel("add").target() == "sm_80");
  const Tensor t = Tensor::empty(stream, DType::f32, {4});
  t.fill(stream, 2);
  library.kernel("add").launch(stream, {{"n", 4}}, t, t, t);
  CHECK(t.to_host<float>(stream) == std::vector<float>(4, 4.f));
}

TEST_CASE_FIXTURE(DeviceFixture, "library: what is not there") {
  CHECK(thrown_by([&] { KernelLibrary::open(device(), "/nonexistent"); }).code ==
        ErrorCode::not_found);
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  const Thrown thrown = thrown_by([&] { library.kernel("scle"); });
  CHECK(thrown.code == ErrorCode::not_found);
  CHECK(thrown.says("no kernel 'scle'; did you mean 'scale'?"));
  const TemporaryDirectory directory;
  fixture.write(directory.path());
  std::filesystem::remove(directory.path() / "sm_80/add.ptx");
  const KernelLibrary lacking = KernelLibrary::open(device(), directory.path().string());
  const Thrown file = thrown_by([&] { lacking.kernel("add").load(); });
  CHECK(file.code == ErrorCode::not_found);
  CHECK(file.says("sm_80/add.ptx"));
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "library: one flipped bit in a PTX file is refused before the driver") {
  ManifestFixture fixture = fixture_library();
  const std::string good = fixture.files.at("sm_80/add.ptx");
  const KernelLibrary sound = fixture.open(device());
  sound.kernel("add").load();
  for (const std::size_t at : {std::size_t{0}, good.size() / 2, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    fixture.files["sm_80/add.ptx"] = bad;
    const KernelLibrary library = fixture.open(device());
    const Thrown thrown = thrown_by([&] { library.kernel("add").load(); });
    CHECK(thrown.code == ErrorCode::corrupt);
    CHECK(thrown.says("sm_80/add.ptx is not the file that the manifest names"));
    CHECK(thrown.says("expected SHA-256 " + sha256({good})));
    CHECK(thrown.says("actual " + sha256({bad})));
    CHECK(library.counters().misses == 0);
    // The other kernels are not touched by it.
    library.kernel("scale").load();
  }
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "library: a rejected kernel carries the compiler's log and the path") {
  ManifestFixture fixture = fixture_library();
  ptxmill::test::add_broken_kernel(fixture);
  const KernelLibrary library = fixture.open(device());
  for (int round = 0; round < 2; ++round) {
    const Thrown thrown = thrown_by([&] { library.kernel("broken").load(); });
    CAPTURE(thrown.what);
    CHECK(thrown.says("cuModuleLoadDataEx failed with CUDA_ERROR_INVALID_PTX"));
    CHECK(thrown.says("embedded/sm_80/broken.ptx"));
    CHECK(thrown.says("ptxas application ptx input, line 9"));
  }
  library.kernel("add").load();
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "library: a GPU that is too old is told so before anything is loaded") {
  ManifestFixture future = fixture_library("sm_999");
  const Thrown thrown = thrown_by([&] { future.open(device()); });
  CHECK(thrown.code == ErrorCode::incompatible);
  CHECK(thrown.says("sm_999 needs compute capability 99.9 or later"));
  CHECK(thrown.says(device().info().name));
  ManifestFixture mixed = fixture_library();
  auto& targets = mixed.kernel_named("add")["targets"];
  auto form = targets["sm_80"];
  form["forms"][0]["target"] = "sm_999";
  targets = {{"sm_999", form}};
  const KernelLibrary library = mixed.open(device());
  library.kernel("scale").load();
  CHECK(thrown_by([&] { library.kernel("add"); }).says("no variant that runs on"));
  library.preload();
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "library: a driver that is too old gets the variant that it can load") {
  ManifestFixture fixture = fixture_library();
  auto& targets = fixture.kernel_named("add")["targets"];
  auto newer = targets["sm_80"];
  newer["forms"][0]["target"] = "sm_75";
  newer["forms"][0]["driver"] = 999990;
  targets["sm_75"] = newer;
  CHECK(fixture.open(device()).kernel("add").target() == "sm_80");
  targets["sm_80"]["forms"][0]["driver"] = 999990;
  const KernelLibrary library = fixture.open(device());
  const Thrown thrown = thrown_by([&] { library.kernel("add"); });
  CHECK(thrown.code == ErrorCode::incompatible);
  CHECK(thrown.says("needs driver 999.99 or later"));
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "library: 64 threads open and launch the same kernel first, one load") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  const Tensor x = Tensor::empty(stream, DType::f32, {64});
  x.fill(stream, 1);
  stream.synchronize();
  constexpr int threads = 64;
  std::vector<Tensor> outs;
  for (int i = 0; i < threads; ++i) outs.push_back(Tensor::empty(stream, DType::f32, {64}));
  stream.synchronize();
  std::atomic<int> waiting{threads};
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i)
    workers.emplace_back([&, i] {
      const Stream mine = Stream::wrap(device(), stream.handle());
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      library.kernel("add").launch(mine, {{"n", 64}}, x, x, outs[static_cast<std::size_t>(i)]);
    });
  for (std::thread& worker : workers) worker.join();
  CHECK(library.counters().misses == 1);
  CHECK(library.counters().hits == threads - 1);
  for (const Tensor& out : outs) CHECK(out.to_host<float>(stream) == std::vector<float>(64, 2.f));
}

TEST_CASE_FIXTURE(DeviceFixture, "library: preload, clear and counters") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  reset_counters();
  library.preload();
  CHECK(library.counters().misses == 10);
  CHECK(library.counters().hits == 0);
  CHECK(counters().kernel_misses == 10);
  const Tensor t = Tensor::empty(stream, DType::f32, {4});
  t.fill(stream, 1);
  const Kernel add = library.kernel("add");
  add.launch(stream, {{"n", 4}}, t, t, t);
  CHECK(library.counters().hits == 1);
  CHECK(counters().kernel_hits == 1);
  library.clear();
  add.launch(stream, {{"n", 4}}, t, t, t);
  CHECK(library.counters().misses == 11);
  library.reset_counters();
  CHECK(library.counters().misses == 0);
  CHECK(library.counters().hits == 0);
  CHECK(t.to_host<float>(stream) == std::vector<float>(4, 4.f));
}

TEST_CASE("library: kernels outlive the handles that they came from") {
  ManifestFixture fixture = fixture_library();
  std::vector<float> got;
  {
    std::optional<Kernel> add;
    std::optional<Tensor> t;
    std::optional<Stream> stream;
    {
      const Device device = Device::open();
      stream.emplace(device);
      t = Tensor::from_host(*stream, std::vector<float>{1, 2}, {2});
      add = fixture.open(device).kernel("add");
    }
    add->launch(*stream, {{"n", 2}}, *t, *t, *t);
    got = t->to_host<float>(*stream);
  }
  CHECK(got == std::vector<float>{2, 4});
}
