// A kernel library's manifest as plain data. docs/manifest.md says what each field means.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/driver/types.hpp"
#include "runtime/dtype.hpp"
#include "runtime/expression.hpp"

namespace ptxmill::rt {

/// The values of a dimension or a scalar that are allowed.
struct Range {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::int64_t multiple_of = 1;

  bool holds(std::int64_t value) const {
    return value >= min && value <= max && (multiple_of == 1 || value % multiple_of == 0);
  }
  /// As `a multiple of 4 from 1 to 64`.
  std::string text() const;
};

enum class ParameterKind {
  in,
  out,
  inout,
  dim,
  scalar,
  device_scalar,
  tensor_map,
  pointer_table,
  workspace,
  bytes,
};
std::string_view name(ParameterKind kind);

/// How a TMA descriptor is made of a tensor.
struct TensorMapRecipe {
  std::string tensor;  ///< the argument that it describes
  ParameterKind direction = ParameterKind::in;
  std::vector<Expression> extents;  ///< innermost first
  std::vector<Expression> strides;  ///< bytes, without the innermost
  std::vector<std::uint32_t> box;
  cu::TensorMapSwizzle swizzle = cu::TensorMapSwizzle::none;
  cu::TensorMapL2Promotion l2_promotion = cu::TensorMapL2Promotion::none;
  cu::TensorMapFill fill = cu::TensorMapFill::zeros;
};

struct ParameterInfo {
  std::string name;
  ParameterKind kind = ParameterKind::in;
  DType dtype = DType::f32;
  std::int64_t align = 1;
  bool optional = false;
  bool zeroed = false;    ///< workspace
  Expression elements;    ///< tensors: least count; pointer_table: count; workspace: bytes
  Range range;            ///< dim and device_scalar
  std::size_t dim = 0;    ///< dim: its position in the kernel's `dims`
  std::int64_t size = 0;  ///< bytes
  std::optional<TensorMapRecipe> map;
};

struct LaunchInfo {
  std::array<Expression, 3> grid;
  std::array<unsigned, 3> block{1, 1, 1};
  std::array<unsigned, 3> cluster{1, 1, 1};
  Expression shared_bytes;
  bool cooperative = false;
  bool programmatic_dependent_launch = false;
};

/// A restriction of one dimension.
struct DimCondition {
  std::size_t dim = 0;  ///< position in the kernel's `dims`
  Range range;
};

struct FormInfo {
  std::string form, file, sha256, entry, target, ptx_version;
  int driver = 0;
  int sm_count = 0;  ///< `requires`; 0 where any number will do
  std::vector<DimCondition> when;
  std::vector<ParameterInfo> params;
  LaunchInfo launch;
};

struct TargetForms {
  std::string target;
  std::vector<FormInfo> forms;
};

/// A spec field's normalised value; a list is of strings.
using Option = std::variant<bool, double, std::string, std::vector<std::string>>;

struct DimInfo {
  std::string name;
  std::int64_t value = 0;
  bool dynamic = false;
};

struct KernelInfo {
  std::string name, template_name;
  std::map<std::string, DType, std::less<>> dtypes;
  std::vector<DimInfo> dims;  ///< by name
  std::map<std::string, Option, std::less<>> options;
  std::vector<TargetForms> targets;

  /// The names that the kernel's expressions may use: its dimensions in order, then `sm_count`.
  std::vector<std::string> variables() const;
};

struct PlanTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<Expression> shape;
};

struct PlanWeight {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  bool optional = false;
};

struct PlanBuffer : PlanTensor {
  std::size_t slot = 0, first = 0, last = 0;
};

/// A value of the plan, from an element on.
struct PlanBinding {
  std::string value;
  Expression offset;
};

struct PlanStep {
  enum class Op { copy, fill_zero, kernel };
  Op op = Op::kernel;
  std::string name;    ///< for traces and messages
  std::string kernel;  ///< kernel
  std::map<std::string, Expression> dims;
  std::map<std::string, PlanBinding> args;
  std::map<std::string, double> scalars;
  std::string from;    ///< copy: a weight
  PlanBinding to;      ///< copy and fill_zero
  Expression count;    ///< fill_zero
  std::string unless;  ///< fill_zero: an optional weight; empty means always
};

struct PlanTarget {
  std::string target;
  std::vector<PlanTensor> prepared;
  std::vector<PlanStep> prepare;
  std::vector<PlanBuffer> buffers;
  std::vector<PlanStep> steps;
};

struct PlanDim {
  std::string name;
  std::int64_t min = 0;
  std::int64_t max = 0;
};

struct PlanInfo {
  std::string name, block;
  std::map<std::string, DType, std::less<>> dtypes;
  std::map<std::string, Option, std::less<>> config;
  std::vector<PlanDim> dims;
  std::vector<PlanTensor> inputs, outputs;
  std::vector<PlanWeight> weights;
  std::vector<PlanTarget> targets;
};

struct Manifest {
  /// Parameters of one form; the driver's own limit is on their bytes.
  static constexpr std::size_t most_parameters = 64;
  static constexpr std::size_t most_tensor_maps = 8;
  static constexpr std::size_t most_dims = 16;

  std::string library, generator_version, digest, spec_digest;
  std::vector<KernelInfo> kernels;  ///< by name
  std::vector<PlanInfo> plans;      ///< by name

  /// Reads and checks a manifest: its own digest first, then every field. `file` is for messages.
  /// Throws `corrupt`, naming the file and either both digests or the JSON pointer of what is
  /// wrong; `incompatible` for a format version that this runtime does not know.
  static Manifest read(std::string_view text, const std::string& file);
};

}  // namespace ptxmill::rt
