// Opening and loading libraries: what is refused before the driver sees it, and many threads at
// once.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "runtime/counters.hpp"
#include "runtime/library.hpp"
#include "tests/runtime/child_process.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::ChildResult;
using ptxmill::test::DeviceFixture;
using ptxmill::test::fixture_library;
using ptxmill::test::in_child;
using ptxmill::test::ManifestFixture;
using ptxmill::test::run_again;
using ptxmill::test::TemporaryDirectory;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

/// Runs `work(i)` on `count` threads that begin together.
void on_threads(int count, const std::function<void(int)>& work) {
  std::atomic<int> waiting{count};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      work(i);
    });
  for (std::thread& thread : threads) thread.join();
}

/// Checks that the case passes in a child with this environment, on the emulator. False in the
/// child itself, whose part follows.
bool passed_to_emulator(const std::string& name, const std::string& environment) {
  if (in_child()) return false;
  if (!ptxmill::test::on_emulator()) {
    MESSAGE("left to the emulator: a machine's GPU and driver are what they are");
    return true;
  }
  const ChildResult result = run_again(name, environment);
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
  CHECK(result.says("1 passed | 0 failed"));
  return true;
}

// The first module that reached the driver would lose the context.
const std::string no_load =
    " PTXMILL_EMU_FAIL_CALL=cuModuleLoadDataEx:1=CUDA_ERROR_ILLEGAL_ADDRESS";

}  // namespace

TEST_CASE_FIXTURE(DeviceFixture,
                  "loading: each thread with a stream of its own gets the one load") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  constexpr int threads = 64;
  std::vector<std::vector<float>> results(threads);
  reset_counters();
  on_threads(threads, [&](int i) {
    const Stream mine(device());
    const Tensor x = Tensor::from_host(mine, std::vector<float>(8, static_cast<float>(i)), {8});
    library.kernel("scale").launch(mine, {{"n", 8}}, x, 2.f, x);
    results[static_cast<std::size_t>(i)] = x.to_host<float>(mine);
  });
  for (int i = 0; i < threads; ++i)
    CHECK(results[static_cast<std::size_t>(i)] ==
          std::vector<float>(8, 2.f * static_cast<float>(i)));
  CHECK(library.counters().misses == 1);
  CHECK(library.counters().hits == threads - 1);
  CHECK(counters().kernel_misses == 1);
  CHECK(counters().kernel_hits == threads - 1);
  CHECK(counters().launches == threads);
}

TEST_CASE_FIXTURE(DeviceFixture, "loading: threads open libraries of their own at once") {
  const TemporaryDirectory directory;
  fixture_library().write(directory.path());
  constexpr int threads = 16;
  std::atomic<int> right{0};
  reset_counters();
  on_threads(threads, [&](int) {
    const KernelLibrary mine = KernelLibrary::open(device(), directory.path().string());
    const Stream own(device());
    const Tensor x = Tensor::from_host(own, std::vector<float>{1, 2}, {2});
    mine.kernel("scale").launch(own, {{"n", 2}}, x, 3.f, x);
    if (x.to_host<float>(own) == std::vector<float>{3, 6} && mine.counters().misses == 1) ++right;
  });
  CHECK(right == threads);
  CHECK(counters().kernel_misses == threads);
  CHECK(counters().kernel_hits == 0);
}

TEST_CASE_FIXTURE(DeviceFixture, "loading: preload() from many threads while others launch") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  std::atomic<int> right{0};
  on_threads(8, [&](int i) {
    if (i % 2 == 0) {
      library.preload();
      ++right;
      return;
    }
    const Stream own(device());
    const Tensor x = Tensor::from_host(own, std::vector<float>{5}, {1});
    library.kernel("add").launch(own, {{"n", 1}}, x, x, x);
    if (x.to_host<float>(own) == std::vector<float>{10}) ++right;
  });
  CHECK(right == 8);
  CHECK(library.counters().misses == 10);
}

TEST_CASE_FIXTURE(DeviceFixture, "loading: each library counts for itself, the process for all") {
  ManifestFixture one = fixture_library(), two = fixture_library();
  const KernelLibrary first = one.open(device()), second = two.open(device());
  const Tensor x = Tensor::from_host(stream, std::vector<float>{1}, {1});
  const auto launch = [&](const KernelLibrary& library) {
    library.kernel("scale").launch(stream, {{"n", 1}}, x, 2.f, x);
  };
  reset_counters();
  for (int i = 0; i < 3; ++i) launch(first);
  for (int i = 0; i < 2; ++i) launch(second);
  CHECK(first.counters().misses == 1);
  CHECK(first.counters().hits == 2);
  CHECK(second.counters().misses == 1);
  CHECK(second.counters().hits == 1);
  CHECK(counters().kernel_misses == 2);
  CHECK(counters().kernel_hits == 3);
  first.reset_counters();
  CHECK(first.counters().hits == 0);
  CHECK(second.counters().hits == 1);
  CHECK(counters().kernel_hits == 3);
  first.clear();
  launch(first);
  launch(second);
  CHECK(first.counters().misses == 1);
  CHECK(first.counters().hits == 0);
  CHECK(second.counters().misses == 1);
  CHECK(second.counters().hits == 2);
  reset_counters();
  CHECK(counters().kernel_hits == 0);
  CHECK(second.counters().hits == 2);
}

