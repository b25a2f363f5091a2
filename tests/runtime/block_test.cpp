#include "runtime/plan.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <optional>

#include "runtime/counters.hpp"
#include "runtime/encoder_block.hpp"
#include "runtime/manifest.hpp"
#include "tests/runtime/child_process.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using nlohmann::json;
using ptxmill::test::add_chain_plan;
using ptxmill::test::ChildResult;
using ptxmill::test::fixture_library;
using ptxmill::test::in_child;
using ptxmill::test::ManifestFixture;
using ptxmill::test::run_again;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

ManifestFixture chain_fixture() {
  ManifestFixture fixture = fixture_library();
  add_chain_plan(fixture);
  return fixture;
}

struct BlockFixture : ptxmill::test::DeviceFixture {
  BlockFixture()
      : fixture(chain_fixture()),
        library(fixture.open(device())),
        block(Block::open(library, "chain")) {
    for (int i = 0; i < 64; ++i) {
      b.push_back(0.25f * static_cast<float>(i));
      c.push_back(100.f - static_cast<float>(i));
    }
  }

  Tensor upload(const std::vector<float>& values) const {
    return Tensor::from_host(stream, values, {static_cast<std::int64_t>(values.size())});
  }
  Tensors weights(bool with_c = true) const {
    Tensors result{{"b", upload(b)}};
    if (with_c) result.emplace("c", upload(c));
    return result;
  }
  /// out = 3 (x + b) + c, in exactly representable numbers.
  std::vector<float> expected(const std::vector<float>& x, bool with_c = true) const {
    std::vector<float> result;
    for (std::size_t i = 0; i < x.size(); ++i)
      result.push_back(3.f * (x[i] + b[i]) + (with_c ? c[i] : 0.f));
    return result;
  }
  static std::vector<float> input(std::size_t n) {
    std::vector<float> x;
    for (std::size_t i = 0; i < n; ++i) x.push_back(static_cast<float>(i) - 8.f);
    return x;
  }

  ManifestFixture fixture;
  KernelLibrary library;
  Block block;
  std::vector<float> b, c;
};

}  // namespace

TEST_CASE_FIXTURE(BlockFixture, "block: what the plan says") {
  CHECK(block.info().block == "chain");
  CHECK(block.target() == "sm_80");
  const Dim n{"n", 7};
  CHECK(block.shape_of("out", {&n, 1}) == Shape{7});
  CHECK(thrown_by([&] { block.shape_of("sum", {&n, 1}); }).says("no input or output 'sum'"));
  const Thrown thrown = thrown_by([&] { Block::open(library, "chian"); });
  CHECK(thrown.code == ErrorCode::not_found);
  CHECK(thrown.says("no block 'chian'; did you mean 'chain'?"));
}

TEST_CASE_FIXTURE(BlockFixture, "block: computes, with and without the optional weight") {
  for (const bool with_c : {true, false}) {
    block.prepare(stream, weights(with_c), {{"n", 64}});
    // Two slots of 256 bytes, and the workspace of "through".
    CHECK(block.workspace_bytes() == 2 * 256 + 64 * 4);
    for (const std::size_t n : {1u, 2u, 33u, 64u}) {
      const std::vector<float> x = input(n);
      const Tensor out = Tensor::empty(stream, DType::f32, {static_cast<std::int64_t>(n)});
      block.forward(stream, {{"n", static_cast<std::int64_t>(n)}}, {{"x", upload(x)}},
                    {{"out", out}});
      CHECK(out.to_host<float>(stream) == expected(x, with_c));
    }
  }
}

