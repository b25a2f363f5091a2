// How fast the emulator is: warp instructions a second, with checks off and with all of them on, on
// one core and on all of the host's, and the whisper-tiny encoder block at 64 rows. Needs no GPU.
// Run in the root of the source tree:
//
//   emulator_speed [--json] [--seconds S] [KERNEL...]
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "runtime/encoder_block.hpp"
#include "runtime/library.hpp"
#include "runtime/manifest.hpp"
#include "tests/emulator/shipped_kernel.hpp"

namespace {

using namespace ptxmill;
using emu::Check;
using Clock = std::chrono::steady_clock;

constexpr double wanted_off = 20e6, wanted_on = 5e6;  // warp instructions a second, on one core
constexpr double wanted_block_seconds = 10;           // with all checks

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A kernel with its arguments and launch shape.
struct Case {
  const char* name;
  emu::LoadedKernel kernel;
  std::array<std::uint32_t, 3> grid{1, 1, 1};
  std::uint32_t block = 32, dynamic_shared = 0;
};

Case gemm() {
  constexpr std::uint32_t m = 256, n = 512, k = 512;
  Case c{"gemm", emu::LoadedKernel::shipped("core/sm_80/gemm__t128x128"), {8, 1, 1}, 256, 67584};
  const auto a = c.kernel.floats(m * k), w = c.kernel.floats(n * k);
  c.kernel.set_arguments(a, w, c.kernel.reserve(std::size_t{m} * n * 4), m, n, k);
  return c;
}

Case layer_norm() {
  constexpr std::uint32_t rows = 1024, d = 384;
  Case c{"layer_norm",
         emu::LoadedKernel::shipped("core/sm_80/layer_norm__short_vec4"),
         {rows / 8, 1, 1},
         256};
  const auto x = c.kernel.floats(rows * d), gamma = c.kernel.floats(d), beta = c.kernel.floats(d);
  c.kernel.set_arguments(x, gamma, beta, c.kernel.reserve(std::size_t{rows} * d * 4), rows, d);
  return c;
}

Case softmax() {
  constexpr std::uint32_t rows = 64, cols = 51864;
  Case c{"softmax", emu::LoadedKernel::shipped("core/sm_80/softmax__vec4"), {rows, 1, 1}, 512};
  const auto x = c.kernel.floats(std::size_t{rows} * cols);
  c.kernel.set_arguments(x, c.kernel.reserve(std::size_t{rows} * cols * 4), rows, cols);
  return c;
}

Case attention() {
  constexpr std::uint32_t heads = 2, length = 288, d = 64;
  Case c{"attention",
         emu::LoadedKernel::shipped("core/sm_80/attention_64"),
         {length / 72, heads, 1},
         128,
         72960};
  const std::size_t count = std::size_t{heads} * length * d;
  const auto q = c.kernel.floats(count), k = c.kernel.floats(count), v = c.kernel.floats(count);
  c.kernel.set_arguments(q, k, v, c.kernel.reserve(count * 4),
                         c.kernel.reserve(std::size_t{heads} * length * 4), std::uint32_t{1}, heads,
                         heads, length, length);
  return c;
}

Case elementwise() {
  constexpr std::uint32_t rows = 2048, cols = 2048;
  Case c{"elementwise",
         emu::LoadedKernel::shipped("core/sm_80/add__vec4"),
         {rows * cols / 2048, 1, 1},
         256};
  const auto x = c.kernel.floats(std::size_t{rows} * cols),
             y = c.kernel.floats(std::size_t{rows} * cols);
  c.kernel.set_arguments(x, y, c.kernel.reserve(std::size_t{rows} * cols * 4), rows, cols);
  return c;
}

/// Each thread counts the steps of a Collatz sequence: lanes leave the loop one by one, and part at
/// every odd number.
Case divergent() {
  Case c{"divergent",
         emu::LoadedKernel(R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry collatz(.param .u64 p_out)
{
  .reg .u64 %at;
  .reg .u32 %i, %n, %t, %steps;
  .reg .pred %p;
  mov.u32 %i, %ctaid.x;
  mov.u32 %n, %ntid.x;
  mov.u32 %t, %tid.x;
  mad.lo.u32 %i, %i, %n, %t;
  add.u32 %n, %i, 1;
  mov.u32 %steps, 0;
again:
  setp.eq.u32 %p, %n, 1;
  @%p bra done;
  add.u32 %steps, %steps, 1;
  and.b32 %t, %n, 1;
  setp.eq.u32 %p, %t, 0;
  @%p bra even;
  mad.lo.u32 %n, %n, 3, 1;
  bra again;
even:
  shr.u32 %n, %n, 1;
  bra again;
done:
  ld.param.u64 %at, [p_out];
  mad.wide.u32 %at, %i, 4, %at;
  st.global.u32 [%at], %steps;
  ret;
}
)"),
         {64, 1, 1},
         256};
  c.kernel.set_arguments(c.kernel.reserve(std::size_t{64} * 256 * 4));
  return c;
}

struct Speed {
  std::uint64_t instructions = 0;  ///< of one launch
  double per_second = 0;           ///< of the fastest launch
};

/// Launches again and again for `seconds`; with as many threads as there are cores for 0.
Speed measure(const Case& c, Check check, unsigned threads, double seconds) {
  emu::ExecuteOptions options;
  options.check = check;
  options.threads = threads;
  Speed speed;
  for (const auto begin = Clock::now(); speed.instructions == 0 || since(begin) < seconds;) {
    const auto start = Clock::now();
    const emu::ExecuteResult r = c.kernel.run(c.grid, c.block, c.dynamic_shared, options);
    const double taken = since(start);
    if (r.outcome != emu::Outcome::ok) throw std::runtime_error(r.report);
    speed.instructions = r.warp_instructions;
    speed.per_second = std::max(speed.per_second, static_cast<double>(r.warp_instructions) / taken);
  }
  return speed;
}

/// Seconds of one forward pass of 64 rows, its kernels loaded already.
double encoder_block_seconds() {
  const rt::Device device = rt::Device::open();
  const rt::Stream stream(device);
  const auto library = rt::KernelLibrary::open(device, "generated/whisper-tiny");
  rt::EncoderBlock encoder = rt::EncoderBlock::open(library);
  rt::Tensors weights;
  for (const rt::PlanWeight& w : encoder.block().info().weights) {
    const rt::Shape shape(w.shape);
    const std::vector<float> values(static_cast<std::size_t>(shape.elements()), 0.01f);
    weights.emplace(w.name, rt::Tensor::from_host(stream, values, shape));
  }
  constexpr std::int64_t rows = 64;
  encoder.prepare(stream, weights, 1, rows);
  const rt::Shape shape{1, rows, encoder.d_model()};
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k % 17) - 8.f;
  const rt::Tensor x = rt::Tensor::from_host(stream, values, shape);
  const rt::Tensor out = rt::Tensor::empty(stream, rt::DType::f32, shape);
  stream.synchronize();
  encoder.forward(stream, x, out);
  stream.synchronize();
  const auto start = Clock::now();
  encoder.forward(stream, x, out);
  stream.synchronize();
  return since(start);
}

