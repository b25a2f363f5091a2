// What a matrix product does to its sums before it stores them, shared by gemm and gemv.
#pragma once

#include <vector>

#include "templates/lib/elementary.hpp"

namespace ptxmill::kernels {

/// With the activation silu_multiply, w's rows come in groups of so many: gates, and after them
/// what those multiply. Eight, so that a thread of a tensor core's product has both.
inline constexpr int gate_group = 8;

/// The spec fields of activation(alpha x + bias) + residual.
struct EpilogueFields {
  explicit EpilogueFields(spec::Declared& owner);
  virtual ~EpilogueFields() = default;

  Choice activation;
  Flag bias;
  Flag residual;
  Number alpha;

  /// Whether one element costs tens of instructions, so that a loop over elements should not be
  /// unrolled.
  bool is_costly() const { return !activation.is("none") && !activation.is("relu"); }
  /// Whether a row of w is the gate of another (silu_multiply), so that out has half of n columns.
  bool is_gated() const { return activation.is("silu_multiply"); }
  /// Sums that make an element of out.
  int sums() const { return is_gated() ? 2 : 1; }
  /// The columns of out, of which `n` counts the sums.
  Expr out_cols(const Expr& n) const { return n / Expr(sums()); }
  Extent out_cols(const Extent& n) const { return is_gated() ? n / 2 : n; }
  U32 out_cols(const U32& n) const { return is_gated() ? n / 2 : n; }
  /// Where in a row of sums the first of a column of out stands; the second stands gate_group on.
  U32 sum_of(const U32& out_col) const {
    return is_gated() ? out_col / gate_group * gate_group + out_col : out_col;
  }
  /// The row of w that the `i`-th sum is of where an element's sums follow each other.
  U32 row_of_sum(const U32& i) const {
    if (!is_gated()) return i;
    const U32 gate = sum_of(i / 2);
    return i % 2 * gate_group + gate;
  }
  /// What n is a multiple of.
  virtual std::int64_t n_multiple() const { return is_gated() ? 2 * gate_group : 1; }
  /// Refuses values of `owner`, whose fields these are, that do not fit together.
  virtual void check(const spec::Declared& owner, const Dim& n) const;
};

/// Those of a matrix of rows, which may also be written as attention reads them: each head's rows
/// after another's.
struct MatrixEpilogueFields : EpilogueFields {
  explicit MatrixEpilogueFields(spec::Declared& owner);

  Choice out_layout;
  Integer head_dim;

  /// Whether out is [heads, m, head_dim].
  bool has_heads() const { return out_layout.is("heads"); }
  std::int64_t n_multiple() const override;
  void check(const spec::Declared& owner, const Dim& n) const override;
};

/// activation(alpha sum + bias) + residual for neighbouring elements of one row. `bias` and
/// `residual` are empty where the spec has none. With silu_multiply `sums` and `bias` have the
/// gates, and after them as many of what those multiply. Each operation rounds to f32, but alpha
/// and bias are applied in one fused multiply-add.
std::vector<F32> apply(Emitter& k, const EpilogueFields& fields, const std::vector<F32>& sums,
                       const std::vector<F32>& bias, const std::vector<F32>& residual,
                       Precision precision = Precision::full);

}  // namespace ptxmill::kernels
