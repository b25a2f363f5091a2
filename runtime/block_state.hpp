// A plan, worked out for running. Private to the runtime.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "runtime/manifest.hpp"
#include "runtime/plan.hpp"

namespace ptxmill::rt {

/// Where a name of the plan gets its tensor from.
enum class ValueSource { input, output, weight, prepared, buffer };

struct PlanValue {
  std::string name;
  ValueSource source = ValueSource::input;
  DType dtype = DType::f32;
  std::vector<Expression> shape;
  bool optional = false;  ///< a weight that may be absent
  std::size_t slot = 0;   ///< buffers
};

/// What one argument of a step's kernel is made from.
struct ArgumentBinding {
  enum class Kind { null, value, real, integer };
  Kind kind = Kind::null;
  bool written = false;   ///< the kernel writes it: what PTXMILL_TRACE prints after the step
  std::size_t value = 0;  ///< index into BlockState::values
  Expression offset;
  double number = 0;
};

struct StepState {
  const PlanStep* info = nullptr;
  std::vector<Kernel> kernel;    ///< one, for a kernel step
  std::vector<Expression> dims;  ///< in the order of the kernel's dims
  std::vector<ArgumentBinding> arguments;
  std::size_t from = 0, to = 0;  ///< values of copy and fill_zero
  std::size_t unless = no_value;

  static constexpr std::size_t no_value = std::numeric_limits<std::size_t>::max();
};

/// What prepare() made.
struct Prepared {
  std::vector<std::int64_t> max_dims;  ///< values of the plan's dims, then sm_count
  std::vector<Tensor> tensors;         ///< for each value: weights, prepared and buffers
  Tensor workspace, kernel_workspace, zeroed_workspace;
  bool done = false;
};

struct BlockState {
  BlockState(KernelLibrary owner, const PlanInfo& entry) : library(std::move(owner)), info(entry) {}

  /// The values of the plan's dims in order, then sm_count; each checked against its range and, if
  /// `most` is given, against what prepare() was called with.
  void read_dims(std::span<const Dim> dims, const std::vector<std::int64_t>* most,
                 std::vector<std::int64_t>& values) const;
  std::size_t find_value(std::string_view name) const;  ///< no_value where there is none
  std::vector<std::string> names_of(ValueSource source) const;
  [[noreturn]] void refuse(const std::string& why) const;

  KernelLibrary library;
  const PlanInfo& info;
  const PlanTarget* plan = nullptr;
  std::vector<PlanValue> values;
  std::vector<StepState> prepare_steps, steps;
  Prepared prepared;

  // Scratch of one pass, kept so that a pass allocates nothing.
  std::vector<std::int64_t> dims;
  std::vector<const Tensor*> bound;    ///< for each value
  std::vector<std::int64_t> elements;  ///< for each value, at this pass's dims
  std::vector<std::int64_t> kernel_dims;
  std::vector<Argument> arguments;
};

/// Binds the plan of `name` for the library's device.
std::unique_ptr<BlockState> open_block(const KernelLibrary& library, std::string_view name);

/// Runs one step with what `state.bound`, `state.elements` and `state.dims` say.
void run_step(BlockState& state, const StepState& step, const Stream& stream);

/// The shape that the expressions give at these dims.
Shape evaluate_shape(const std::vector<Expression>& shape, std::span<const std::int64_t> dims);

}  // namespace ptxmill::rt
