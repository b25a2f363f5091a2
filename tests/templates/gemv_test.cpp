// gemv: a product of one row, in both layouts and with every epilogue.
#include "tests/templates/products.hpp"

namespace ptxmill::test {
namespace {

constexpr const char* any_size = R"("n": "dynamic", "k": "dynamic")";

TEST_CASE_FIXTURE(ProductFixture, "gemv: sizes around what a warp and a CTA read, both layouts") {
  for (const char* layout : {"out_in", "in_out"}) {
    const Product product{.layout = layout};
    const GeneratedLibrary generated(device(), product.spec("gemv", any_size));
    for (const std::int64_t n : {1, 2, 3, 7, 8, 9, 31, 32, 33, 127, 128, 130})
      for (const std::int64_t k : {1, 3, 4, 31, 32, 127, 128, 129, 512, 1021})
        check(generated.kernel("k"), product, 0, n, k);
  }
}

TEST_CASE_FIXTURE(ProductFixture, "gemv: small integers are exact, and every epilogue holds") {
  for (const char* layout : {"out_in", "in_out"})
    for (const char* activation : {"none", "relu", "gelu", "gelu_tanh", "silu"}) {
      const Product product{
          .layout = layout, .activation = activation, .bias = true, .residual = true, .alpha = 2};
      const GeneratedLibrary generated(device(), product.spec("gemv", any_size));
      check(generated.kernel("k"), product, 0, 97, 260);
      check(generated.kernel("k"), product, 0, 64, 333, Inputs::small_integers);
    }
}

TEST_CASE_FIXTURE(ProductFixture, "gemv: the models' shapes, static and dynamic") {
  for (const char* layout : {"out_in", "in_out"}) {
    const Product product{.layout = layout};
    for (const auto& [n, k] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {384, 384}, {1536, 384}, {384, 1536}, {2048, 8192}, {51865, 384}}) {
      const GeneratedLibrary dynamic(device(), product.spec("gemv", any_size));
      check(dynamic.kernel("k"), product, 0, n, k);
      const GeneratedLibrary specialised(
          device(), product.spec("gemv", fmt::format(R"("n": {}, "k": {})", n, k)));
      check(specialised.kernel("k"), product, 0, n, k);
    }
  }
}

TEST_CASE("gemv: what the spec reader accepts and refuses") {
  CHECK(
      problems_of(R"({"name": "k", "template": "gemv", "dtype": "f32", "n": 1, "k": 1})").empty());
  CHECK(problems_of(R"({"name": "k", "template": "gemv", "dtype": "f32", "n": 1, "k": 1, "m": 1})")
            .find("/kernels/0/m: unknown key") != std::string::npos);
}

}  // namespace
}  // namespace ptxmill::test
