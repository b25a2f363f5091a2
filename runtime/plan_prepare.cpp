// Preparing a block: weights checked and packed, workspace laid out.
#include <algorithm>

#include "runtime/block_state.hpp"
#include "runtime/context.hpp"
#include "runtime/parallel.hpp"
#include "runtime/text.hpp"
#include "runtime/trace.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::size_t slot_align = 256;

/// Puts the caller's weights where the plan's values are.
void take_weights(const BlockState& state, const Tensors& weights, Prepared& prepared) {
  const std::vector<std::string> known = state.names_of(ValueSource::weight);
  for (const auto& [name, unused] : weights)
    if (std::find(known.begin(), known.end(), name) == known.end())
      state.refuse(concat("it has no weight '", name, "'", did_you_mean(name, known)));
  for (std::size_t i = 0; i < state.values.size(); ++i) {
    const PlanValue& value = state.values[i];
    if (value.source != ValueSource::weight) continue;
    const auto given = weights.find(value.name);
    if (given == weights.end() || !given->second.valid()) {
      if (!value.optional) state.refuse(concat("the weight '", value.name, "' is missing"));
      continue;
    }
    const Tensor& tensor = given->second;
    const Shape expected = evaluate_shape(value.shape, {});
    if (tensor.dtype() != value.dtype || !(tensor.shape() == expected) || !tensor.contiguous())
      state.refuse(concat("the weight '", value.name, "' is ", tensor.text(),
                          ", and must be a contiguous ", name(value.dtype), expected.text()));
    if (tensor.context() != state.library.context())
      state.refuse(concat("the weight '", value.name, "' is on another device"));
    prepared.tensors[i] = tensor;
  }
}

/// Lays the slots out one after another and points the buffers into them.
void take_workspace(const BlockState& state, const Stream& stream, Prepared& prepared) {
  std::vector<std::size_t> slot_bytes;
  const auto bytes_of = [&](const PlanValue& value) {
    return static_cast<std::size_t>(evaluate_shape(value.shape, prepared.max_dims).elements()) *
           size_of(value.dtype);
  };
  for (const PlanValue& value : state.values) {
    if (value.source != ValueSource::buffer) continue;
    if (slot_bytes.size() <= value.slot) slot_bytes.resize(value.slot + 1);
    slot_bytes[value.slot] = std::max(slot_bytes[value.slot], bytes_of(value));
  }
  std::vector<std::size_t> slot_begin;
  std::size_t total = 0;
  for (const std::size_t bytes : slot_bytes) {
    slot_begin.push_back(total);
    total += (bytes + slot_align - 1) / slot_align * slot_align;
  }
  prepared.workspace = Tensor::empty(stream, DType::u8, {static_cast<std::int64_t>(total)});
  for (std::size_t i = 0; i < state.values.size(); ++i) {
    const PlanValue& value = state.values[i];
    if (value.source != ValueSource::buffer) continue;
    const std::size_t begin = slot_begin[value.slot], bytes = bytes_of(value);
    prepared.tensors[i] =
        prepared.workspace
            .slice(0, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(begin + bytes))
            .as(value.dtype, {static_cast<std::int64_t>(bytes / size_of(value.dtype))});
  }
}

/// One scratch memory for the kernels' own workspaces: the steps follow one another.
void take_kernel_workspace(const BlockState& state, const Stream& stream, Prepared& prepared) {
  WorkspaceBytes most;
  for (const std::vector<StepState>* steps : {&state.prepare_steps, &state.steps})
    for (const StepState& step : *steps) {
      if (step.kernel.empty()) continue;
      std::vector<std::int64_t> dims;
      for (const Expression& dim : step.dims) dims.push_back(dim.evaluate(prepared.max_dims));
      const WorkspaceBytes bytes = step.kernel.front().workspace_bytes(dims);
      most.plain = std::max(most.plain, bytes.plain);
      most.zeroed = std::max(most.zeroed, bytes.zeroed);
    }
  prepared.kernel_workspace =
      Tensor::empty(stream, DType::u8, {static_cast<std::int64_t>(most.plain)});
  prepared.zeroed_workspace =
      Tensor::empty(stream, DType::u8, {static_cast<std::int64_t>(most.zeroed)});
  prepared.zeroed_workspace.fill(stream, 0);
}