/// The same in a process of its own: a driver reads its settings once. Threads 0: one a core.
double encoder_block_seconds(const char* check, const char* threads) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    double seconds = -1;
    setenv("PTXMILL_DRIVER", "emulator", 1);
    setenv("PTXMILL_EMU_CHECK", check, 1);
    setenv("PTXMILL_EMU_THREADS", threads, 1);
    try {
      seconds = encoder_block_seconds();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "emulator_speed: encoder block: %s\n", error.what());
    }
    _exit(write(ends[1], &seconds, sizeof seconds) == sizeof seconds ? 0 : 1);
  }
  close(ends[1]);
  double seconds = -1;
  const bool complete = read(ends[0], &seconds, sizeof seconds) == sizeof seconds;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!complete || seconds < 0) throw std::runtime_error("the encoder block did not run");
  return seconds;
}

/// "below" beside a number that misses what is wanted.
const char* verdict(bool reached) { return reached ? "" : "  below"; }

constexpr std::pair<const char*, Case (*)()> cases[] = {
    {"gemm", gemm},           {"layer_norm", layer_norm},   {"softmax", softmax},
    {"attention", attention}, {"elementwise", elementwise}, {"divergent", divergent}};

/// A kernel's speeds on one core, then on all.
struct Row {
  Speed off[2], on[2];
};

