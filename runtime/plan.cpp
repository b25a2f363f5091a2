#include "runtime/plan.hpp"

#include <algorithm>

#include "runtime/block_state.hpp"
#include "runtime/context.hpp"
#include "runtime/text.hpp"
#include "runtime/trace.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::int64_t unset = -1;

/// Whether two tensors share memory.
bool overlap(const Tensor& a, const Tensor& b) {
  return a.pointer() < b.pointer() + b.bytes() && b.pointer() < a.pointer() + a.bytes();
}

/// Binds the tensors of a call to the plan's inputs or outputs, and checks them.
void bind_tensors(BlockState& state, ValueSource source, std::span<const NamedTensor> given) {
  const char* const role = source == ValueSource::input ? "input" : "output";
  for (const NamedTensor& entry : given) {
    const std::size_t at = state.find_value(entry.name);
    if (at == StepState::no_value || state.values[at].source != source)
      state.refuse(concat("it has no ", role, " '", entry.name, "'",
                          did_you_mean(entry.name, state.names_of(source))));
    if (state.bound[at] != nullptr)
      state.refuse(concat("the ", role, " '", entry.name, "' is given twice"));
    const PlanValue& value = state.values[at];
    const Shape expected = evaluate_shape(value.shape, state.dims);
    const Tensor& tensor = entry.tensor;
    if (!tensor.valid() || tensor.dtype() != value.dtype || !(tensor.shape() == expected) ||
        !tensor.contiguous())
      state.refuse(concat("the ", role, " '", value.name, "' is ", tensor.text(),
                          ", and must be a contiguous ", name(value.dtype), expected.text()));
    if (tensor.context() != state.library.context())
      state.refuse(concat("the ", role, " '", value.name, "' is on another device"));
    state.bound[at] = &tensor;
    state.elements[at] = tensor.elements();
  }
  for (std::size_t i = 0; i < state.values.size(); ++i)
    if (state.values[i].source == source && state.bound[i] == nullptr)
      state.refuse(concat("the ", role, " '", state.values[i].name, "' is missing"));
}

void refuse_overlaps(const BlockState& state, std::span<const NamedTensor> inputs,
                     std::span<const NamedTensor> outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const NamedTensor& input : inputs)
      if (overlap(outputs[i].tensor, input.tensor))
        state.refuse(
            concat("the output '", outputs[i].name, "' overlaps the input '", input.name, "'"));
    for (std::size_t j = 0; j < i; ++j)
      if (overlap(outputs[i].tensor, outputs[j].tensor))
        state.refuse(
            concat("the outputs '", outputs[j].name, "' and '", outputs[i].name, "' overlap"));
  }
}

/// Points each weight, prepared tensor and buffer at what prepare() made.
void bind_prepared(BlockState& state) {
  for (std::size_t i = 0; i < state.values.size(); ++i) {
    state.bound[i] = nullptr;
    state.elements[i] = 0;
    const PlanValue& value = state.values[i];
    if (value.source == ValueSource::input || value.source == ValueSource::output) continue;
    const Tensor& tensor = state.prepared.tensors[i];
    if (!tensor.valid()) continue;
    state.bound[i] = &tensor;
    state.elements[i] = tensor.elements();
    if (value.source != ValueSource::buffer) continue;
    const std::int64_t elements = evaluate_shape(value.shape, state.dims).elements();
    if (elements > tensor.elements())
      state.refuse(concat("the buffer '", value.name, "' needs ", elements,
                          " elements, more than at the largest dimensions, ", tensor.elements()));
    state.elements[i] = elements;
  }
}

void trace_written(const BlockState& state, const StepState& step, const Stream& stream) {
  for (const ArgumentBinding& binding : step.arguments) {
    if (binding.kind != ArgumentBinding::Kind::value || !binding.written) continue;
    const Tensor* tensor = state.bound[binding.value];
    if (tensor == nullptr || state.elements[binding.value] == 0) continue;
    const Tensor flat = tensor->reshape({tensor->elements()});
    trace_values(
        stream,
        concat(state.info.name, "/", step.info->name, ": ", state.values[binding.value].name),
        flat.slice(0, 0, state.elements[binding.value]));
  }
}

}  // namespace

Shape evaluate_shape(const std::vector<Expression>& shape, std::span<const std::int64_t> dims) {
  std::array<std::int64_t, Shape::max_rank> extents{};
  if (shape.size() > extents.size())
    throw Error(ErrorCode::corrupt, concat("a shape of rank ", shape.size(), " is too long"));
  for (std::size_t i = 0; i < shape.size(); ++i) extents[i] = shape[i].evaluate(dims);
  return Shape(std::span<const std::int64_t>(extents.data(), shape.size()));
}

void BlockState::refuse(const std::string& why) const {
  throw Error(ErrorCode::invalid_argument, concat("block '", info.name, "': ", why));
}

std::size_t BlockState::find_value(std::string_view name) const {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [&](const PlanValue& value) { return value.name == name; });
  return found == values.end() ? StepState::no_value
                               : static_cast<std::size_t>(found - values.begin());
}

std::vector<std::string> BlockState::names_of(ValueSource source) const {
  std::vector<std::string> names;
  for (const PlanValue& value : values)
    if (value.source == source) names.push_back(value.name);
  return names;
}