void load_kernels(const BlockState& state) {
  std::vector<const Kernel*> kernels;
  for (const std::vector<StepState>* steps : {&state.prepare_steps, &state.steps})
    for (const StepState& step : *steps)
      for (const Kernel& kernel : step.kernel) kernels.push_back(&kernel);
  in_parallel(kernels.size(), [&](std::size_t i) { kernels[i]->load(); });
}

/// `count` elements of a prepared tensor from the step's offset on.
Tensor part_of(const BlockState& state, const StepState& step, std::int64_t count) {
  const Tensor& whole = *state.bound[step.to];
  const std::int64_t begin = step.info->to.offset.evaluate(state.dims);
  return whole.reshape({whole.elements()}).slice(0, begin, begin + count);
}

void run_preparation(BlockState& state, const StepState& step, const Stream& stream) {
  switch (step.info->op) {
    case PlanStep::Op::kernel: return run_step(state, step, stream);
    case PlanStep::Op::copy: {
      const Tensor* from = state.bound[step.from];
      if (from == nullptr) return;  // an optional weight that is absent
      const Tensor to = part_of(state, step, from->elements());
      return to.copy_from(stream, from->reshape({from->elements()}));
    }
    case PlanStep::Op::fill_zero:
      if (step.unless != StepState::no_value && state.bound[step.unless] != nullptr) return;
      return part_of(state, step, step.info->count.evaluate(state.dims)).fill(stream, 0);
  }
}

/// Weights that only the preparation reads need not be kept.
void drop_packed_weights(const BlockState& state, Prepared& prepared) {
  for (std::size_t i = 0; i < state.values.size(); ++i) {
    if (state.values[i].source != ValueSource::weight) continue;
    const bool used = std::any_of(state.steps.begin(), state.steps.end(), [&](const StepState& s) {
      return std::any_of(s.arguments.begin(), s.arguments.end(), [&](const ArgumentBinding& b) {
        return b.kind == ArgumentBinding::Kind::value && b.value == i;
      });
    });
    if (!used) prepared.tensors[i] = Tensor();
  }
}

void trace_all(const BlockState& state, const Stream& stream, const Prepared& prepared,
               ValueSource source) {
  for (std::size_t i = 0; i < state.values.size(); ++i)
    if (state.values[i].source == source && prepared.tensors[i].valid())
      trace_values(stream, concat(state.info.name, ": ", state.values[i].name),
                   prepared.tensors[i]);
}

}  // namespace

void Block::prepare(const Stream& stream, const Tensors& weights, std::span<const Dim> max_dims) {
  BlockState& state = *state_;
  const Context& context = *state.library.context();
  context.check_alive();
  if (stream.context() != state.library.context()) state.refuse("the stream is on another device");
  Prepared fresh;
  state.read_dims(max_dims, nullptr, fresh.max_dims);
  fresh.tensors.resize(state.values.size());
  take_weights(state, weights, fresh);
  load_kernels(state);
  for (std::size_t i = 0; i < state.values.size(); ++i) {
    const PlanValue& value = state.values[i];
    if (value.source == ValueSource::prepared)
      fresh.tensors[i] =
          Tensor::empty(stream, value.dtype, evaluate_shape(value.shape, fresh.max_dims));
  }
  take_workspace(state, stream, fresh);
  take_kernel_workspace(state, stream, fresh);
  const bool tracing = context.trace() == TraceMode::values;
  if (tracing) trace_all(state, stream, fresh, ValueSource::weight);

  // The steps run against `fresh`; what was prepared before comes back if one of them fails.
  std::swap(state.prepared, fresh);
  try {
    state.dims = state.prepared.max_dims;
    for (std::size_t i = 0; i < state.values.size(); ++i) {
      const Tensor& tensor = state.prepared.tensors[i];
      state.bound[i] = tensor.valid() ? &tensor : nullptr;
      state.elements[i] = tensor.valid() ? tensor.elements() : 0;
    }
    for (const StepState& step : state.prepare_steps) run_preparation(state, step, stream);
  } catch (...) {
    std::swap(state.prepared, fresh);
    throw;
  }
  if (tracing) trace_all(state, stream, state.prepared, ValueSource::prepared);
  drop_packed_weights(state, state.prepared);
  state.prepared.done = true;
}

}  // namespace ptxmill::rt
