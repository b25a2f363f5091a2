// clamp: each element, moved into the range from `low` to `high`.
//
// One class says everything: what a spec may ask for, what a launch takes, how the grid follows
// from the dimensions, and the body. The name is registered at the end.
#include "templates/emitter.hpp"

namespace {

using namespace ptxmill::kernels;

class Clamp final : public Template {
 public:
  // What a spec entry may hold. A dimension that the spec leaves out is given at launch.
  DtypeField dtype{*this, "dtype", "element type of both tensors", {Dtype::f32}};
  Dim count{*this, "count", "elements", {.min = 0, .dynamic_by_default = true}};
  Integer block{
      *this, "block", "threads of a CTA", 256, {.min = 32, .max = 1024, .multiple_of = 32}};

  // What a launch takes, in this order; the dynamic dimensions are given by name.
  Tensor x{*this, "x", Direction::in, dtype, "the input", [this] { return Shape{count}; }};
  Scalar low{*this, "low", "the least result", {}};
  Scalar high{*this, "high", "the largest result", {}};
  Tensor out{
      *this, "out", Direction::out, dtype, "the result; may be x", [this] {
               return Shape{count}; }};

  Launch launch(const Form&) const override {
    return {.grid = {ceil_div(count, block), 1, 1}, .block = {block, 1, 1}};
  }

  // Each call writes one instruction; a phase is a block with its own registers.
  void emit(Emitter& k, const Form&) const override {
    const U32 index = k.let("index", k.fma(k.ctaid_x(), int{block}, k.tid_x()));
    k.exit_if(index >= k.dim(count));
    k.phase("clamp", [&] {
      const F32 value = k.load(k.ptr(x) + index);
      k.store(k.ptr(out) + index, k.min(k.max(value, k.scalar(low)), k.scalar(high)));
    });
  }
};

PTXMILL_TEMPLATE(Clamp, "clamp", "Moves each element into a range.");

}  // namespace