void BlockState::read_dims(std::span<const Dim> given, const std::vector<std::int64_t>* most,
                           std::vector<std::int64_t>& result) const {
  result.assign(info.dims.size(), unset);
  for (const Dim& dim : given) {
    const auto found = std::find_if(info.dims.begin(), info.dims.end(),
                                    [&](const PlanDim& known) { return known.name == dim.name; });
    if (found == info.dims.end()) {
      std::vector<std::string> names;
      for (const PlanDim& known : info.dims) names.push_back(known.name);
      refuse(concat("it has no dimension '", dim.name, "'", did_you_mean(dim.name, names)));
    }
    const auto at = static_cast<std::size_t>(found - info.dims.begin());
    const std::int64_t limit = most == nullptr ? found->max : (*most)[at];
    // Zero is always allowed: there is nothing to compute then.
    if (dim.value != 0 && (dim.value < found->min || dim.value > limit))
      refuse(concat("dimension '", dim.name, "' is ", dim.value, ", and must be from ", found->min,
                    " to ", limit, most == nullptr ? "" : ", which it was prepared for"));
    result[at] = dim.value;
  }
  for (std::size_t i = 0; i < result.size(); ++i)
    if (result[i] == unset) refuse(concat("dimension '", info.dims[i].name, "' was not given"));
  result.push_back(library.device().sm_count);
}

void run_step(BlockState& state, const StepState& step, const Stream& stream) {
  state.kernel_dims.clear();
  for (const Expression& dim : step.dims) state.kernel_dims.push_back(dim.evaluate(state.dims));
  state.arguments.clear();
  for (const ArgumentBinding& binding : step.arguments) {
    switch (binding.kind) {
      case ArgumentBinding::Kind::null: state.arguments.emplace_back(nullptr); break;
      case ArgumentBinding::Kind::real: state.arguments.emplace_back(binding.number); break;
      case ArgumentBinding::Kind::integer:
        state.arguments.emplace_back(static_cast<std::int64_t>(binding.number));
        break;
      case ArgumentBinding::Kind::value: {
        const Tensor* tensor = state.bound[binding.value];
        const std::int64_t offset = binding.offset.evaluate(state.dims);
        const std::int64_t left = state.elements[binding.value] - offset;
        if (tensor == nullptr || left < 0)
          state.arguments.emplace_back(nullptr);
        else
          state.arguments.emplace_back(*tensor, offset, left);
      }
    }
  }
  state.arguments.emplace_back(
      Workspace{state.prepared.kernel_workspace, state.prepared.zeroed_workspace});
  try {
    step.kernel.front().launch_values(stream, state.kernel_dims, state.arguments);
  } catch (const Error& error) {
    throw Error(error.code(), concat("block '", state.info.name, "', step '", step.info->name,
                                     "': ", error.what()));
  }
}

Block::Block(std::unique_ptr<BlockState> state) : state_(std::move(state)) {}
Block::Block(Block&&) noexcept = default;
Block& Block::operator=(Block&&) noexcept = default;
Block::~Block() = default;

Block Block::open(const KernelLibrary& library, std::string_view name) {
  return Block(open_block(library, name));
}

void Block::forward(const Stream& stream, std::span<const Dim> dims,
                    std::span<const NamedTensor> inputs, std::span<const NamedTensor> outputs) {
  BlockState& state = *state_;
  if (!state.prepared.done) state.refuse("prepare() has not been called");
  state.library.context()->check_alive();
  if (stream.context() != state.library.context()) state.refuse("the stream is on another device");
  const bool tracing = state.library.context()->trace() == TraceMode::values;
  if (tracing && stream.capturing())
    state.refuse(
        "PTXMILL_TRACE=1 reads every intermediate, which cannot be recorded into a graph; "
        "unset it");
  state.read_dims(dims, &state.prepared.max_dims, state.dims);
  bind_prepared(state);
  bind_tensors(state, ValueSource::input, inputs);
  bind_tensors(state, ValueSource::output, outputs);
  refuse_overlaps(state, inputs, outputs);
  if (tracing)
    for (const NamedTensor& input : inputs)
      trace_values(stream, concat(state.info.name, ": ", input.name), input.tensor);
  for (const StepState& step : state.steps) {
    run_step(state, step, stream);
    if (tracing) trace_written(state, step, stream);
  }
}

const PlanInfo& Block::info() const { return state_->info; }

const std::string& Block::target() const { return state_->plan->target; }

const KernelLibrary& Block::library() const { return state_->library; }

Shape Block::shape_of(std::string_view name, std::span<const Dim> dims) const {
  const std::size_t at = state_->find_value(name);
  if (at == StepState::no_value || (state_->values[at].source != ValueSource::input &&
                                    state_->values[at].source != ValueSource::output))
    state_->refuse(concat("it has no input or output '", name, "'"));
  std::vector<std::int64_t> values;
  state_->read_dims(dims, nullptr, values);
  return evaluate_shape(state_->values[at].shape, values);
}

std::size_t Block::workspace_bytes() const {
  const Prepared& prepared = state_->prepared;
  std::size_t bytes = 0;
  for (const Tensor* tensor :
       {&prepared.workspace, &prepared.kernel_workspace, &prepared.zeroed_workspace})
    if (tensor->valid()) bytes += tensor->bytes();
  return bytes;
}

}  // namespace ptxmill::rt