TEST_CASE_FIXTURE(BlockFixture, "block: a forward pass moves nothing and allocates nothing") {
  block.prepare(stream, weights(), {{"n", 64}});
  const Tensor x = upload(input(40)), out = Tensor::empty(stream, DType::f32, {40});
  stream.synchronize();
  for (int pass = 0; pass < 2; ++pass) {
    reset_counters();
    block.forward(stream, {{"n", 40}}, {{"x", x}}, {{"out", out}});
    stream.synchronize();
    const Counters after = counters();
    CHECK(after.launches == 4);
    CHECK(after.transfers_to_device == 0);
    CHECK(after.transfers_to_host == 0);
    CHECK(after.copies_on_device == 0);
    CHECK(after.allocations == 0);
    CHECK(after.frees == 0);
    CHECK(after.kernel_misses == 0);
  }
  CHECK(out.to_host<float>(stream) == expected(input(40)));
}

TEST_CASE_FIXTURE(BlockFixture, "block: a recorded pass computes the same, on another stream too") {
  const Stream other(device());
  block.prepare(stream, weights(), {{"n", 64}});
  const Tensor x = upload(input(40)), out = Tensor::empty(stream, DType::f32, {40});
  out.fill(stream, 0);
  stream.synchronize();
  const Graph graph = Graph::capture(other, [&] {
    block.forward(other, {{"n", 40}}, {{"x", x}}, {{"out", out}});
  });
  CHECK(graph.node_count() == 4);
  CHECK(out.to_host<float>(stream) == std::vector<float>(40, 0.f));
  graph.launch(stream);
  CHECK(out.to_host<float>(stream) == expected(input(40)));
}

TEST_CASE_FIXTURE(BlockFixture, "block: weights may be released, and prepared anew") {
  {
    Tensors mine = weights();
    block.prepare(stream, mine, {{"n", 64}});
  }
  const Tensor x = upload(input(3)), out = Tensor::empty(stream, DType::f32, {3});
  block.forward(stream, {{"n", 3}}, {{"x", x}}, {{"out", out}});
  CHECK(out.to_host<float>(stream) == expected(input(3)));
  for (float& value : b) value += 1.f;
  block.prepare(stream, weights(), {{"n", 64}});
  block.forward(stream, {{"n", 3}}, {{"x", x}}, {{"out", out}});
  CHECK(out.to_host<float>(stream) == expected(input(3)));
}

TEST_CASE_FIXTURE(BlockFixture, "block: a preparation that is refused leaves the block as it was") {
  block.prepare(stream, weights(), {{"n", 64}});
  struct Case {
    std::string words;
    std::function<void(Tensors&)> change;
  };
  const Case cases[] = {
      {"the weight 'b' is missing", [](Tensors& w) { w.erase("b"); }},
      {"it has no weight 'd'", [&](Tensors& w) { w["d"] = upload({1}); }},
      {"it has no weight 'bb'; did you mean 'b'?", [&](Tensors& w) { w["bb"] = upload({1}); }},
      {"the weight 'b' is f32[63], and must be a contiguous f32[64]",
       [&](Tensors& w) { w["b"] = w["b"].slice(0, 0, 63); }},
      {"the weight 'c' is u32[64]",
       [&](Tensors& w) { w["c"] = Tensor::empty(stream, DType::u32, {64}); }},
      {"the weight 'b' is f32[64, 1] (strided)",
       [&](Tensors& w) {
         w["b"] = Tensor::empty(stream, DType::f32, {64, 2}).slice(1, 0, 1);
       }},
  };
  for (const Case& test : cases) {
    Tensors changed = weights();
    test.change(changed);
    const Thrown thrown = thrown_by([&] { block.prepare(stream, changed, {{"n", 64}}); });
    CAPTURE(test.words);
    CAPTURE(thrown.what);
    CHECK(thrown.code == ErrorCode::invalid_argument);
    CHECK(thrown.says(test.words));
  }
  CHECK(thrown_by([&] {
          block.prepare(stream, weights(), {{"n", 65}});
        }).says("dimension 'n' is 65, and must be from 1 to 64"));
  CHECK(thrown_by([&] { block.prepare(stream, weights(), {}); }).says("'n' was not given"));
  const Tensor x = upload(input(3)), out = Tensor::empty(stream, DType::f32, {3});
  block.forward(stream, {{"n", 3}}, {{"x", x}}, {{"out", out}});
  CHECK(out.to_host<float>(stream) == expected(input(3)));
}

