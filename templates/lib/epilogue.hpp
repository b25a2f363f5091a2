// What a matrix product does to its sums before it stores them, shared by gemm and gemv.
#pragma once

#include <vector>

#include "templates/lib/elementary.hpp"

namespace ptxmill::kernels {

/// The spec fields of activation(alpha x + bias) + residual.
struct EpilogueFields {
  explicit EpilogueFields(spec::Declared& owner);

  Choice activation;
  Flag bias;
  Flag residual;
  Number alpha;

  /// Whether one element costs tens of instructions, so that a loop over elements should not be
  /// unrolled.
  bool is_costly() const { return !activation.is("none") && !activation.is("relu"); }
};

/// activation(alpha sum + bias) + residual for neighbouring elements of one row. `bias` and
/// `residual` are empty where the spec has none. Each operation rounds to f32, but alpha and bias
/// are applied in one fused multiply-add.
std::vector<F32> apply(Emitter& k, const EpilogueFields& fields, std::vector<F32> sums,
                       const std::vector<F32>& bias, const std::vector<F32>& residual,
                       Precision precision = Precision::full);

}  // namespace ptxmill::kernels
