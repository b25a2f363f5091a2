// gemm: every tile edge, layout and epilogue against a double-precision product.
#include "tests/templates/products.hpp"

namespace ptxmill::test {
namespace {

constexpr const char* any_size = R"("n": "dynamic", "k": "dynamic")";

std::string fixed(std::int64_t n, std::int64_t k) {
  return fmt::format(R"("n": {}, "k": {})", n, k);
}

TEST_CASE_FIXTURE(ProductFixture, "gemm: sizes around the tiles, both layouts") {
  for (const char* layout : {"out_in", "in_out"}) {
    const Product product{.layout = layout};
    const GeneratedLibrary generated(device(), product.spec("gemm", any_size));
    const rt::Kernel kernel = generated.kernel("k");
    for (const std::int64_t m : {1, 2, 31, 32, 33, 63, 64, 65})
      for (const std::int64_t n : {1, 3, 32, 33, 64, 68})
        for (const std::int64_t k : {1, 7, 32, 36}) check(kernel, product, m, n, k);
    for (const std::int64_t k : {127, 128, 129, 256, 260, 515}) check(kernel, product, 5, 36, k);
  }
}

TEST_CASE_FIXTURE(ProductFixture, "gemm: small integers are exact") {
  for (const char* layout : {"out_in", "in_out"}) {
    const Product product{.layout = layout, .bias = true, .residual = true};
    const GeneratedLibrary generated(device(), product.spec("gemm", any_size));
    for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
             {17, 40, 300}, {33, 35, 129}, {70, 64, 64}, {1, 128, 260}})
      check(generated.kernel("k"), product, m, n, k, Inputs::small_integers);
  }
}

TEST_CASE_FIXTURE(ProductFixture, "gemm: every epilogue") {
  for (const char* activation : {"none", "relu", "gelu", "gelu_tanh", "silu"})
    for (const bool bias : {false, true})
      for (const bool residual : {false, true}) {
        const Product product{.activation = activation,
                              .bias = bias,
                              .residual = residual,
                              .alpha = bias ? 0.5f : 1.f};
        const GeneratedLibrary generated(device(), product.spec("gemm", any_size));
        check(generated.kernel("k"), product, 37, 44, 36);
        check(generated.kernel("k"), product, 9, 33, 35);
      }
}

TEST_CASE_FIXTURE(ProductFixture, "gemm: random shapes, static and dynamic") {
  const Product product{.bias = true};
  const GeneratedLibrary dynamic(device(), product.spec("gemm", any_size));
  for (int i = 0; i < 24; ++i) {
    const std::int64_t m = random_size(random, 300), n = random_size(random, 300),
                       k = random_size(random, 700);
    const std::vector<float> result =
        check(dynamic.kernel("k"), product, m, n, k, inputs_of_case(i));
    if (i % 4 != 0) continue;
    const GeneratedLibrary specialised(device(), product.spec("gemm", fixed(n, k)));
    check(specialised.kernel("k"), product, m, n, k, inputs_of_case(i));
  }
}

TEST_CASE_FIXTURE(ProductFixture, "gemm: the models' shapes, by all forms") {
  const Product product{};
  const std::vector<std::array<std::int64_t, 3>> shapes{
      {1500, 1152, 384}, {1500, 384, 384},   {1500, 1536, 384}, {1500, 384, 1536},
      {4500, 1536, 384}, {1500, 5120, 1280}, {2048, 2048, 2048}};
  for (const auto& [m, n, k] : shapes) {
    const GeneratedLibrary specialised(device(), product.spec("gemm", fixed(n, k)));
    check(specialised.kernel("k"), product, m, n, k);
    const GeneratedLibrary dynamic(device(), product.spec("gemm", any_size));
    check(dynamic.kernel("k"), product, m, n, k, Inputs::small_integers);
  }
}

TEST_CASE_FIXTURE(ProductFixture,
                  "gemm: the same bits on every run, and for a row whatever the others") {
  const Product product{};
  const GeneratedLibrary generated(device(), product.spec("gemm", any_size));
  const std::int64_t m = 70, n = 48, k = 300;
  const std::vector<float> a = draw(random, static_cast<std::size_t>(m * k)),
                           w = draw(random, static_cast<std::size_t>(n * k));
  const GuardedTensor a_in = input(a, {m, k}), w_in = input(w, {n, k}), out = output({m, n}),
                      again = output({m, n}), alone = output({1, n});
  const rt::Kernel kernel = generated.kernel("k");
  kernel.launch(stream, {{"m", m}, {"n", n}, {"k", k}}, a_in.tensor(), w_in.tensor(), out.tensor());
  const std::vector<float> first = out.read();
  for (int i = 0; i < 3; ++i) {
    kernel.launch(stream, {{"m", m}, {"n", n}, {"k", k}}, a_in.tensor(), w_in.tensor(),
                  again.tensor());
    CHECK(compare_bits(again.read(), first));
  }
  for (const std::int64_t row : {0, 33, 69}) {
    kernel.launch(stream, {{"m", 1}, {"n", n}, {"k", k}}, a_in.tensor().slice(0, row, row + 1),
                  w_in.tensor(), alone.tensor());
    CHECK(compare_bits(alone.read(),
                       std::vector<float>(first.begin() + row * n, first.begin() + (row + 1) * n)));
  }
}

TEST_CASE_FIXTURE(ProductFixture, "gemm: the result may be the residual; no rows is no launch") {
  const Product product{.residual = true};
  const GeneratedLibrary generated(device(), product.spec("gemm", any_size));
  const std::vector<float> a = draw(random, 33 * 20, Inputs::small_integers),
                           w = draw(random, 40 * 20, Inputs::small_integers);
  const std::vector<float> residual = draw(random, 33 * 40, Inputs::small_integers);
  const GuardedTensor a_in = input(a, {33, 20}), w_in = input(w, {40, 20}),
                      both = input(residual, {33, 40});
  generated.kernel("k").launch(stream, {{"m", 33}, {"n", 40}, {"k", 20}}, a_in.tensor(),
                               w_in.tensor(), both.tensor(), both.tensor());
  reference::Gemm problem;
  problem.m = 33, problem.n = 40, problem.k = 20, problem.residual = residual;
  const reference::Expected expected = reference::expect_gemm(problem, a, w);
  const std::vector<float> result = both.read();
  CHECK(compare_bits(result, std::vector<float>(expected.value.begin(), expected.value.end())));
  CHECK_NOTHROW(generated.kernel("k").launch(stream, {{"m", 0}, {"n", 40}, {"k", 20}},
                                             a_in.tensor(), w_in.tensor(), both.tensor(),
                                             both.tensor()));
  CHECK(compare_bits(both.read(), result));
}

TEST_CASE("gemm: what the spec reader accepts and refuses") {
  const auto problems = [](const std::string& fields) {
    return problems_of(R"({"name": "k", "template": "gemm", "dtype": "f32")" + fields + "}");
  };
  CHECK(problems(R"(, "n": 1, "k": 1)").empty());
  CHECK(problems(R"(, "n": 1)").find("\"k\" is missing") != std::string::npos);
  CHECK(problems(R"(, "n": 0, "k": 1)").find("/kernels/0/n: expected") != std::string::npos);
  CHECK(problems(R"(, "n": 1, "k": 1, "layout": "inout")").find("did you mean \"in_out\"?") !=
        std::string::npos);
  CHECK(problems(R"(, "n": 1, "k": 1, "activation": "tanh")")
            .find("/kernels/0/activation: expected one of") != std::string::npos);
}

}  // namespace
}  // namespace ptxmill::test
