// A matrix product as the bodies of gemm see it.
#pragma once

#include <optional>
#include <utility>

#include "templates/emitter.hpp"
#include "templates/lib/out_place.hpp"

namespace ptxmill::kernels {

/// What is to be computed, as values of the kernel under construction: out = activation(alpha A W^T
/// + bias) + residual.
struct GemmProblem {
  ElementPtr a, w, out;
  std::optional<ElementPtr> bias, residual;
  Extent m, n, k;
  bool w_is_out_in;  ///< w is [n, k], else [k, n]
  const MatrixEpilogueFields& epilogue;
  int vector;  ///< elements of one access to out, bias and residual
};

/// The first row and column of this CTA's tile. CTAs that follow each other share columns of tiles,
/// so that L2 serves most reads of W.
std::pair<U32, U32> first_of_tile(Emitter& k, const GemmProblem& problem, int rows, int cols);

/// The sums of a part of the result in shared memory, before the epilogue.
struct ResultTile {
  SharedPtr<ptx::f32> from;
  int rows, cols;            ///< of sums
  int pitch;                 ///< elements from one row to the next
  bool has_pairs_turned;     ///< of each pair of columns the second comes first
  U32 first_row, first_col;  ///< in rows of sums
  /// Such tiles, so many floats apart, whose sum is the result's part.
  int parts = 1, parts_apart = 0;
  Precision precision = Precision::full;  ///< of activations
};

/// Applies the epilogue to the part and stores what lies inside the result. All threads of the CTA
/// take part, numbered from `tid`.
void store_result(Emitter& k, const GemmProblem& problem, const ResultTile& tile, const U32& tid,
                  int threads);

}  // namespace ptxmill::kernels
