// Softmax over scores that arrive piece by piece, for rows that several lanes share.
#pragma once

#include <string>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// The running maximum and sum of softmax rows whose scores come a tile at a time (Milakov and
/// Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm 3). Weights are powers
/// of two of score * scale * log2(e) - maximum: the scale costs no instruction of its own, and the
/// power is the hardware's (2 units in the last place, subnormals are 0). A score of -inf has
/// weight 0; a row of nothing else has sum 0 and a log-sum-exp of -inf. NaN scores make the row
/// NaN.
class OnlineSoftmax {
 public:
  /// What a tile did to one row: the weights of its scores under the new maximum, and the factor
  /// that everything summed under the old one is multiplied by.
  struct Step {
    std::vector<F32> weights;
    F32 rescale;
  };

  /// State for `rows` rows a lane. Lanes whose indices differ in one of the bits `shared_by` hold
  /// the same rows and other columns of them.
  OnlineSoftmax(Emitter& k, int rows, double scale, std::vector<int> shared_by);

  /// Takes the next scores of all rows, scores[row][column]. All lanes of the warp take part.
  std::vector<Step> update(const std::vector<std::vector<Var<ptx::f32>>>& scores);
  /// Adds up the lanes' sums, after the last update and before what follows.
  void finish();
  /// 1 / sum of a row's weights, or 0 where it has none.
  F32 normaliser(int row) const;
  /// The natural logarithm of the sum of exp(score * scale).
  F32 log_sum_exp(int row) const;

 private:
  Emitter& k_;
  double exponent_scale_;  ///< from a score to a power of two
  std::vector<int> shared_by_;
  std::vector<Var<ptx::f32>> maxima_;  ///< scaled
  std::vector<Var<ptx::f32>> sums_;    ///< until finish(), of the lane's own columns
};

}  // namespace ptxmill::kernels