TEST_CASE_FIXTURE(BlockFixture, "block: wrong calls are refused before anything is launched") {
  const Tensor x = upload(input(8)), out = Tensor::empty(stream, DType::f32, {8});
  out.fill(stream, 77);
  using Named = std::initializer_list<NamedTensor>;
  const auto refusal = [&](std::int64_t n, Named inputs, Named outputs) {
    return thrown_by([&] { block.forward(stream, {{"n", n}}, inputs, outputs); });
  };
  CHECK(refusal(8, {{"x", x}}, {{"out", out}}).says("prepare() has not been called"));
  block.prepare(stream, weights(), {{"n", 16}});
  reset_counters();
  CHECK(refusal(17, {{"x", x}}, {{"out", out}}).says("from 1 to 16, which it was prepared for"));
  CHECK(refusal(7, {{"x", x}}, {{"out", out}})
            .says("the input 'x' is f32[8], and must be a contiguous f32[7]"));
  CHECK(refusal(8, {{"y", x}}, {{"out", out}}).says("it has no input 'y'"));
  CHECK(refusal(8, {}, {{"out", out}}).says("the input 'x' is missing"));
  CHECK(refusal(8, {{"x", x}}, {}).says("the output 'out' is missing"));
  CHECK(refusal(8, {{"x", x}, {"x", x}}, {{"out", out}}).says("given twice"));
  CHECK(refusal(8, {{"x", x}}, {{"out", x}}).says("the output 'out' overlaps the input 'x'"));
  CHECK(refusal(8, {{"x", Tensor()}}, {{"out", out}}).says("the input 'x' is (none)"));
  CHECK(counters().launches == 0);
  CHECK(out.to_host<float>(stream) == std::vector<float>(8, 77.f));
}

TEST_CASE_FIXTURE(BlockFixture, "block: zero elements are a success without a launch") {
  block.prepare(stream, weights(), {{"n", 16}});
  const Tensor none = Tensor::empty(stream, DType::f32, {0});
  reset_counters();
  block.forward(stream, {{"n", 0}}, {{"x", none}}, {{"out", none}});
  CHECK(counters().launches == 0);
}

TEST_CASE("block: a plan that contradicts its kernels is corrupt") {
  const ptxmill::test::DeviceFixture on;
  struct Case {
    std::string words;
    std::function<void(json&)> change;
  };
  const auto step = [](json& plan, int i) -> json& { return plan["targets"]["sm_80"]["steps"][i]; };
  const Case cases[] = {
      {"the library has no kernel 'nothing'", [&](json& p) { step(p, 0)["kernel"] = "nothing"; }},
      {"step 'add b': there is no value 'z'", [&](json& p) { step(p, 0)["args"]["x"] = "z"; }},
      {"kernel 'add' has no argument 'z'", [&](json& p) { step(p, 0)["args"]["z"] = "x"; }},
      {"the argument 'y' is not given", [&](json& p) { step(p, 0)["args"].erase("y"); }},
      {"the scalar 'factor' is not given", [&](json& p) { step(p, 1)["scalars"].clear(); }},
      {"the dimension 'n' of kernel 'add' is not given",
       [&](json& p) { step(p, 0)["dims"].clear(); }},
      {"kernel 'add' has no dimension 'm'", [&](json& p) { step(p, 0)["dims"]["m"] = "n"; }},
      {"writes 'x', which is only to be read", [&](json& p) { step(p, 0)["args"]["out"] = "x"; }},
      {"writes 'packed', which is only to be read",
       [&](json& p) { step(p, 0)["args"]["out"] = "packed"; }},
      {"'sum' is u32, and 'out' must be f32",
       [&](json& p) { p["targets"]["sm_80"]["buffers"][0]["dtype"] = "u32"; }},
      {"'c' may be absent, and 'y' may not", [&](json& p) { step(p, 0)["args"]["y"] = "c"; }},
      {"the name 'x' stands for two values",
       [&](json& p) { p["targets"]["sm_80"]["buffers"][0]["name"] = "x"; }},
      {"'x' is not a weight", [&](json& p) { p["targets"]["sm_80"]["prepare"][0]["from"] = "x"; }},
      {"'b' is not a prepared tensor",
       [&](json& p) { p["targets"]["sm_80"]["prepare"][0]["to"]["value"] = "b"; }},
  };
  for (const Case& test : cases) {
    ManifestFixture fixture = chain_fixture();
    test.change(fixture.manifest["plans"][0]);
    const KernelLibrary library = fixture.open(on.device());
    const Thrown thrown = thrown_by([&] { Block::open(library, "chain"); });
    CAPTURE(test.words);
    CAPTURE(thrown.what);
    CHECK(thrown.code == ErrorCode::corrupt);
    CHECK(thrown.says("plan 'chain'"));
    CHECK(thrown.says(test.words));
  }
  ManifestFixture fixture = chain_fixture();
  auto& targets = fixture.manifest["plans"][0]["targets"];
  targets = {{"sm_999", targets["sm_80"]}};
  const KernelLibrary library = fixture.open(on.device());
  CHECK(thrown_by([&] { Block::open(library, "chain"); }).code == ErrorCode::incompatible);
}

