// What Kernel::launch adds to a bare cuLaunchKernel, and what finding a kernel costs. Runs on
// whatever driver PTXMILL_DRIVER names: on a GPU the bursts are short, so that the driver's queue
// never fills and only the host's work is timed; on the stub driver, what is left is ours.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <vector>

#include "runtime/context.hpp"
#include "runtime/driver/driver.hpp"
#include "runtime/kernel.hpp"
#include "tests/runtime/fixture_kernels.hpp"

namespace {

using namespace ptxmill::rt;

constexpr int burst = 64;
constexpr std::int64_t elements = 128;

/// The kernel "add" (three tensors, one dimension), through a library and by itself.
struct Scene {
  Scene()
      : stream(device),
        fixture(ptxmill::test::fixture_library()),
        library(fixture.open(device)),
        kernel(library.kernel("add")),
        x(Tensor::empty(stream, DType::f32, {elements})),
        y(Tensor::empty(stream, DType::f32, {elements})),
        out(Tensor::empty(stream, DType::f32, {elements})) {
    const cu::Driver& driver = cu::driver();
    driver.module_load_data_ex(&module, fixture.files.at("sm_80/add.ptx").c_str(), 0, nullptr,
                               nullptr);
    driver.module_get_function(&function, module, "add");
    x.fill(stream, 1);
    y.fill(stream, 2);
    kernel.load();
    stream.synchronize();
  }
  ~Scene() { cu::driver().module_unload.raw(module); }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  void launch_bare() const {
    cu::DevicePointer pointers[] = {x.pointer(), y.pointer(), out.pointer()};
    auto n = static_cast<std::uint32_t>(elements);
    void* params[] = {&pointers[0], &pointers[1], &pointers[2], &n};
    cu::driver().launch_kernel(function, 1, 1, 1, 128, 1, 1, 0, stream.handle(), params, nullptr);
  }
  void launch_kernel() const { kernel.launch(stream, {{"n", elements}}, x, y, out); }

  Device device = Device::open();
  Stream stream;
  ptxmill::test::ManifestFixture fixture;
  KernelLibrary library;
  Kernel kernel;
  Tensor x, y, out;
  cu::Module module = nullptr;
  cu::Function function = nullptr;
};

const Scene& scene() {
  static const Scene* const made = new Scene;
  return *made;
}

/// Seconds of one launch in a burst of them; the stream is idle before and after.
template <class Launch>
double time_burst(const Scene& s, Launch launch) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < burst; ++i) launch(s);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  s.stream.synchronize();
  return taken.count() / burst;
}

template <class Launch>
void measure(benchmark::State& state, Launch launch) {
  const Scene& s = scene();
  for ([[maybe_unused]] const auto _ : state) state.SetIterationTime(time_burst(s, launch));
}

void bare_launch(benchmark::State& state) {
  measure(state, [](const Scene& s) { s.launch_bare(); });
}
void kernel_launch(benchmark::State& state) {
  measure(state, [](const Scene& s) { s.launch_kernel(); });
}

/// A kernel by its name, loaded already.
void lookup(benchmark::State& state) {
  const Scene& s = scene();
  for ([[maybe_unused]] const auto _ : state) benchmark::DoNotOptimize(s.library.kernel("add"));
}

double median_nanoseconds(std::vector<double> seconds) {
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle * 1e9;
}

/// Both in turn, burst by burst, so that neither has the warmer machine: medians over the bursts.
void side_by_side(benchmark::State& state) {
  const Scene& s = scene();
  std::vector<double> bare, ours;
  for ([[maybe_unused]] const auto _ : state) {
    bare.push_back(time_burst(s, [](const Scene& at) { at.launch_bare(); }));
    ours.push_back(time_burst(s, [](const Scene& at) { at.launch_kernel(); }));
  }
  state.counters["bare_ns"] = median_nanoseconds(bare);
  state.counters["launch_ns"] = median_nanoseconds(ours);
  state.counters["added_ns"] = median_nanoseconds(ours) - median_nanoseconds(bare);
  state.counters["ratio"] = median_nanoseconds(ours) / median_nanoseconds(bare);
}

}  // namespace

// Iteration times are those of one launch, so Google Benchmark would run far too many bursts.
BENCHMARK(bare_launch)->UseManualTime()->Iterations(2000);
BENCHMARK(kernel_launch)->UseManualTime()->Iterations(2000);
BENCHMARK(side_by_side)->Iterations(2000);
BENCHMARK(lookup);

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  try {
    const Device device = Device::open();
    std::printf("driver %s, %s, bursts of %d\n", cu::driver().path.c_str(),
                device.info().name.c_str(), burst);
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "launch_overhead: %s\n", error.what());
    return 1;
  }
  return 0;
}
