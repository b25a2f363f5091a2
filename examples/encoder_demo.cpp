// Runs one Whisper encoder block with random weights, and compares it with a plain CPU computation
// in double precision.
//
//   encoder_demo LIBRARY_DIRECTORY [SEQ_LEN]
//
// LIBRARY_DIRECTORY holds what `ptxmill gen specs/whisper-tiny.json` wrote. The driver is the
// machine's own, or what PTXMILL_DRIVER names ("emulator" runs everything on the CPU).
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "runtime/counters.hpp"
#include "runtime/encoder_block.hpp"
#include "runtime/manifest.hpp"
#include "tests/reference/encoder_block.hpp"

namespace {

namespace rt = ptxmill::rt;
namespace reference = ptxmill::reference;

/// Random numbers of a size that keeps a layer's outputs near 1.
std::vector<float> random_values(std::mt19937& generator, std::size_t count, float deviation) {
  std::normal_distribution<float> normal(0.f, deviation);
  std::vector<float> values(count);
  for (float& v : values) v = normal(generator);
  return values;
}

/// Weights for every name that the block asks for; Whisper's key projection has no bias.
reference::Weights random_weights(const rt::Block& block, std::mt19937& generator) {
  reference::Weights weights;
  for (const rt::PlanWeight& w : block.info().weights) {
    if (w.name == "self_attn.k_proj.bias") continue;
    std::size_t count = 1;
    for (const std::int64_t extent : w.shape) count *= static_cast<std::size_t>(extent);
    const bool is_matrix = w.shape.size() == 2;
    const float deviation = is_matrix ? 1.f / std::sqrt(static_cast<float>(w.shape[1])) : 0.1f;
    weights[w.name] = random_values(generator, count, deviation);
    if (w.name.find("norm.weight") != w.name.npos)
      for (float& v : weights[w.name]) v += 1.f;
  }
  return weights;
}

rt::Tensors upload(const rt::Stream& stream, const rt::Block& block,
                   const reference::Weights& weights) {
  rt::Tensors tensors;
  for (const rt::PlanWeight& w : block.info().weights)
    if (const auto it = weights.find(w.name); it != weights.end())
      tensors.emplace(w.name, rt::Tensor::from_host(stream, it->second, rt::Shape(w.shape)));
  return tensors;
}

/// Microseconds of one forward pass: the mean over replays of a captured graph.
double microseconds(const rt::Device& device, const rt::Stream& stream, int repeats,
                    const std::function<void()>& forward) {
  const rt::Graph graph = rt::Graph::capture(stream, forward);
  graph.launch(stream);
  stream.synchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) graph.launch(stream);
  device.synchronize();
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
  return taken.count() / repeats;
}

int run(const std::string& directory, std::int64_t seq_len) {
  const bool emulated = [] {
    const char* driver = std::getenv("PTXMILL_DRIVER");
    return driver != nullptr && std::strcmp(driver, "emulator") == 0;
  }();
  if (seq_len == 0) seq_len = emulated ? 32 : 1500;
  const rt::Device device = rt::Device::open();
  const rt::Stream stream(device);
  const rt::KernelLibrary library = rt::KernelLibrary::open(device, directory);
  rt::EncoderBlock encoder = rt::EncoderBlock::open(library);
  const std::int64_t d_model = encoder.d_model();
  std::printf("%s, %s\n", device.info().name.c_str(), encoder.block().target().c_str());

  std::mt19937 generator(2022);
  const reference::Weights weights = random_weights(encoder.block(), generator);
  const std::vector<float> input =
      random_values(generator, static_cast<std::size_t>(seq_len * d_model), 1.f);
  encoder.prepare(stream, upload(stream, encoder.block(), weights), 1, seq_len);
  const rt::Tensor x = rt::Tensor::from_host(stream, input, {1, seq_len, d_model});
  const rt::Tensor out = rt::Tensor::empty(stream, rt::DType::f32, {1, seq_len, d_model});
  stream.synchronize();

  rt::reset_counters();
  encoder.forward(stream, x, out);
  stream.synchronize();
  const rt::Counters moved = rt::counters();
  const std::vector<float> result = out.to_host<float>(stream);
  const double us =
      microseconds(device, stream, emulated ? 1 : 200, [&] { encoder.forward(stream, x, out); });

  reference::EncoderBlock problem;
  problem.seq_len = static_cast<std::size_t>(seq_len);
  problem.d_model = static_cast<std::size_t>(d_model);
  problem.heads =
      static_cast<std::size_t>(std::get<double>(encoder.block().info().config.at("heads")));
  problem.ffn_dim = weights.at("fc1.bias").size();
  const reference::Expected expected = reference::expect_encoder_block(problem, input, weights);
  double worst = 0, allowed = 0;
  bool within = true;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double error = std::abs(result[i] - expected.value[i]);
    within = within && error <= expected.bound[i];
    worst = std::max(worst, error);
    allowed = std::max(allowed, expected.bound[i]);
  }
  std::printf("  input          [1, %lld, %lld] f32\n", static_cast<long long>(seq_len),
              static_cast<long long>(d_model));
  std::printf("  largest error  %.3g against double precision; allowed is %.3g: %s\n", worst,
              allowed, within ? "ok" : "WRONG");
  std::printf("  launches       %llu\n", static_cast<unsigned long long>(moved.launches));
  std::printf("  bytes moved    %llu to the device, %llu to the host\n",
              static_cast<unsigned long long>(moved.bytes_to_device),
              static_cast<unsigned long long>(moved.bytes_to_host));
  std::printf("  allocations    %llu\n", static_cast<unsigned long long>(moved.allocations));
  std::printf("  time           %.1f us%s\n", us,
              emulated ? " on the CPU, by the emulated driver" : ", mean of 200 graph replays");
  return within ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: encoder_demo LIBRARY_DIRECTORY [SEQ_LEN]\n");
    return 2;
  }
  try {
    return run(argv[1], argc > 2 ? std::atoll(argv[2]) : 0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "encoder_demo: %s\n", e.what());
    return 1;
  }
}