Row measure_row(const Case& c, double seconds) {
  Row row;
  for (const unsigned threads : {1u, 0u}) {
    const int k = threads == 1 ? 0 : 1;
    row.off[k] = measure(c, Check::off, threads, seconds);
    row.on[k] = measure(c, Check::fail, threads, seconds);
  }
  return row;
}

void print_row(const char* name, const Row& row) {
  std::printf("%-12s %14llu %10.1f%-7s %10.1f %10.1f%-7s %10.1f\n", name,
              static_cast<unsigned long long>(row.off[0].instructions),
              row.off[0].per_second * 1e-6, verdict(row.off[0].per_second >= wanted_off),
              row.off[1].per_second * 1e-6, row.on[0].per_second * 1e-6,
              verdict(row.on[0].per_second >= wanted_on), row.on[1].per_second * 1e-6);
}

void print_json(const char* separator, const char* name, const Row& row) {
  std::printf(
      "%s\"%s\": {\"instructions\": %llu, \"off\": %.0f, \"checked\": %.0f, "
      "\"off_all_cores\": %.0f, \"checked_all_cores\": %.0f}",
      separator, name, static_cast<unsigned long long>(row.off[0].instructions),
      row.off[0].per_second, row.on[0].per_second, row.off[1].per_second, row.on[1].per_second);
}

/// Both ways to print the encoder block: on one core, then on all.
void print_block(bool json) {
  const double off[] = {encoder_block_seconds("off", "1"), encoder_block_seconds("off", "0")};
  const double on[] = {encoder_block_seconds("fail", "1"), encoder_block_seconds("fail", "0")};
  if (json) {
    std::printf(
        ", \"encoder_block_seconds\": {\"off\": %.3f, \"checked\": %.3f, "
        "\"off_all_cores\": %.3f, \"checked_all_cores\": %.3f}",
        off[0], on[0], off[1], on[1]);
    return;
  }
  std::printf(
      "whisper-tiny encoder block, 64 rows: on one core %.2f s with checks off, %.2f s with "
      "all%s; on all cores %.2f s and %.2f s\n",
      off[0], on[0], on[0] <= wanted_block_seconds ? "" : "  above", off[1], on[1]);
}

int run(bool json, double seconds, const std::vector<std::string>& wanted) {
  const auto chosen = [&](const char* name) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  if (json) {
    std::printf("{\"kernels\": {");
  } else {
    std::printf("warp instructions, million a second\n%-12s %14s %17s %10s %17s %10s\n", "kernel",
                "instructions", "checks off", "all cores", "all checks", "all cores");
  }
  const char* separator = "";
  for (const auto& [name, make] : cases) {
    if (!chosen(name)) continue;
    const Row row = measure_row(make(), seconds);
    if (json) {
      print_json(separator, name, row);
      separator = ", ";
    } else {
      print_row(name, row);
    }
  }
  if (json) std::printf("}");
  if (chosen("encoder_block")) print_block(json);
  if (json) std::printf("}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  double seconds = 1;
  std::vector<std::string> kernels;
  for (int k = 1; k < argc; ++k) {
    const std::string argument = argv[k];
    if (argument == "--json") {
      json = true;
    } else if (argument == "--seconds" && k + 1 < argc) {
      seconds = std::atof(argv[++k]);
    } else if (argument.starts_with("-")) {
      std::fprintf(stderr, "usage: emulator_speed [--json] [--seconds S] [KERNEL...]\n");
      return 2;
    } else {
      kernels.push_back(argument);
    }
  }
  try {
    return run(json, seconds, kernels);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "emulator_speed: %s\n", error.what());
    return 1;
  }
}
