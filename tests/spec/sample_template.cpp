// A template with a field of every kind, so that the reader's tests do not change with the shipped
// templates. Its specs are read, never generated.
#include "templates/emitter.hpp"

namespace ptxmill::kernels {
namespace {

class Sample final : public Template {
 public:
  DtypeField dtype{*this, "dtype", "element type", {Dtype::f32, Dtype::f16}};
  Dim rows{*this, "rows", "rows of the matrix", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the matrix", {.max = 4096, .multiple_of = 8}};
  Dim taps{*this,
           "taps",
           "taps of the filter",
           {.max = 9, .dynamic_by_default = true, .may_be_dynamic = false}};
  Integer depth{*this, "depth", "stages of the pipeline", {.max = 8}};
  Integer block{
      *this, "block", "threads of a CTA", 128, {.min = 32, .max = 1024, .multiple_of = 32}};
  Number eps{*this, "eps", "added to the variance", 1e-5, 0, 1};
  Flag log{*this, "log", "the logarithm instead", false};
  Choice activation{*this, "activation", "of the result", {"none", "relu", "gelu"}, "none"};
  ChoiceList ops{*this, "ops", "applied in this order", {"add", "scale", "bias"}, 2};

  void check() const override {
    if (cols.is_static() && cols.get() % (8 * depth) != 0)
      refuse(depth, "cols " + std::to_string(cols.get()) + " is not divisible by 8 * depth " +
                        std::to_string(depth));
    if (log && activation.is("gelu")) refuse(log, "a logarithm takes no gelu");
  }
  Launch launch(const Form&) const override { return {}; }
  void emit(Emitter&, const Form&) const override {}
};

PTXMILL_TEMPLATE(Sample, "sample", "A field of every kind, for the reader's tests.");

}  // namespace
}  // namespace ptxmill::kernels
