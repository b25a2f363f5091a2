// rms_norm: each row over the root of its mean square, scaled per column.
#include "templates/lib/row_norm.hpp"

namespace ptxmill::kernels {
namespace {

class RmsNorm final : public RowNorm {
 public:
  Tensor out{*this, "out", Direction::out, dtype, "the result; may be x", [this] {
               return Shape{rows, d_model};
             }};

  void emit(Emitter& k, const Form& form) const override;
};

void RmsNorm::emit(Emitter& k, const Form& form) const {
  const RowPlan plan(form, d_model, block, k.recorder.target());
  const Row row(k, plan, k.dim(rows), k.dim(d_model));
  KeptRow v(k, row, "v", row.of_matrix("x", k.ptr(x)));
  const RowPointer scale = row.of_vector("gamma", k.ptr(gamma));
  const RowPointer result = row.of_matrix("out", k.ptr(out));

  const Var<ptx::f32> squares = row.sum("squares", "load the row, sum its squares",
                                        [&](const RowChunk& c) { return squared(v.first(c)); });
  const F32 rstd = reciprocal_root(k, row, squares);

  row.each_last("result", "scale, store", [&](const RowChunk& c) {
    RowChunk::Values y = v.again(c);
    const RowChunk::Values g = c.load(scale);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] * rstd * g[i];
    c.store(result, y);
  });
}

PTXMILL_TEMPLATE(RmsNorm, "rms_norm",
                 "Divides each row by its root mean square and scales it per column "
                 "(Zhang and Sennrich 2019).");

}  // namespace
}  // namespace ptxmill::kernels
