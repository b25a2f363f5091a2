// The encoder block against a double-precision computation of the whole layer, with weights of
// every kind: all biases, and those that checkpoints leave out.
#include "runtime/encoder_block.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include "runtime/counters.hpp"
#include "runtime/error.hpp"
#include "runtime/manifest.hpp"
#include "tests/reference/encoder_block.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/inputs.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {
namespace {

struct Layer {
  int d_model, heads, ffn_dim, max_seq_len;
  std::string activation = "gelu";
};

GeneratedLibrary generate(const rt::Device& device, const Layer& layer) {
  return GeneratedLibrary(
      device, "",
      fmt::format(
          R"({{"name": "encoder", "block": "encoder", "dtype": "f32", "d_model": {}, "heads": {},
                      "ffn_dim": {}, "max_seq_len": {}, "activation": "{}"}})",
          layer.d_model, layer.heads, layer.ffn_dim, layer.max_seq_len, layer.activation));
}

reference::Activation activation_of(const std::string& name) {
  if (name == "relu") return reference::Activation::relu;
  if (name == "silu") return reference::Activation::silu;
  if (name == "gelu_tanh") return reference::Activation::gelu_tanh;
  return reference::Activation::gelu;
}

/// Weights for every name that the plan has, but those in `absent`.
reference::Weights draw_weights(const rt::Block& block, Random& random,
                                const std::vector<std::string>& absent) {
  reference::Weights weights;
  for (const rt::PlanWeight& w : block.info().weights) {
    if (std::find(absent.begin(), absent.end(), w.name) != absent.end()) continue;
    std::size_t count = 1;
    for (const std::int64_t extent : w.shape) count *= static_cast<std::size_t>(extent);
    std::vector<float> values = draw(random, count);
    const float scale =
        w.shape.size() == 2 ? 1.f / std::sqrt(static_cast<float>(w.shape[1])) : 0.2f;
    for (float& v : values) v = v * scale + (w.name.find("norm.weight") != w.name.npos ? 1.f : 0.f);
    weights[w.name] = std::move(values);
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

reference::Expected expect(const Layer& layer, std::int64_t batch, std::int64_t seq_len,
                           const std::vector<float>& x, const reference::Weights& weights) {
  reference::EncoderBlock problem;
  problem.batch = static_cast<std::size_t>(batch);
  problem.seq_len = static_cast<std::size_t>(seq_len);
  problem.d_model = static_cast<std::size_t>(layer.d_model);
  problem.heads = static_cast<std::size_t>(layer.heads);
  problem.ffn_dim = static_cast<std::size_t>(layer.ffn_dim);
  problem.activation = activation_of(layer.activation);
  return reference::expect_encoder_block(problem, x, weights);
}

/// Multiply-adds of one forward pass.
std::uint64_t cost(const Layer& layer, std::int64_t batch, std::int64_t seq_len) {
  const auto rows = static_cast<std::uint64_t>(batch * seq_len);
  const auto d = static_cast<std::uint64_t>(layer.d_model),
             f = static_cast<std::uint64_t>(layer.ffn_dim);
  return rows * (4 * d * d + 2 * d * f + 2 * static_cast<std::uint64_t>(seq_len) * d);
}

/// One layer at several (batch, seq_len), each pass twice: the second moves and allocates nothing
/// and gives the same bits, and so does a captured graph.
void check_layer(DeviceFixture& fixture, const Layer& layer,
                 const std::vector<std::pair<std::int64_t, std::int64_t>>& sizes,
                 const std::vector<std::string>& absent, CaseBudget& budget) {
  const rt::Stream& stream = fixture.stream;
  const GeneratedLibrary generated = generate(DeviceFixture::device(), layer);
  rt::EncoderBlock encoder = rt::EncoderBlock::open(generated.library());
  Random random = random_for(fmt::format("encoder {} {}", layer.d_model, layer.activation));
  const reference::Weights weights = draw_weights(encoder.block(), random, absent);
  std::int64_t max_batch = 1;
  for (const auto& [batch, seq_len] : sizes) max_batch = std::max(max_batch, batch);
  encoder.prepare(stream, upload(stream, encoder.block(), weights), max_batch);
  for (const auto& [batch, seq_len] : sizes) {
    const std::string name =
        fmt::format("encoder d_model {} batch {} seq_len {}", layer.d_model, batch, seq_len);
    if (!budget.allows(name, 3 * cost(layer, batch, seq_len))) continue;
    CAPTURE(name);
    const rt::Shape shape{batch, seq_len, layer.d_model};
    const std::vector<float> input = draw(random, static_cast<std::size_t>(shape.elements()));
    const GuardedTensor x = fixture.input(input, shape);
    const GuardedTensor out = fixture.output(shape), again = fixture.output(shape),
                        replayed = fixture.output(shape);
    encoder.forward(stream, x.tensor(), out.tensor());
    stream.synchronize();
    const reference::Expected expected = expect(layer, batch, seq_len, input, weights);
    CHECK(compare(
        out.read(), expected.value, expected.bound,
        {static_cast<std::size_t>(batch * seq_len), static_cast<std::size_t>(layer.d_model)}));

    rt::reset_counters();
    encoder.forward(stream, x.tensor(), again.tensor());
    stream.synchronize();
    const rt::Counters counters = rt::counters();
    CHECK(counters.transfers_to_device == 0);
    CHECK(counters.transfers_to_host == 0);
    CHECK(counters.allocations == 0);
    CHECK(counters.launches == (shape.elements() == 0 ? 0 : 7));
    CHECK(compare_bits(again.read(), out.read()));

    const rt::Graph graph =
        rt::Graph::capture(stream, [&] { encoder.forward(stream, x.tensor(), replayed.tensor()); });
    graph.launch(stream);
    stream.synchronize();
    CHECK(compare_bits(replayed.read(), out.read()));
  }
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "encoder: small layers, all activations, with and without biases") {
  CaseBudget budget(30'000'000, 120'000'000);
  for (const char* activation : {"gelu", "gelu_tanh", "relu", "silu"})
    check_layer(
        *this,
        {.d_model = 48, .heads = 3, .ffn_dim = 80, .max_seq_len = 70, .activation = activation},
        {{1, 1}, {2, 17}, {3, 70}}, {}, budget);
  check_layer(*this, {.d_model = 64, .heads = 1, .ffn_dim = 67, .max_seq_len = 40},
              {{1, 40}, {2, 3}},
              {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias",
               "self_attn.out_proj.bias", "fc1.bias", "fc2.bias"},
              budget);
}

TEST_CASE_FIXTURE(DeviceFixture, "encoder: Whisper's layers") {
  CaseBudget budget(60'000'000, 120'000'000);
  const std::vector<std::pair<std::int64_t, std::int64_t>> sizes{
      {1, 1}, {1, 7}, {3, 7}, {1, 100}, {3, 100}, {1, 733}, {1, 1500}};
  check_layer(*this, {.d_model = 384, .heads = 6, .ffn_dim = 1536, .max_seq_len = 1500}, sizes,
              {"self_attn.k_proj.bias"}, budget);
  check_layer(*this, {.d_model = 512, .heads = 8, .ffn_dim = 2048, .max_seq_len = 1500}, sizes,
              {"self_attn.k_proj.bias"}, budget);
}

TEST_CASE_FIXTURE(DeviceFixture, "encoder: a batch item has the same bits alone") {
  const Layer layer{.d_model = 64, .heads = 2, .ffn_dim = 128, .max_seq_len = 33};
  const GeneratedLibrary generated = generate(device(), layer);
  rt::EncoderBlock encoder = rt::EncoderBlock::open(generated.library());
  Random random = random_for("encoder batch");
  encoder.prepare(stream,
                  upload(stream, encoder.block(), draw_weights(encoder.block(), random, {})), 3);
  const std::vector<float> input = draw(random, 3 * 33 * 64);
  const rt::Tensor x = rt::Tensor::from_host(stream, input, {3, 33, 64});
  const std::vector<float> all = encoder.forward(stream, x).peek_host<float>(stream);
  for (std::int64_t item = 0; item < 3; ++item) {
    const std::vector<float> alone =
        encoder.forward(stream, x.slice(0, item, item + 1)).peek_host<float>(stream);
    const auto begin = all.begin() + item * 33 * 64;
    CHECK(compare_bits(alone, std::vector<float>(begin, begin + 33 * 64)));
  }
}

TEST_CASE_FIXTURE(DeviceFixture, "encoder: an empty batch or sequence is a success") {
  const GeneratedLibrary generated =
      generate(device(), {.d_model = 64, .heads = 2, .ffn_dim = 128, .max_seq_len = 8});
  rt::EncoderBlock encoder = rt::EncoderBlock::open(generated.library());
  Random random = random_for("encoder empty");
  encoder.prepare(stream,
                  upload(stream, encoder.block(), draw_weights(encoder.block(), random, {})), 2);
  for (const rt::Shape& shape : {rt::Shape{0, 8, 64}, rt::Shape{2, 0, 64}}) {
    const rt::Tensor x = rt::Tensor::empty(stream, rt::DType::f32, shape),
                     out = rt::Tensor::empty(stream, rt::DType::f32, shape);
    CHECK_NOTHROW(encoder.forward(stream, x, out));
  }
  stream.synchronize();
}

TEST_CASE_FIXTURE(DeviceFixture, "encoder: what does not fit is refused before a launch") {
  const GeneratedLibrary generated =
      generate(device(), {.d_model = 64, .heads = 2, .ffn_dim = 128, .max_seq_len = 8});
  rt::EncoderBlock encoder = rt::EncoderBlock::open(generated.library());
  Random random = random_for("encoder refusals");
  const reference::Weights weights = draw_weights(encoder.block(), random, {});
  const auto tensors = [&] { return upload(stream, encoder.block(), weights); };
  const auto refusal = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const rt::Error& e) {
      CHECK(e.code() == rt::ErrorCode::invalid_argument);
      return e.what();
    }
    return "not refused";
  };
  const auto names = [](const std::string& text, const char* word) {
    return text.find(word) != text.npos;
  };

  rt::Tensors missing = tensors();
  missing.erase("fc1.weight");
  CHECK(names(refusal([&] { encoder.prepare(stream, missing, 1); }), "fc1.weight"));
  rt::Tensors transposed = tensors();
  transposed["fc1.weight"] = rt::Tensor::empty(stream, rt::DType::f32, {64, 128});
  CHECK(names(refusal([&] { encoder.prepare(stream, transposed, 1); }), "fc1.weight"));
  rt::Tensors unexpected = tensors();
  unexpected["fc3.weight"] = rt::Tensor::empty(stream, rt::DType::f32, {64, 128});
  CHECK(names(refusal([&] { encoder.prepare(stream, unexpected, 1); }), "fc3.weight"));

  encoder.prepare(stream, tensors(), 1);
  const auto empty = [&](const rt::Shape& shape, rt::DType dtype = rt::DType::f32) {
    return rt::Tensor::empty(stream, dtype, shape);
  };
  rt::reset_counters();
  CHECK(names(refusal([&] {
                encoder.forward(stream, empty({1, 9, 64}), empty({1, 9, 64}));
              }),
              "seq_len"));
  CHECK(names(refusal([&] {
                encoder.forward(stream, empty({2, 8, 64}), empty({2, 8, 64}));
              }),
              "batch"));
  CHECK(names(refusal([&] {
                encoder.forward(stream, empty({1, 8, 64}), empty({1, 7, 64}));
              }),
              "out"));
  CHECK(names(refusal([&] {
                encoder.forward(stream, empty({1, 8, 64}), empty({1, 8, 64}, rt::DType::f16));
              }),
              "out"));
  CHECK(rt::counters().launches == 0);
}

TEST_CASE("encoder: the spec's impossible combinations") {
  const auto problems = [](const char* fields) {
    return problems_of(
        "",
        fmt::format(
            R"({{"name": "e", "block": "encoder", "dtype": "f32", "ffn_dim": 8, "max_seq_len": 8, {}}})",
            fields));
  };
  CHECK(problems(R"("d_model": 384, "heads": 6)").empty());
  CHECK(problems(R"("d_model": 384, "heads": 7)")
            .find("/blocks/0/heads: d_model 384 is not divisible by heads 7") != std::string::npos);
  CHECK(problems(R"("d_model": 384, "heads": 2)").find("head_dim") != std::string::npos);
}

}  // namespace
}  // namespace ptxmill::test