TEST_CASE("block: an encoder is asked to be one") {
  const ptxmill::test::DeviceFixture on;
  ManifestFixture fixture = chain_fixture();
  const KernelLibrary library = fixture.open(on.device());
  CHECK(thrown_by([&] {
          EncoderBlock::open(library, "chain");
        }).says("is of the family 'chain', not an encoder"));
}

TEST_CASE("trace: every weight and intermediate of a block by name") {
  const char* name = "trace: every weight and intermediate of a block by name";
  if (!in_child()) {
    const ChildResult result = run_again(name, "PTXMILL_TRACE=1");
    CAPTURE(result.output);
    CHECK(result.exit_code == 0);
    CHECK(result.says("ptxmill: trace chain: b f32[64]: mean 2 stddev 0 min 2 max 2"));
    CHECK(result.says("ptxmill: trace chain: packed f32[128]"));
    CHECK(result.says("ptxmill: trace chain: x f32[2]: mean 2 stddev 1 min 1 max 3"));
    CHECK(result.says("ptxmill: trace chain/add b: sum f32[2]: mean 4 stddev 1 min 3 max 5"));
    CHECK(result.says("ptxmill: trace chain/scale: scaled f32[2]: mean 12 stddev 3 min 9 max 15"));
    CHECK(result.says("ptxmill: trace chain/add c: out f32[2]: mean 12 stddev 3 min 9 max 15"));
    return;
  }
  const ptxmill::test::DeviceFixture on;
  ManifestFixture fixture = chain_fixture();
  const KernelLibrary library = fixture.open(on.device());
  Block block = Block::open(library, "chain");
  const Stream& stream = on.stream;
  const Tensors weights{{"b", Tensor::from_host(stream, std::vector<float>(64, 2.f), {64})}};
  block.prepare(stream, weights, {{"n", 64}});
  const Tensor x = Tensor::from_host(stream, std::vector<float>{1, 3}, {2});
  const Tensor out = Tensor::empty(stream, DType::f32, {2});
  reset_counters();
  block.forward(stream, {{"n", 2}}, {{"x", x}}, {{"out", out}});
  CHECK(counters().transfers_to_host == 0);
  CHECK(thrown_by([&] {
          Graph::capture(stream, [&] {
            block.forward(stream, {{"n", 2}}, {{"x", x}}, {{"out", out}});
          });
        }).says("PTXMILL_TRACE=1"));
}
