// A kernel template is one declaration: spec fields, arguments, forms, launch and body. The spec
// reader, the JSON Schema, the .param list, .maxntid, the manifest entry and the runtime's argument
// check all follow from it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "generator/manifest/expression.hpp"
#include "generator/ptx/target.hpp"
#include "generator/spec/field.hpp"

namespace ptxmill::kernels {

using manifest::Expr;
using spec::Choice;
using spec::ChoiceList;
using spec::ChoiceSteps;
using spec::Dim;
using spec::DimRule;
using spec::Dtype;
using spec::DtypeField;
using spec::Flag;
using spec::Integer;
using spec::Number;

class Emitter;
class Template;

enum class Direction : std::uint8_t { in, out, inout };

/// A shape: its extents may be dimensions or expressions over them.
using Shape = std::vector<Expr>;

/// An argument of the kernel. Arguments are passed in the order of their declaration, before the
/// dynamic dimensions.
class Argument {
 public:
  Argument(Template& owner, std::string name, std::string doc, std::function<bool()> present);
  Argument(const Argument&) = delete;
  Argument& operator=(const Argument&) = delete;
  virtual ~Argument() = default;
  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }
  /// Whether the spec's values give the kernel this argument.
  bool present() const { return !present_ || present_(); }

 private:
  std::string name_, doc_;
  std::function<bool()> present_;
};

/// A tensor argument. `shape` is evaluated once the spec's values are known; `least_elements`
/// replaces the product of its extents where the layout is not dense.
class Tensor : public Argument {
 public:
  Tensor(Template& owner, std::string name, Direction direction, const DtypeField& dtype,
         std::string doc, std::function<Shape()> shape, std::function<bool()> present = {});
  Direction direction() const { return direction_; }
  Dtype dtype() const { return dtype_.get(); }
  Shape shape() const { return shape_(); }
  Expr elements() const;

 private:
  Direction direction_;
  const DtypeField& dtype_;
  std::function<Shape()> shape_;
};

/// A 32-bit float given at launch.
class Scalar : public Argument {
 public:
  using Argument::Argument;
};

/// A condition on a dimension under which a form is chosen.
struct When {
  const Dim* dim;
  std::int64_t min = 0;
  std::int64_t max = 0x7fffffff;
  std::int64_t multiple_of = 1;
};

/// One PTX entry of a kernel: the variant for some range of its dimensions.
struct Form {
  std::string name;        ///< part of the file's name where a kernel has several forms
  std::vector<When> when;  ///< all must hold; forms are tried in order
  int vector = 1;          ///< elements of one global access: what tensors must be aligned to
  int variant = 0;         ///< the template's own
};

/// A tensor as copies of boxes see it (docs/manifest.md, "tensor_map"): a matrix of `extents`, the
/// innermost first, of which a copy moves a box.
struct TensorMapShape {
  std::vector<Expr> extents;
  std::vector<Expr> strides;  ///< bytes, without the innermost
  std::vector<int> box;
  int swizzle_bytes = 128;  ///< of a row of the box in shared memory: 32, 64, 128; 0: as it is
};

/// How a form is launched. Extents of the grid are expressions over the dimensions.
struct Launch {
  std::array<Expr, 3> grid{1, 1, 1};
  std::array<int, 3> block{1, 1, 1};
  int min_ctas_per_sm = 0;
  int cluster = 1;  ///< CTAs along x that share their shared memory
  /// Whether it may begin before the launch ahead of it has ended. Such a kernel waits
  /// (griddepcontrol_wait) before it touches what others wrote or read.
  bool overlaps = false;
};

/// The base of every kernel template. A template declares fields and arguments as members.
class Template : public spec::Declared {
 public:
  const std::vector<const Argument*>& arguments() const { return arguments_; }
  /// What the kernel is made for; nothing while a spec is read that several targets share. Set
  /// before the fields are read, so that check() can refuse what the target lacks.
  const std::optional<ptx::Target>& target() const { return target_; }
  void set_target(const ptx::Target& target) { target_ = target; }
  /// The candidates in order of preference; conditions on static dimensions are settled by the
  /// caller.
  virtual std::vector<Form> forms() const { return {Form{}}; }
  virtual Launch launch(const Form& form) const = 0;
  virtual void emit(Emitter& k, const Form& form) const = 0;
  /// Bytes that a tensor's address must be a multiple of.
  virtual int alignment(const Form& form, const Tensor& tensor) const {
    return form.vector * spec::size_bytes(tensor.dtype());
  }
  /// How a form takes a tensor that it copies by boxes; nothing where it takes a pointer.
  virtual std::optional<TensorMapShape> tensor_map(const Form&, const Tensor&) const { return {}; }
  /// What a dimension must be a multiple of, by the spec's values.
  virtual std::int64_t multiple_of(const Dim& dim) const { return dim.rule().multiple_of; }
  /// How a form divides the work, for `ptxmill explain`: what is divided, and into what.
  virtual std::vector<std::pair<std::string, std::string>> division(const Form&,
                                                                    const ptx::Target&) const {
    return {};
  }
  /// The forms that the spec's values leave, each with the conditions that remain.
  std::vector<Form> settled_forms() const;
  /// The largest power of two known to divide a dimension in a form.
  std::int64_t divisor(const Form& form, const Dim& dim) const;

 private:
  friend class Argument;
  std::vector<const Argument*> arguments_;
  std::optional<ptx::Target> target_;
};

/// A family of kernels: its name in specs, what it computes, and how to make one.
struct Family {
  std::string name;
  std::string doc;
  std::function<std::unique_ptr<Template>()> make;
};

/// Every family linked into this generator, sorted by name.
const std::vector<Family>& families();
/// Null where there is none of that name.
const Family* find_family(const std::string& name);

/// Adds a family when the program starts. See PTXMILL_TEMPLATE.
struct Registration {
  explicit Registration(Family family);
};

/// Registers a template class: PTXMILL_TEMPLATE(LayerNorm, "layer_norm", "Normalises each row.")
#define PTXMILL_TEMPLATE(Class, family, doc)                           \
  static const ::ptxmill::kernels::Registration registration_##Class { \
    {                                                                  \
      family, doc, [] { return std::make_unique<Class>(); }            \
    }                                                                  \
  }

}  // namespace ptxmill::kernels
