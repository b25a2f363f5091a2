// A block is a plan made of kernels: what the runtime needs to run a layer's forward pass. A block
// template declares spec fields and writes the plan; the generator makes the kernels it names.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "templates/template.hpp"

namespace ptxmill::kernels {

/// A kernel that a plan asks for: the spec entry it would have had, as JSON text of its fields.
struct PlannedKernel {
  std::string role;  ///< the kernel's name is <block>__<role>
  std::string family;
  std::string fields;  ///< a JSON object
};

/// A tensor of the plan, or a place in one.
struct Binding {
  std::string value;
  Expr offset = 0;  ///< in elements
};

/// A step: one launch.
struct Step {
  std::string role;
  std::map<std::string, Expr> dims;
  std::map<std::string, Binding> args;
  std::map<std::string, double> scalars;
};

/// Collects one target's plan of a block, and checks that it holds together.
class PlanBuilder {
 public:
  explicit PlanBuilder(std::string block_name) : block_(std::move(block_name)) {}

  /// A dimension that a forward pass is called with.
  Expr dim(const std::string& name, std::int64_t min, std::int64_t max);
  void input(const std::string& name, Dtype dtype, Shape shape);
  void output(const std::string& name, Dtype dtype, Shape shape);
  /// A weight that the caller gives; its extents are constants.
  void weight(const std::string& name, Dtype dtype, Shape shape, bool optional = false);
  /// A tensor computed once from the weights.
  void prepared(const std::string& name, Dtype dtype, Shape shape);
  /// Copies a weight into a prepared tensor; where an optional weight is absent, zeros.
  void pack(const std::string& weight, const std::string& prepared, std::int64_t offset);
  /// An intermediate of the forward pass.
  void buffer(const std::string& name, Dtype dtype, Shape shape);
  /// Launches a kernel of the given family; `fields` are its spec fields.
  void step(const std::string& role, const std::string& family, const nlohmann::json& fields,
            std::map<std::string, Expr> dims, std::map<std::string, Binding> args);

  const std::vector<PlannedKernel>& kernels() const { return kernels_; }
  /// The parts of the plan that do not depend on the target.
  nlohmann::json interface() const;
  /// What `targets` holds for this target (docs/manifest.md, "Plan").
  nlohmann::json target_plan() const;

 private:
  struct Named {
    std::string name;
    Dtype dtype;
    Shape shape;
    bool optional = false;
  };
  struct Pack {
    std::string weight, prepared;
    std::int64_t offset, count;
    bool optional;
  };
  struct DimRange {
    std::string name;
    std::int64_t min, max;
  };
  void declare(std::vector<Named>& list, Named value);
  nlohmann::json buffers() const;
  nlohmann::json steps() const;

  std::string block_;
  std::vector<DimRange> dims_;
  std::vector<Named> inputs_, outputs_, weights_, prepared_, buffers_;
  std::vector<Pack> packs_;
  std::vector<Step> steps_;
  std::vector<PlannedKernel> kernels_;
  std::map<std::string, const char*> names_;
};

/// The base of every block template.
class Block : public spec::Declared {
 public:
  virtual void plan(PlanBuilder& p, const ptx::Target& target) const = 0;
};

struct BlockFamily {
  std::string name;
  std::string doc;
  std::function<std::unique_ptr<Block>()> make;
};
const std::vector<BlockFamily>& block_families();
const BlockFamily* find_block_family(const std::string& name);

struct BlockRegistration {
  explicit BlockRegistration(BlockFamily family);
};

/// Registers a block class: PTXMILL_BLOCK(Encoder, "encoder", "A transformer encoder layer.")
#define PTXMILL_BLOCK(Class, family, doc)                            \
  static const ::ptxmill::kernels::BlockRegistration block_##Class { \
    {                                                                \
      family, doc, [] { return std::make_unique<Class>(); }          \
    }                                                                \
  }

}  // namespace ptxmill::kernels
