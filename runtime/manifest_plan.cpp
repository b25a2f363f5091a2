// The plans of a manifest.
#include <algorithm>

#include "runtime/manifest_reading.hpp"

namespace ptxmill::rt {
namespace {

using Variables = std::vector<std::string>;

PlanTensor read_tensor(const JsonNode& node, const Variables& variables) {
  PlanTensor tensor;
  tensor.name = node.member("name").nonempty_text();
  tensor.dtype = read_dtype(node.member("dtype"));
  tensor.shape = read_expressions(node.member("shape"), variables);
  return tensor;
}

std::vector<PlanTensor> read_tensors(const JsonNode& node, const Variables& variables) {
  std::vector<PlanTensor> result;
  node.each_element([&](const JsonNode& element) {
    element.only({"name", "dtype", "shape"});
    result.push_back(read_tensor(element, variables));
  });
  return result;
}

PlanWeight read_weight(const JsonNode& node) {
  node.only({"name", "dtype", "shape", "optional"});
  PlanWeight weight;
  weight.name = node.member("name").nonempty_text();
  weight.dtype = read_dtype(node.member("dtype"));
  node.member("shape").each_element(
      [&](const JsonNode& extent) { weight.shape.push_back(extent.integer(0)); });
  weight.optional = node.has("optional") && node.member("optional").boolean();
  return weight;
}

PlanBinding read_binding(const JsonNode& node, const Variables& variables) {
  if (node.json().is_string()) return {node.nonempty_text(), {}};
  PlanBinding binding;
  binding.value = node.member("value").nonempty_text();
  if (node.has("offset")) binding.offset = read_expression(node.member("offset"), variables);
  return binding;
}

void read_kernel_step(const JsonNode& node, const Variables& variables, PlanStep& step) {
  node.only({"op", "name", "kernel", "dims", "args", "scalars"});
  step.op = PlanStep::Op::kernel;
  step.kernel = node.member("kernel").nonempty_text();
  step.name = node.has("name") ? node.member("name").text() : step.kernel;
  node.member("dims").each_member([&](const std::string& key, const JsonNode& value) {
    step.dims.emplace(key, read_expression(value, variables));
  });
  node.member("args").each_member([&](const std::string& key, const JsonNode& value) {
    if (!value.json().is_string()) value.only({"value", "offset"});
    step.args.emplace(key, read_binding(value, variables));
  });
  if (node.has("scalars"))
    node.member("scalars").each_member([&](const std::string& key, const JsonNode& value) {
      step.scalars.emplace(key, value.number());
    });
}

PlanStep read_step(const JsonNode& node, const Variables& variables) {
  PlanStep step;
  const std::string op = node.member("op").text();
  if (op == "copy") {
    node.only({"op", "name", "from", "to"});
    node.member("to").only({"value", "offset"});
    step.op = PlanStep::Op::copy;
    step.from = node.member("from").nonempty_text();
    step.to = read_binding(node.member("to"), variables);
    step.name = concat("copy ", step.from);
  } else if (op == "fill_zero") {
    node.only({"op", "name", "to", "unless"});
    const JsonNode to = node.member("to");
    to.only({"value", "offset", "count"});
    step.op = PlanStep::Op::fill_zero;
    step.to = read_binding(to, variables);
    step.count = read_expression(to.member("count"), variables);
    if (node.has("unless")) step.unless = node.member("unless").nonempty_text();
    step.name = concat("fill_zero ", step.to.value);
  } else if (op == "kernel") {
    read_kernel_step(node, variables, step);
  } else {
    node.member("op").fail(concat("'", op, "' is no op; copy, fill_zero or kernel was expected"));
  }
  return step;
}

std::vector<PlanStep> read_steps(const JsonNode& node, const Variables& variables) {
  std::vector<PlanStep> result;
  node.each_element(
      [&](const JsonNode& element) { result.push_back(read_step(element, variables)); });
  return result;
}

PlanBuffer read_buffer(const JsonNode& node, const Variables& variables, std::size_t steps) {
  constexpr std::int64_t most_slots = 4096;
  node.only({"name", "dtype", "shape", "slot", "first", "last"});
  PlanBuffer buffer;
  static_cast<PlanTensor&>(buffer) = read_tensor(node, variables);
  buffer.slot = static_cast<std::size_t>(node.member("slot").integer(0, most_slots - 1));
  const auto last_step = static_cast<std::int64_t>(steps) - 1;
  const std::int64_t first = node.member("first").integer(0, last_step);
  buffer.first = static_cast<std::size_t>(first);
  buffer.last = static_cast<std::size_t>(node.member("last").integer(first, last_step));
  return buffer;
}

PlanTarget read_target(const std::string& name, const JsonNode& node, const Variables& variables) {
  node.only({"prepared", "prepare", "buffers", "steps"});
  PlanTarget target;
  target.target = name;
  target.prepared = read_tensors(node.member("prepared"), variables);
  target.prepare = read_steps(node.member("prepare"), variables);
  target.steps = read_steps(node.member("steps"), variables);
  node.member("buffers").each_element([&](const JsonNode& element) {
    PlanBuffer buffer = read_buffer(element, variables, target.steps.size());
    for (const PlanBuffer& other : target.buffers)
      if (other.slot == buffer.slot && other.first <= buffer.last && buffer.first <= other.last)
        element.fail(
            concat("shares slot ", buffer.slot, " with '", other.name, "' while both are alive"));
    target.buffers.push_back(std::move(buffer));
  });
  return target;
}

}  // namespace

PlanInfo read_plan(const JsonNode& node) {
  node.only(
      {"name", "block", "dtypes", "config", "dims", "inputs", "outputs", "weights", "targets"});
  PlanInfo plan;
  plan.name = node.member("name").nonempty_text();
  plan.block = node.member("block").nonempty_text();
  plan.dtypes = read_dtypes(node.member("dtypes"));
  plan.config = read_options(node.member("config"));
  Variables variables;
  node.member("dims").each_element([&](const JsonNode& dim) {
    dim.only({"name", "min", "max"});
    PlanDim read;
    read.name = dim.member("name").nonempty_text();
    read.min = dim.member("min").integer(0);
    read.max = dim.member("max").integer(read.min);
    variables.push_back(read.name);
    plan.dims.push_back(std::move(read));
  });
  if (plan.dims.size() > Manifest::most_dims)
    node.member("dims").fail(concat("at most ", Manifest::most_dims, " were expected"));
  variables.emplace_back("sm_count");
  plan.inputs = read_tensors(node.member("inputs"), variables);
  plan.outputs = read_tensors(node.member("outputs"), variables);
  node.member("weights").each_element(
      [&](const JsonNode& weight) { plan.weights.push_back(read_weight(weight)); });
  node.member("targets").each_member([&](const std::string& name, const JsonNode& target) {
    plan.targets.push_back(read_target(name, target, variables));
  });
  if (plan.targets.empty()) node.member("targets").fail("at least one target was expected");
  return plan;
}

}  // namespace ptxmill::rt
