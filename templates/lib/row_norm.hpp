// What the norms share: each row of a matrix is scaled to unit size by its own statistics, then by
// a value of each column.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "templates/emitter.hpp"
#include "templates/lib/row.hpp"

namespace ptxmill::kernels {

/// The base of layer_norm and rms_norm.
class RowNorm : public Template {
 public:
  RowNorm() { tunable(block); }

  DtypeField dtype{
      *this, "dtype", "element type of every tensor", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  Dim rows{*this, "rows", "rows of the matrix", {.min = 0, .dynamic_by_default = true}};
  Dim d_model{*this, "d_model", "columns of the matrix", {.min = 0}};
  Number eps{*this, "eps", "added to the variance", 1e-5, 0, 1};
  Integer block{*this,
                "block",
                "threads of a CTA; 0 chooses by the width",
                0,
                {.min = 0, .max = 1024, .multiple_of = 32}};

  Tensor x{*this, "x", Direction::in, dtype, "the input", [this] { return Shape{rows, d_model}; }};
  Tensor gamma{*this, "gamma", Direction::in, dtype, "the scale of each column", [this] {
                 return Shape{d_model};
               }};

  std::vector<Form> forms() const override { return RowPlan::forms(d_model, dtype); }
  Launch launch(const Form& form) const override {
    return RowPlan::launch(form, rows, d_model, block);
  }
  std::vector<std::pair<std::string, std::string>> division(
      const Form& form, const ptx::Target& target) const override {
    return RowPlan(form, d_model, block, target).division();
  }

 protected:
  /// 1 / sqrt(mean + eps), where `squares` is the sum of what the mean is of.
  F32 reciprocal_root(Emitter& k, const Row& row, const Var<ptx::f32>& squares) const {
    const F32 variance = row.average(squares);
    return k.let("rstd", k.rcp_rn(k.sqrt_rn(variance + eps.get())));
  }
};

/// The squares of what a thread has of a row.
inline RowChunk::Values squared(RowChunk::Values terms) {
  for (F32& t : terms) t = t * t;
  return terms;
}

}  // namespace ptxmill::kernels