TEST_CASE_FIXTURE(DeviceFixture, "loading: damage in a directory names the file") {
  const TemporaryDirectory directory;
  ManifestFixture fixture = fixture_library();
  ptxmill::test::add_broken_kernel(fixture);
  fixture.files.at("sm_80/scale.ptx")[40] ^= 4;
  fixture.write(directory.path());
  const std::string root = directory.path().string();
  const KernelLibrary library = KernelLibrary::open(device(), root);
  const Thrown flipped = thrown_by([&] { library.kernel("scale").load(); });
  CHECK(flipped.code == ErrorCode::corrupt);
  CHECK(flipped.says(root + "/sm_80/scale.ptx is not the file that the manifest names"));
  const Thrown rejected = thrown_by([&] { library.kernel("broken").load(); });
  CHECK(rejected.says(root + "/sm_80/broken.ptx"));
  CHECK(rejected.says("CUDA_ERROR_INVALID_PTX"));
  CHECK(rejected.says("line 9"));
  // preload() loads what it can, and tells of the first that it could not.
  CHECK(thrown_by([&] { library.preload(); }).says("/sm_80/broken.ptx"));
  CHECK(library.counters().misses == 9);
  std::string text = fixture.text();
  text[text.find("\"library\"") + 3] ^= 1;
  std::ofstream(directory.path() / "manifest.json", std::ios::binary) << text;
  const Thrown manifest = thrown_by([&] { KernelLibrary::open(device(), root); });
  CHECK(manifest.code == ErrorCode::corrupt);
  CHECK(manifest.says(root + "/manifest.json"));
  CHECK(manifest.says("expected digest"));
}

TEST_CASE_FIXTURE(DeviceFixture, "loading: an embedded library that lacks a file") {
  ManifestFixture fixture = fixture_library();
  const std::string manifest = fixture.text();
  const std::vector<EmbeddedFile> files{{"sm_80/scale.ptx", fixture.files.at("sm_80/scale.ptx")}};
  const KernelLibrary library = KernelLibrary::open(device(), Embedded{manifest, files});
  library.kernel("scale").load();
  const Thrown thrown = thrown_by([&] { library.kernel("add").load(); });
  CHECK(thrown.code == ErrorCode::not_found);
  CHECK(thrown.says("the embedded library has no file sm_80/add.ptx"));
}

TEST_CASE("loading: a GPU older than every variant is refused before anything is loaded") {
  const char* name = "loading: a GPU older than every variant is refused before anything is loaded";
  if (passed_to_emulator(name, "PTXMILL_EMU_CC=80" + no_load)) return;
  const Device device = Device::open();
  ManifestFixture fixture = fixture_library("sm_90a");
  const Thrown thrown = thrown_by([&] { fixture.open(device); });
  CAPTURE(thrown.what);
  CHECK(thrown.code == ErrorCode::incompatible);
  CHECK(thrown.says("compute capability 8.0"));
  CHECK(thrown.says("sm_90a needs compute capability 9.0 exactly"));
  device.synchronize();  // the device is whole
}

TEST_CASE("loading: a driver older than the PTX is refused before anything is loaded") {
  const char* name = "loading: a driver older than the PTX is refused before anything is loaded";
  if (passed_to_emulator(name, "PTXMILL_EMU_DRIVER_VERSION=11040" + no_load)) return;
  const Device device = Device::open();
  ManifestFixture fixture = fixture_library();
  for (auto& kernel : fixture.manifest["kernels"]) {
    kernel["targets"]["sm_80"]["forms"][0]["driver"] = 12030;
    kernel["targets"]["sm_80"]["forms"][0]["ptx_version"] = "8.3";
  }
  const Thrown thrown = thrown_by([&] { fixture.open(device); });
  CAPTURE(thrown.what);
  CHECK(thrown.code == ErrorCode::incompatible);
  CHECK(thrown.says("driver 11.4"));
  CHECK(thrown.says("its PTX 8.3 needs driver 12.3 or later"));
  device.synchronize();
}

TEST_CASE("loading: no device is an answer and the process goes on") {
  const char* name = "loading: no device is an answer and the process goes on";
  if (passed_to_emulator(name, "PTXMILL_EMU_FAIL_CALL=cuInit:1=CUDA_ERROR_NO_DEVICE")) return;
  for (int i = 0; i < 2; ++i) {
    CHECK(Device::count() == 0);
    const Thrown thrown = thrown_by([] { Device::open(); });
    CHECK(thrown.code == ErrorCode::no_driver);
    CHECK(thrown.says("cuInit failed with CUDA_ERROR_NO_DEVICE"));
  }
}
