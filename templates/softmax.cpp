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
  Softmax() { tunable(block); }

  DtypeField dtype{
      *this, "dtype", "element type of both tensors", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  Dim rows{*this, "rows", "rows of the matrix", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the matrix", {.min = 0}};
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

  std::vector<Form> forms() const override { return RowPlan::forms(cols, dtype); }
  Launch launch(const Form& form) const override {
    return RowPlan::launch(form, rows, cols, block);
  }
  void emit(Emitter& k, const Form& form) const override;
  std::vector<std::pair<std::string, std::string>> division(
      const Form& form, const ptx::Target& target) const override {
    return RowPlan(form, cols, block, target).division();
  }
};

class SoftmaxBody {
 public:
  SoftmaxBody(Emitter& k, const Softmax& softmax, const Row& row)
      : k_(k),
        row_(row),
        v_(k, row, "v", row.of_matrix("x", k.ptr(softmax.x))),
        out_(row.of_matrix("out", k.ptr(softmax.out))),
        log_(softmax.log),
        precision_(precision_for(softmax.dtype)) {}
  void emit();

 private:
  void in_three_passes();
  void in_two_passes();
  F32 exponential(const F32& value, const Var<f32>& max) const;
  F32 last_factor(const Var<f32>& sum) const;

  Emitter& k_;
  const Row& row_;
  KeptRow v_;
  RowPointer out_;
  bool log_;
  Precision precision_;
};

/// What every thread has met of a row that streams by, whose exponentials it sums without knowing
/// the maximum yet. Moving their reference with every new maximum would multiply the sum, and add a
/// rounding, each time. It moves when it is 2 behind: what was summed before then weighs at most
/// e^-2, and so do its errors.
class OnlineSum {
 public:
  OnlineSum(Emitter& k, Precision precision)
      : k_(k),
        precision_(precision),
        largest_(k.var<f32>("largest", -std::numeric_limits<float>::infinity())),
        // Not -inf: a thread that has met nothing else must not compute -inf - -inf.
        reference_(k.var<f32>("reference", std::numeric_limits<float>::lowest())),
        sum_(k, "own_sum") {}
  void take(const RowChunk& c, RowChunk::Values terms);
  F32 largest() const { return k_.present(largest_); }
  /// The sum of exp(x - max), where max is at least largest().
  F32 relative_to(const Var<f32>& max) const {
    const F32 factor = exp_nonpositive(k_, reference_ - max, precision_);
    return sum_.total() * factor;
  }

 private:
  Emitter& k_;
  Precision precision_;
  Var<f32> largest_, reference_;
  CompensatedSum sum_;
};

void OnlineSum::take(const RowChunk& c, RowChunk::Values terms) {
  const F32 chunk_max = reduce_values(k_, Reduction::max, terms);
  largest_ = k_.max_nan(largest_, chunk_max);
  k_.if_("rescale", chunk_max > reference_ + 2.f, [&] {
    sum_.multiply(exp_nonpositive(k_, reference_ - chunk_max, precision_));
    reference_ = In<f32>(chunk_max);
  });
  for (F32& t : terms) t = exp_nonpositive(k_, t - reference_, precision_);
  sum_.add(reduce_values(k_, Reduction::sum, c.masked(std::move(terms), 0.f)));
}

F32 SoftmaxBody::exponential(const F32& value, const Var<f32>& max) const {
  return exp_nonpositive(k_, value - max, precision_);
}

/// What the exponentials are multiplied by, or their exponents are less.
F32 SoftmaxBody::last_factor(const Var<f32>& sum) const {
  if (log_) return k_.let("log_sum", log(k_, k_.present(sum)));
  return k_.let("normaliser", k_.rcp_rn(sum));
}

void SoftmaxBody::in_three_passes() {
  const Var<f32> max = row_.max("max", "load the row, find its maximum",
                                [&](const RowChunk& c) { return v_.first(c); });
  const Var<f32> sum = row_.sum("sum", "exponentials, and their sum", [&](const RowChunk& c) {
    const auto power = [&](const F32& value) { return exponential(value, max); };
    if (!log_) return v_.map(c, power);
    RowChunk::Values terms = v_.again(c);
    for (F32& t : terms) t = power(t);
    return terms;
  });
  const F32 last = last_factor(sum);
  row_.each_last("result", log_ ? "subtract, store" : "normalise, store", [&](const RowChunk& c) {
    RowChunk::Values y = v_.again(c);
    for (F32& value : y) value = log_ ? value - max - last : value * last;
    c.store(out_, y);
  });
}

void SoftmaxBody::in_two_passes() {
  OnlineSum online(k_, precision_);
  row_.each("sum", "load, find maximum and sum together",
            [&](const RowChunk& c) { online.take(c, v_.first(c)); });
  const Var<f32> max = row_.across_team("max", Reduction::max, online.largest());
  const F32 own_sum = k_.let("relative_sum", online.relative_to(max));
  const Var<f32> sum = row_.across_team("sum", Reduction::sum, own_sum);
  const F32 last = last_factor(sum);
  row_.each_last("result", log_ ? "load, subtract, store" : "load, exponentials, normalise, store",
                 [&](const RowChunk& c) {
                   RowChunk::Values y = v_.again(c);
                   for (F32& value : y)
                     value = log_ ? value - max - last : exponential(value, max) * last;
                   c.store(out_, y);
                 });
}

void SoftmaxBody::emit() {
  // A row that is read from memory each time is better read twice than three times.
  if (v_.is_kept())
    in_three_passes();
  else
    in_two_passes();
}

void Softmax::emit(Emitter& k, const Form& form) const {
  const RowPlan plan(form, cols, block, k.recorder.target());
  const Row row(k, plan, k.dim(rows), k.dim(cols));
  SoftmaxBody(k, *this, row).emit();
}

PTXMILL_TEMPLATE(Softmax, "softmax",
                 "exp(x - max) over its sum, along each row; or its logarithm.");

}  // namespace
}  // namespace ptxmill::kernels
