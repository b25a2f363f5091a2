// What `ptxmill gen` costs: the shipped specs, and libraries of many different kernels, with one
// job and with one for each core. Run in the root of the source tree.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "generator/cli/generate.hpp"
#include "generator/cli/output.hpp"

namespace {

namespace fs = std::filesystem;
using namespace ptxmill;

cli::Library read(const std::string& text) {
  spec::Problems problems("spec");
  auto library = cli::read_spec(text, {}, problems);
  if (!library) throw std::runtime_error(problems.text());
  return std::move(*library);
}

std::vector<std::string> shipped() {
  std::vector<std::string> texts;
  for (const auto& file : fs::directory_iterator("specs")) {
    if (file.path().extension() != ".json") continue;
    std::ifstream in(file.path(), std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (texts.empty()) throw std::runtime_error("no specs here: run in the root of the source tree");
  return texts;
}

/// A library of `count` kernels, a quarter each of gemm, softmax, layer_norm and elementwise.
std::string synthetic(long count) {
  const char* kinds[] = {
      R"("template": "gemm", "bias": true, "activation": "gelu", "k": 384, "n": )",
      R"("template": "softmax", "cols": )", R"("template": "layer_norm", "d_model": )",
      R"("template": "elementwise", "ops": ["add", "gelu"], "cols": )"};
  std::string kernels;
  for (long i = 0; i < count; ++i)
    kernels += (i == 0 ? "{ " : ", { ") + std::string(R"("name": "k)") + std::to_string(i) +
               R"(", "dtype": "f32", )" + kinds[i % 4] + std::to_string(64 + i) + " }";
  return R"({ "schema_version": 1, "library": "synthetic", "targets": ["sm_80"], "kernels": [)" +
         kernels + "] }";
}

/// A directory of its own, removed at the end.
struct Directory {
  Directory() : path(fs::temp_directory_path() / "ptxmill_bench") { fs::remove_all(path); }
  ~Directory() { fs::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  fs::path path;
};

void generate_and_write(const std::vector<std::string>& specs, int jobs, const fs::path& to) {
  for (const std::string& text : specs) {
    const cli::Library library = read(text);
    cli::write(to, library.name, cli::generate(library, {.jobs = jobs, .progress = {}}));
  }
}

void shipped_specs(benchmark::State& state) {
  const std::vector<std::string> specs = shipped();
  for (auto _ : state) {
    state.PauseTiming();
    const Directory directory;
    state.ResumeTiming();
    generate_and_write(specs, static_cast<int>(state.range(0)), directory.path);
  }
}

void shipped_specs_up_to_date(benchmark::State& state) {
  const std::vector<std::string> specs = shipped();
  const Directory directory;
  generate_and_write(specs, 1, directory.path);
  for (auto _ : state) generate_and_write(specs, static_cast<int>(state.range(0)), directory.path);
}

void synthetic_kernels(benchmark::State& state) {
  const std::vector<std::string> specs{synthetic(state.range(0))};
  for (auto _ : state) {
    state.PauseTiming();
    const Directory directory;
    state.ResumeTiming();
    generate_and_write(specs, static_cast<int>(state.range(1)), directory.path);
  }
  state.SetComplexityN(state.range(0));
}

// Jobs: 1, and 0 for one each core.
BENCHMARK(shipped_specs)
    ->ArgName("jobs")
    ->Arg(1)
    ->Arg(0)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(shipped_specs_up_to_date)
    ->ArgName("jobs")
    ->Arg(1)
    ->Arg(0)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(synthetic_kernels)
    ->ArgNames({"kernels", "jobs"})
    ->ArgsProduct({{125, 250, 500, 1000}, {1}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Complexity();
BENCHMARK(synthetic_kernels)
    ->ArgNames({"kernels", "jobs"})
    ->Args({1000, 0})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
