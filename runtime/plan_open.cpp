// Binding a plan: every name is resolved and every kind and dtype checked, once.
#include <algorithm>
#include <set>

#include "runtime/block_state.hpp"
#include "runtime/context.hpp"
#include "runtime/text.hpp"
#include "runtime/variant.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::size_t no_value = StepState::no_value;

class Binder {
 public:
  Binder(const KernelLibrary& library, const PlanInfo& plan)
      : library_(library), state_(std::make_unique<BlockState>(library, plan)) {}

  std::unique_ptr<BlockState> run() {
    state_->plan = &choose_target();
    collect_values();
    for (const PlanStep& step : state_->plan->prepare)
      state_->prepare_steps.push_back(bind(step, true));
    for (const PlanStep& step : state_->plan->steps) state_->steps.push_back(bind(step, false));
    reserve();
    return std::move(state_);
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorCode::corrupt, concat("plan '", state_->info.name, "' of library ",
                                           library_.manifest().library, ": ", why));
  }
  [[noreturn]] void fail(const PlanStep& step, const std::string& why) const {
    fail(concat("step '", step.name, "': ", why));
  }

  /// The best target of the plan that the device runs and for which each of its kernels has a
  /// usable variant.
  const PlanTarget& choose_target() const {
    std::vector<VariantVerdict> verdicts;
    const PlanTarget* best = nullptr;
    VariantVerdict best_verdict;
    for (const PlanTarget& target : state_->info.targets) {
      VariantVerdict verdict = judge_target(target.target, library_.device());
      if (verdict.usable) verdict.usable = kernels_usable(target, verdict.reason);
      verdicts.push_back(verdict);
      if (!verdict.usable || (best != nullptr && !better_variant(verdict, best_verdict))) continue;
      best = &target;
      best_verdict = verdict;
    }
    if (best != nullptr) return *best;
    throw Error(ErrorCode::incompatible,
                concat("plan '", state_->info.name, "' has no target that runs on ",
                       device_text(library_.device()), ": ", reasons_text(verdicts)));
  }

  bool kernels_usable(const PlanTarget& target, std::string& reason) const {
    for (const std::vector<PlanStep>* steps : {&target.prepare, &target.steps})
      for (const PlanStep& step : *steps) {
        if (step.op != PlanStep::Op::kernel) continue;
        if (!library_.contains(step.kernel))
          fail(step, concat("the library has no kernel '", step.kernel, "'"));
        try {
          library_.kernel(step.kernel, target.target);
        } catch (const Error& error) {
          reason = concat("cannot be used: ", error.what());
          return false;
        }
      }
    return true;
  }

  void collect_values() {
    for (const PlanTensor& tensor : state_->info.inputs) add(tensor, ValueSource::input);
    for (const PlanTensor& tensor : state_->info.outputs) add(tensor, ValueSource::output);
    for (const PlanWeight& weight : state_->info.weights) {
      PlanTensor tensor{weight.name, weight.dtype, {}};
      for (const std::int64_t extent : weight.shape)
        tensor.shape.push_back(Expression::parse(std::to_string(extent), {}));
      add(tensor, ValueSource::weight).optional = weight.optional;
    }
    for (const PlanTensor& tensor : state_->plan->prepared) add(tensor, ValueSource::prepared);
    for (const PlanBuffer& buffer : state_->plan->buffers)
      add(buffer, ValueSource::buffer).slot = buffer.slot;
  }

  PlanValue& add(const PlanTensor& tensor, ValueSource source) {
    if (state_->find_value(tensor.name) != no_value)
      fail(concat("the name '", tensor.name, "' stands for two values"));
    return state_->values.emplace_back(
        PlanValue{tensor.name, source, tensor.dtype, tensor.shape, false, 0});
  }

  std::size_t value_named(const PlanStep& step, const std::string& name) const {
    const std::size_t found = state_->find_value(name);
    if (found == no_value) fail(step, concat("there is no value '", name, "'"));
    return found;
  }

  StepState bind(const PlanStep& step, bool preparing) const {
    StepState bound;
    bound.info = &step;
    if (step.op == PlanStep::Op::kernel) {
      bind_kernel(step, preparing, bound);
      return bound;
    }
    if (!preparing) fail(step, "only a preparation can copy or fill");
    bound.to = value_named(step, step.to.value);
    if (state_->values[bound.to].source != ValueSource::prepared)
      fail(step, concat("'", step.to.value, "' is not a prepared tensor"));
    if (step.op == PlanStep::Op::copy) {
      bound.from = weight_named(step, step.from);
      if (state_->values[bound.from].dtype != state_->values[bound.to].dtype)
        fail(step, concat("'", step.from, "' and '", step.to.value, "' differ in dtype"));
    } else if (!step.unless.empty()) {
      bound.unless = weight_named(step, step.unless);
    }
    return bound;
  }

  std::size_t weight_named(const PlanStep& step, const std::string& name) const {
    const std::size_t found = value_named(step, name);
    if (state_->values[found].source != ValueSource::weight)
      fail(step, concat("'", name, "' is not a weight"));
    return found;
  }

  void bind_kernel(const PlanStep& step, bool preparing, StepState& bound) const {
    const Kernel& kernel =
        bound.kernel.emplace_back(library_.kernel(step.kernel, state_->plan->target));
    for (const DimInfo& dim : kernel.info().dims) {
      const auto given = step.dims.find(dim.name);
      if (given != step.dims.end())
        bound.dims.push_back(given->second);
      else if (!dim.dynamic)
        bound.dims.push_back(Expression::parse(std::to_string(dim.value), {}));
      else
        fail(step,
             concat("the dimension '", dim.name, "' of kernel '", step.kernel, "' is not given"));
    }
    for (const auto& given : step.dims)
      if (std::none_of(kernel.info().dims.begin(), kernel.info().dims.end(),
                       [&](const DimInfo& dim) { return dim.name == given.first; }))
        fail(step, concat("kernel '", step.kernel, "' has no dimension '", given.first, "'"));
    for (const std::string& name : kernel.argument_names())
      bound.arguments.push_back(bind_argument(step, kernel, name, preparing));
    for (const auto& [name, unused] : step.args) require_argument(step, kernel, name);
    for (const auto& [name, unused] : step.scalars) require_argument(step, kernel, name);
  }

  void require_argument(const PlanStep& step, const Kernel& kernel, const std::string& name) const {
    const std::vector<std::string>& names = kernel.argument_names();
    if (std::find(names.begin(), names.end(), name) == names.end())
      fail(step, concat("kernel '", step.kernel, "' has no argument '", name, "'"));
  }

  static const ParameterInfo& parameter_of(const Kernel& kernel, const std::string& argument) {
    const std::vector<TargetForms>& targets = kernel.info().targets;
    const auto target = std::find_if(targets.begin(), targets.end(), [&](const TargetForms& t) {
      return t.target == kernel.target();
    });
    const std::vector<ParameterInfo>& parameters = target->forms.front().params;
    return *std::find_if(parameters.begin(), parameters.end(), [&](const ParameterInfo& p) {
      return (p.map ? p.map->tensor : p.name) == argument;
    });
  }

  ArgumentBinding bind_argument(const PlanStep& step, const Kernel& kernel, const std::string& name,
                                bool preparing) const {
    const ParameterInfo& parameter = parameter_of(kernel, name);
    ArgumentBinding binding;
    if (parameter.kind == ParameterKind::scalar) {
      const auto given = step.scalars.find(name);
      if (given == step.scalars.end()) fail(step, concat("the scalar '", name, "' is not given"));
      binding.kind = parameter.dtype == DType::f32 ? ArgumentBinding::Kind::real
                                                   : ArgumentBinding::Kind::integer;
      binding.number = given->second;
      return binding;
    }
    const auto given = step.args.find(name);
    if (given == step.args.end()) {
      if (!parameter.optional) fail(step, concat("the argument '", name, "' is not given"));
      return binding;
    }
    binding.kind = ArgumentBinding::Kind::value;
    binding.value = value_named(step, given->second.value);
    binding.offset = given->second.offset;
    const ParameterKind direction = parameter.map ? parameter.map->direction : parameter.kind;
    binding.written = direction == ParameterKind::out || direction == ParameterKind::inout;
    check_binding(step, parameter, state_->values[binding.value], binding.written, preparing);
    return binding;
  }

  void check_binding(const PlanStep& step, const ParameterInfo& parameter, const PlanValue& value,
                     bool written, bool preparing) const {
    if (parameter.kind != ParameterKind::pointer_table && parameter.dtype != value.dtype)
      fail(step, concat("'", value.name, "' is ", name(value.dtype), ", and '", parameter.name,
                        "' must be ", name(parameter.dtype)));
    if (written && (value.source == ValueSource::input || value.source == ValueSource::weight ||
                    (value.source == ValueSource::prepared && !preparing)))
      fail(step, concat("writes '", value.name, "', which is only to be read"));
    if (preparing && value.source != ValueSource::weight && value.source != ValueSource::prepared)
      fail(step, concat("'", value.name, "' does not exist yet when the block is prepared"));
    if (value.optional && !parameter.optional)
      fail(step, concat("'", value.name, "' may be absent, and '", parameter.name, "' may not"));
  }

  void reserve() {
    std::size_t dims = 0, arguments = 0;
    for (const std::vector<StepState>* steps : {&state_->prepare_steps, &state_->steps})
      for (const StepState& step : *steps) {
        dims = std::max(dims, step.dims.size());
        arguments = std::max(arguments, step.arguments.size());
      }
    state_->kernel_dims.reserve(dims);
    state_->arguments.reserve(arguments + 1);
    state_->dims.reserve(state_->info.dims.size() + 1);
    state_->bound.resize(state_->values.size());
    state_->elements.resize(state_->values.size());
  }

  const KernelLibrary& library_;
  std::unique_ptr<BlockState> state_;
};

}  // namespace

std::unique_ptr<BlockState> open_block(const KernelLibrary& library, std::string_view name) {
  std::vector<std::string> names;
  for (const PlanInfo& plan : library.manifest().plans) {
    if (plan.name == name) return Binder(library, plan).run();
    names.push_back(plan.name);
  }
  throw Error(ErrorCode::not_found,
              concat("the library ", library.manifest().library, " has no block '", name, "'",
                     did_you_mean(name, names)));
}

}  // namespace ptxmill::rt
