// layer_norm: each row less its mean, over its standard deviation, scaled and shifted per column.
#include "templates/emitter.hpp"
#include "templates/lib/row.hpp"

namespace ptxmill::kernels {
namespace {

class LayerNorm final : public Template {
 public:
  LayerNorm() { tunable(block); }

  DtypeField dtype{*this, "dtype", "element type of every tensor", {Dtype::f32}};
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
  Tensor beta{*this,
              "beta",
              Direction::in,
              dtype,
              "the shift of each column",
              [this] { return Shape{d_model}; }};
  Tensor out{*this, "out", Direction::out, dtype, "the result; may be x", [this] {
               return Shape{rows, d_model};
             }};

  std::vector<Form> forms() const override { return RowPlan::forms(d_model); }
  Launch launch(const Form& form) const override {
    return RowPlan::launch(form, rows, d_model, block);
  }
  void emit(Emitter& k, const Form& form) const override;
  std::vector<std::pair<std::string, std::string>> division(
      const Form& form, const ptx::Target& target) const override {
    return RowPlan(form, d_model, block, target).division();
  }
};

/// total / d_model.
F32 average(Emitter& k, const Row& row, const Var<ptx::f32>& total) {
  if (row.cols().is_static()) return total / row.cols().get();
  return total / k.cvt_rn<ptx::f32>(row.cols());
}

// The mean first, then the squares of what is left: the variance as the mean of squares less the
// square of the mean would cancel.
void LayerNorm::emit(Emitter& k, const Form& form) const {
  const RowPlan plan(form, d_model, block, k.recorder.target());
  const Row row(k, plan, k.dim(rows), k.dim(d_model));
  KeptRow v(k, row, "v", row.of_matrix("x", k.ptr(x)));
  const RowPointer scale = row.of_vector("gamma", k.ptr(gamma));
  const RowPointer shift = row.of_vector("beta", k.ptr(beta));
  const RowPointer result = row.of_matrix("out", k.ptr(out));

  const Var<ptx::f32> sum =
      row.sum("sum", "load the row, sum it", [&](const RowChunk& c) { return v.first(c); });
  const F32 mean = k.let("mean", average(k, row, sum));
  const auto centre = [&](const F32& value) { return value - mean; };
  const Var<ptx::f32> squares =
      row.sum("squares", "centre, sum the squares", [&](const RowChunk& c) {
        RowChunk::Values terms = v.map(c, centre);
        for (F32& t : terms) t = t * t;
        return terms;
      });
  const F32 variance = average(k, row, squares);
  const F32 rstd = k.let("rstd", k.rcp_rn(k.sqrt_rn(variance + eps.get())));

  row.each("result", "scale, shift, store", [&](const RowChunk& c) {
    RowChunk::Values y = v.again(c);
    const RowChunk::Values g = c.load(scale);
    const RowChunk::Values b = c.load(shift);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const F32 centred = v.is_kept() ? y[i] : centre(y[i]);
      y[i] = k.fma(centred * rstd, g[i], b[i]);
    }
    c.store(result, y);
  });
}

PTXMILL_TEMPLATE(LayerNorm, "layer_norm",
                 "Normalises each row to mean 0 and variance 1, scales and shifts it per column "
                 "(Ba et al. 2016).");

}  // namespace
}  // namespace ptxmill::kernels
