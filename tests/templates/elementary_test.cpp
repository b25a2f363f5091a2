// The elementary functions against double precision, at arguments of every exponent. A template of
// the test's own stands for those that templates use them in.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "templates/lib/elementary.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/templates/float_sweep.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {
namespace {

/// out[i] = f(x[i]).
class Elementary final : public kernels::Template {
 public:
  kernels::DtypeField dtype{*this, "dtype", "element type", {kernels::Dtype::f32}};
  kernels::Choice f{*this, "f", "the function", {"exp", "exp_nonpositive", "log"}, "exp"};
  kernels::Dim count{*this, "count", "elements", {.dynamic_by_default = true}};
  kernels::Tensor x{*this, "x",         kernels::Direction::in,
                    dtype, "arguments", [this] { return kernels::Shape{count}; }};
  kernels::Tensor out{*this, "out",     kernels::Direction::out,
                      dtype, "results", [this] { return kernels::Shape{count}; }};

  kernels::Launch launch(const kernels::Form&) const override {
    return {.grid = {ceil_div(count, 256), 1, 1}, .block = {256, 1, 1}};
  }
  void emit(kernels::Emitter& k, const kernels::Form&) const override {
    const kernels::U32 i = k.let("i", k.ctaid_x() * 256 + k.tid_x());
    k.exit_if(i >= k.dim(count));
    const kernels::F32 v = k.load(k.ptr(x) + i);
    const kernels::F32 y = f.is("exp")               ? kernels::exp(k, v)
                           : f.is("exp_nonpositive") ? kernels::exp_nonpositive(k, v)
                                                     : kernels::log(k, v);
    k.store(k.ptr(out) + i, y);
  }
};

PTXMILL_TEMPLATE(Elementary, "elementary_test", "A function of each element, for this test.");

class ElementaryFixture : public DeviceFixture {
 public:
  std::vector<float> run(const std::string& f, const std::vector<float>& x) const {
    const GeneratedLibrary library(
        device(),
        R"({"name": "k", "template": "elementary_test", "dtype": "f32", "f": ")" + f + "\"}");
    const auto count = static_cast<std::int64_t>(x.size());
    const auto in = input(x, {count});
    const auto out = output({count});
    library.kernel("k").launch(stream, {{"count", count}}, in.tensor(), out.tensor());
    return out.read();
  }
};

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

double exact_exp(double x) { return std::exp(x); }
double exact_log(double x) { return std::log(x); }

}  // namespace

TEST_CASE_FIXTURE(ElementaryFixture, "exp within 0.9 units in the last place") {
  const std::vector<float> x = every_exponent(-infinity, 88.722f, -120.f, 88.722f);
  CHECK(compare_units(run("exp", x), x, exact_exp, 0.9));
  const std::vector<float> beyond = run("exp", {88.73f, 1e4f, 3e38f, infinity, nan});
  for (int i = 0; i < 4; ++i) CHECK(beyond[i] == infinity);
  CHECK(std::isnan(beyond[4]));
}

TEST_CASE_FIXTURE(ElementaryFixture, "exp_nonpositive within 0.9 units in the last place") {
  const std::vector<float> x = every_exponent(-infinity, 40.f, -120.f, 40.f);
  CHECK(compare_units(run("exp_nonpositive", x), x, exact_exp, 0.9));
  CHECK(std::isnan(run("exp_nonpositive", {nan})[0]));
}

TEST_CASE_FIXTURE(ElementaryFixture, "log within 1 unit in the last place") {
  const std::vector<float> x = every_exponent(std::numeric_limits<float>::min(),
                                              std::numeric_limits<float>::max(), 0.5f, 4.f);
  CHECK(compare_units(run("log", x), x, exact_log, 1.0));
  const std::vector<float> special = run("log", {1.f, infinity, nan});
  CHECK(special[0] == 0.f);
  CHECK(special[1] == infinity);
  CHECK(std::isnan(special[2]));
}

}  // namespace ptxmill::test
