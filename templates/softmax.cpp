// softmax: the exponentials of each row over their sum, or the logarithm of that.
#include <limits>

#include "templates/emitter.hpp"
#include "templates/lib/elementary.hpp"
#include "templates/lib/row.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::f32;

class Softmax final : public Template {
 public:
  DtypeField dtype{*this, "dtype", "element type of both tensors", {Dtype::f32}};
  Dim rows{*this, "rows", "rows of the matrix", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the matrix"};
  Flag log{*this, "log", "the logarithm of the softmax instead", false};
  Integer block{*this,
                "block",
                "threads of a CTA; 0 chooses by the width",
                0,
                {.min = 0, .max = 1024, .multiple_of = 32}};

  Tensor x{*this, "x", Direction::in, dtype, "the input", [this] { return Shape{rows, cols}; }};
  Tensor out{*this,
             "out",
             Direction::out,
             dtype,
             "the result; may be x. A row of nothing but -inf, or with a NaN or +inf, is all NaN",
             [this] {
               return Shape{rows, cols};
             }};

  std::vector<Form> forms() const override { return RowPlan::forms(cols); }
  Launch launch(const Form& form) const override {
    return RowPlan::launch(form, rows, cols, block);
  }
  void emit(Emitter& k, const Form& form) const override;
};

/// A row that stays in registers or shared memory from the load to the store.
class KeptSoftmax {
 public:
  KeptSoftmax(Emitter& k, const Row& row, KeptRow& v, const RowPointer& out)
      : k_(k), row_(row), v_(v), out_(out) {}
  void emit(bool log);

 private:
  Emitter& k_;
  const Row& row_;
  KeptRow& v_;
  RowPointer out_;
};

/// A row too long to keep: one pass finds maximum and sum together, a second reads it again.
class StreamedSoftmax {
 public:
  StreamedSoftmax(Emitter& k, const Row& row, KeptRow& v, const RowPointer& out)
      : k_(k),
        row_(row),
        v_(v),
        out_(out),
        largest_(k.var<f32>("largest", -std::numeric_limits<float>::infinity())),
        // Not -inf, so that a thread that has met nothing else does not compute -inf - -inf.
        reference_(k.var<f32>("reference", std::numeric_limits<float>::lowest())),
        sum_(k, "own_sum") {}
  void emit(bool log);

 private:
  void take(const RowChunk& c);

  Emitter& k_;
  const Row& row_;
  KeptRow& v_;
  RowPointer out_;
  Var<f32> largest_;    ///< of what the thread has met
  Var<f32> reference_;  ///< what its exponents are relative to: at most 2 below `largest_`
  CompensatedSum sum_;  ///< of its exponentials
};

void KeptSoftmax::emit(bool log) {
  const Var<f32> max = row_.max("max", "load the row, find its maximum",
                                [&](const RowChunk& c) { return v_.first(c); });
  const auto power = [&](const F32& value) { return exp_nonpositive(k_, value - max); };
  const Var<f32> sum = row_.sum("sum", "exponentials, and their sum", [&](const RowChunk& c) {
    if (!log) return v_.map(c, power);
    RowChunk::Values terms = v_.again(c);
    for (F32& t : terms) t = power(t);
    return terms;
  });
  const F32 last = log ? k_.let("log_sum", kernels::log(k_, k_.present(sum)))
                       : k_.let("normaliser", k_.rcp_rn(sum));
  row_.each("result", log ? "subtract, store" : "normalise, store", [&](const RowChunk& c) {
    RowChunk::Values y = v_.again(c);
    for (F32& value : y) value = log ? value - max - last : value * last;
    c.store(out_, y);
  });
}

// Moving the reference with every new maximum would multiply the sum, and add a rounding, each
// time. It moves when it is 2 behind: what was summed before then weighs at most e^-2, and so do
// its errors.
void StreamedSoftmax::take(const RowChunk& c) {
  RowChunk::Values terms = v_.first(c);
  const F32 chunk_max = reduce_values(k_, Reduction::max, terms);
  largest_ = k_.max_nan(largest_, chunk_max);
  k_.if_("rescale", chunk_max > reference_ + 2.f, [&] {
    sum_.multiply(exp_nonpositive(k_, reference_ - chunk_max));
    reference_ = In<f32>(chunk_max);
  });
  for (F32& t : terms) t = exp_nonpositive(k_, t - reference_);
  sum_.add(reduce_values(k_, Reduction::sum, c.masked(terms, 0.f)));
}

void StreamedSoftmax::emit(bool log) {
  row_.each("sum", "load, find maximum and sum", [&](const RowChunk& c) { take(c); });
  const Var<f32> max = row_.across_team("max", Reduction::max, k_.present(largest_));
  const F32 own_sum = sum_.total() * exp_nonpositive(k_, reference_ - max);
  const Var<f32> sum = row_.across_team("sum", Reduction::sum, k_.let("scaled_sum", own_sum));
  const F32 last = log ? k_.let("log_sum", kernels::log(k_, k_.present(sum)))
                       : k_.let("normaliser", k_.rcp_rn(sum));
  row_.each("result", log ? "load, subtract, store" : "load, exponentials, normalise, store",
            [&](const RowChunk& c) {
              RowChunk::Values y = v_.again(c);
              for (F32& value : y)
                value = log ? value - max - last : exp_nonpositive(k_, value - max) * last;
              c.store(out_, y);
            });
}

void Softmax::emit(Emitter& k, const Form& form) const {
  const RowPlan plan(form, cols, block, k.recorder.target());
  const Row row(k, plan, k.dim(rows), k.dim(cols));
  KeptRow v(k, row, "v", row.of_matrix("x", k.ptr(x)));
  const RowPointer result = row.of_matrix("out", k.ptr(out));
  if (v.is_kept())
    KeptSoftmax(k, row, v, result).emit(log);
  else
    StreamedSoftmax(k, row, v, result).emit(log);
}

PTXMILL_TEMPLATE(Softmax, "softmax",
                 "exp(x - max) over its sum, along each row; or its logarithm.");

}  // namespace
}  // namespace ptxmill::kernels
