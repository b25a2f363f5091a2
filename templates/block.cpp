#include "templates/block.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ptxmill::kernels {
namespace {

using nlohmann::json;

std::vector<BlockFamily>& registered() {
  static std::vector<BlockFamily> all;
  return all;
}

json to_json(const Expr& e) { return e.is_constant() ? json(e.value()) : json(e.text()); }

json to_json(const Shape& shape) {
  json extents = json::array();
  for (const Expr& e : shape) extents.push_back(to_json(e));
  return extents;
}

std::int64_t count(const Shape& shape) {
  std::int64_t n = 1;
  for (const Expr& e : shape) n *= e.value();
  return n;
}

}  // namespace

BlockRegistration::BlockRegistration(BlockFamily family) {
  std::vector<BlockFamily>& all = registered();
  all.insert(
      std::upper_bound(all.begin(), all.end(), family,
                       [](const BlockFamily& a, const BlockFamily& b) { return a.name < b.name; }),
      std::move(family));
}

const std::vector<BlockFamily>& block_families() { return registered(); }

const BlockFamily* find_block_family(const std::string& name) {
  for (const BlockFamily& f : block_families())
    if (f.name == name) return &f;
  return nullptr;
}

void PlanBuilder::declare(std::vector<Named>& list, Named value) {
  if (!names_.emplace(value.name, "").second)
    throw std::logic_error(fmt::format("block {}: '{}' is declared twice", block_, value.name));
  list.push_back(std::move(value));
}

Expr PlanBuilder::dim(const std::string& name, std::int64_t min, std::int64_t max) {
  dims_.push_back({name, min, max});
  return Expr::dim(name);
}

void PlanBuilder::input(const std::string& name, Dtype dtype, Shape shape) {
  declare(inputs_, {name, dtype, std::move(shape)});
}
void PlanBuilder::output(const std::string& name, Dtype dtype, Shape shape) {
  declare(outputs_, {name, dtype, std::move(shape)});
}
void PlanBuilder::weight(const std::string& name, Dtype dtype, Shape shape, bool optional) {
  declare(weights_, {name, dtype, std::move(shape), optional});
}
void PlanBuilder::prepared(const std::string& name, Dtype dtype, Shape shape) {
  declare(prepared_, {name, dtype, std::move(shape)});
}
void PlanBuilder::buffer(const std::string& name, Dtype dtype, Shape shape) {
  declare(buffers_, {name, dtype, std::move(shape)});
}

void PlanBuilder::pack(const std::string& weight, const std::string& prepared,
                       std::int64_t offset) {
  const auto named = [](const std::vector<Named>& list, const std::string& name) -> const Named& {
    const auto it =
        std::find_if(list.begin(), list.end(), [&](const Named& n) { return n.name == name; });
    if (it == list.end())
      throw std::logic_error("the plan packs '" + name + "', which is not declared");
    return *it;
  };
  const Named& from = named(weights_, weight);
  const Named& to = named(prepared_, prepared);
  if (offset + count(from.shape) > count(to.shape))
    throw std::logic_error("'" + weight + "' does not fit into '" + prepared + "'");
  packs_.push_back({weight, prepared, offset, count(from.shape), from.optional});
}

void PlanBuilder::step(const std::string& role, const std::string& family, const json& fields,
                       std::map<std::string, Expr> dims, std::map<std::string, Binding> args) {
  for (const auto& [parameter, binding] : args)
    if (names_.count(binding.value) == 0)
      throw std::logic_error(
          fmt::format("block {}, step {}: '{}' is bound to '{}', which is not declared", block_,
                      role, parameter, binding.value));
  kernels_.push_back({role, family, fields.dump()});
  steps_.push_back({role, std::move(dims), std::move(args), {}});
}

json PlanBuilder::interface() const {
  const auto list = [](const std::vector<Named>& values) {
    json all = json::array();
    for (const Named& v : values)
      all.push_back(
          {{"name", v.name}, {"dtype", spec::name(v.dtype)}, {"shape", to_json(v.shape)}});
    return all;
  };
  json dims = json::array();
  for (const DimRange& d : dims_)
    dims.push_back({{"name", d.name}, {"min", d.min}, {"max", d.max}});
  json weights = list(weights_);
  for (std::size_t i = 0; i < weights_.size(); ++i) weights[i]["optional"] = weights_[i].optional;
  return {
      {"dims", dims}, {"inputs", list(inputs_)}, {"outputs", list(outputs_)}, {"weights", weights}};
}

json PlanBuilder::target_plan() const {
  json prepared = json::array();
  for (const Named& v : prepared_)
    prepared.push_back(
        {{"name", v.name}, {"dtype", spec::name(v.dtype)}, {"shape", to_json(v.shape)}});
  json prepare = json::array();
  for (const Pack& p : packs_) {
    if (p.optional)
      prepare.push_back({{"op", "fill_zero"},
                         {"to", {{"value", p.prepared}, {"offset", p.offset}, {"count", p.count}}},
                         {"unless", p.weight}});
    prepare.push_back({{"op", "copy"},
                       {"from", p.weight},
                       {"to", {{"value", p.prepared}, {"offset", p.offset}}}});
  }
  return {{"prepared", prepared}, {"prepare", prepare}, {"buffers", buffers()}, {"steps", steps()}};
}

/// A buffer lives from the first to the last step that binds it. Slots are given greedily in the
/// order of first use, so that buffers which never live together share memory.
json PlanBuilder::buffers() const {
  struct Life {
    const Named* buffer;
    int first, last;
  };
  std::vector<Life> lives;
  for (const Named& b : buffers_) {
    Life life{&b, -1, -1};
    for (std::size_t i = 0; i < steps_.size(); ++i)
      for (const auto& [parameter, binding] : steps_[i].args)
        if (binding.value == b.name) {
          if (life.first < 0) life.first = static_cast<int>(i);
          life.last = static_cast<int>(i);
        }
    if (life.first < 0)
      throw std::logic_error(fmt::format("block {}: no step uses the buffer '{}'", block_, b.name));
    lives.push_back(life);
  }
  std::stable_sort(lives.begin(), lives.end(),
                   [](const Life& a, const Life& b) { return a.first < b.first; });
  std::vector<int> free_after;  // by slot: the last step of its present buffer
  json all = json::array();
  for (const Life& life : lives) {
    std::size_t slot = 0;
    while (slot < free_after.size() && free_after[slot] >= life.first) ++slot;
    if (slot == free_after.size()) free_after.push_back(0);
    free_after[slot] = life.last;
    all.push_back({{"name", life.buffer->name},
                   {"dtype", spec::name(life.buffer->dtype)},
                   {"shape", to_json(life.buffer->shape)},
                   {"slot", slot},
                   {"first", life.first},
                   {"last", life.last}});
  }
  return all;
}

json PlanBuilder::steps() const {
  json all = json::array();
  for (const Step& s : steps_) {
    json dims = json::object(), args = json::object(), scalars = json::object();
    for (const auto& [name, e] : s.dims) dims[name] = to_json(e);
    for (const auto& [parameter, b] : s.args) {
      const bool whole = b.offset.is_constant() && b.offset.value() == 0;
      args[parameter] =
          whole ? json(b.value) : json{{"value", b.value}, {"offset", to_json(b.offset)}};
    }
    for (const auto& [name, v] : s.scalars) scalars[name] = v;
    all.push_back({{"op", "kernel"},
                   {"name", s.role},
                   {"kernel", block_ + "__" + s.role},
                   {"dims", dims},
                   {"args", args},
                   {"scalars", scalars}});
  }
  return all;
}

}  // namespace ptxmill::kernels
