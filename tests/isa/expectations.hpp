// The lines of expectations.def as calls of the builder.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "generator/ptx/kernel.hpp"

namespace ptxmill::test {

using namespace ptx;  // NOLINT(google-build-using-namespace): the type tags

/// A kernel with operands at hand: named registers that nothing computed.
class Scratch : public Kernel {
 public:
  explicit Scratch(Target target) : Kernel("kernel", target) {}

  template <class T>
  Val<T> operand(const char* name) {
    const Where here = Where::here();
    return {recorder, recorder.name_value(recorder.temporary(T::type, here), name, here)};
  }
  template <class T>
  GlobalPtr<T> global() {
    return {assume_multiple(operand<u64>("p"), 16), 0};
  }
  template <class T>
  std::array<Val<T>, 1> one() {
    return {operand<T>("a")};
  }
  template <class T>
  std::array<Val<T>, 2> pair() {
    return {operand<T>("e"), operand<T>("f")};
  }
  Mbarrier barrier() { return shared<b64>("bar", 4, 8); }
  SharedPtr<b8> tile() { return shared<b8>("tile", 1024, 128); }
  TensorMap map() { return tensor_map_param("map"); }
  std::vector<Var<f32>> accumulators(int count) { return array<f32>("d", count); }
  std::span<const Var<f32>, 4> sums() {
    sums_ = array<f32>("s", 4);
    return std::span<const Var<f32>, 4>(sums_);
  }
  template <class T>
  std::array<Val<T>, 2> two() {
    return {operand<T>("a"), operand<T>("b")};
  }
  template <class T>
  std::array<Val<T>, 4> four() {
    return {operand<T>("a"), operand<T>("b"), operand<T>("c"), operand<T>("d")};
  }

  /// The kernel as it stands.
  std::string text() const;
  /// The last instruction printed, runs of spaces as one.
  std::string last_instruction() const;

 private:
  std::vector<Var<f32>> sums_;
};

/// A call, and the line that it must print.
struct Expectation {
  std::string row;
  std::function<void(Scratch&)> call;
  std::string line;
  int source_line;
};

/// The lines for rows of the instruction table, and those for special registers.
const std::vector<Expectation>& row_expectations();
const std::vector<Expectation>& special_expectations();

}  // namespace ptxmill::test
