// layer_norm: each row less its mean, over its standard deviation, scaled and shifted per column.
#include "templates/lib/row_norm.hpp"

namespace ptxmill::kernels {
namespace {

class LayerNorm final : public RowNorm {
 public:
  Tensor beta{*this,
              "beta",
              Direction::in,
              dtype,
              "the shift of each column",
              [this] { return Shape{d_model}; }};
  Tensor out{*this, "out", Direction::out, dtype, "the result; may be x", [this] {
               return Shape{rows, d_model};
             }};

  void emit(Emitter& k, const Form& form) const override;
};

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
  const F32 mean = k.let("mean", row.average(sum));
  const auto centre = [&](const F32& value) { return value - mean; };
  const Var<ptx::f32> squares =
      row.sum("squares", "centre, sum the squares",
              [&](const RowChunk& c) { return squared(v.map(c, centre)); });
  const F32 rstd = reciprocal_root(k, row, squares);

  row.each_last("result", "scale, shift, store", [&](const RowChunk& c) {
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
