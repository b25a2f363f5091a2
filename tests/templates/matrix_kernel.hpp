// What the tests of kernels over the rows of a matrix share: launching one on host data, and the
// checks that hold for each of them.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/manifest.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/inputs.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {

/// A matrix on the host, row-major.
struct Matrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<float> values;

  std::vector<std::size_t> shape() const {
    return {static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)};
  }
  Matrix row(std::int64_t i) const {
    const auto first = values.begin() + i * cols;
    return {1, cols, {first, first + cols}};
  }
};

/// A test of kernels of one element type.
class ElementFixture : public DeviceFixture {
 public:
  /// Values that the type has.
  std::vector<float> draw_values(std::int64_t count, Inputs inputs = Inputs::normal) {
    return reference::round_to(element, draw(random, static_cast<std::size_t>(count), inputs));
  }
  Matrix draw_matrix(std::int64_t rows, std::int64_t cols, Inputs inputs = Inputs::normal) {
    return {rows, cols, draw_values(rows * cols, inputs)};
  }

  reference::Element element = reference::Element::f32;
  Random random;

 protected:
  explicit ElementFixture(const char* name) : random(random_for(name)) {}
};

/// A kernel that takes a matrix x, perhaps vectors of its width, and writes a matrix `out`.
class MatrixKernel {
 public:
  /// `cols_name` is what the kernel calls the columns.
  MatrixKernel(const DeviceFixture& fixture, rt::Kernel kernel, std::string cols_name)
      : fixture_(fixture),
        kernel_(std::move(kernel)),
        cols_name_(std::move(cols_name)),
        dtype_(kernel_.info().dtypes.at("dtype")) {}

  /// The type of all tensors.
  reference::Element element() const { return element_of(dtype_); }

  Matrix run(const Matrix& x, const std::vector<std::vector<float>>& vectors = {}) const {
    const auto in = fixture_.input(x.values, {x.rows, x.cols}, dtype_);
    const auto out = fixture_.output({x.rows, x.cols}, dtype_);
    return launch(x, in, vectors, out);
  }
  /// With the input for the result.
  Matrix run_in_place(const Matrix& x, const std::vector<std::vector<float>>& vectors = {}) const {
    const auto both = fixture_.input(x.values, {x.rows, x.cols}, dtype_);
    return launch(x, both, vectors, both);
  }

  /// The same bits again, and for rows on their own: neither time nor company matters.
  void check_determinism(const Matrix& x, const Matrix& result,
                         const std::vector<std::vector<float>>& vectors = {}) const {
    CHECK(compare_bits(run(x, vectors).values, result.values, x.shape()));
    for (const std::int64_t i : {std::int64_t{0}, x.rows / 2, x.rows - 1})
      CHECK(compare_bits(run(x.row(i), vectors).values, result.row(i).values));
  }

 private:
  Matrix launch(const Matrix& x, const GuardedTensor& in,
                const std::vector<std::vector<float>>& vectors, const GuardedTensor& out) const {
    std::vector<GuardedTensor> given;
    for (const auto& v : vectors) given.push_back(fixture_.input(v, {x.cols}, dtype_));
    std::vector<rt::Argument> arguments{in.tensor()};
    for (const auto& v : given) arguments.emplace_back(v.tensor());
    arguments.emplace_back(out.tensor());
    const std::vector<rt::Dim> dims{{"rows", x.rows}, {cols_name_, x.cols}};
    kernel_.launch_packed(fixture_.stream, dims, arguments);
    return {x.rows, x.cols, out.values()};
  }

  const DeviceFixture& fixture_;
  rt::Kernel kernel_;
  std::string cols_name_;
  rt::DType dtype_;
};

}  // namespace ptxmill::test
