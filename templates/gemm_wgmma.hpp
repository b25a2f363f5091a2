// gemm on Hopper's tensor cores: the body of the template for sm_90a.
#pragma once

#include <optional>

#include "templates/emitter.hpp"
#include "templates/lib/epilogue.hpp"

namespace ptxmill::kernels {

/// How a CTA computes its tiles of the result.
struct WgmmaTile {
  const char* name;
  int cols;        ///< of the tile
  int consumers;   ///< warpgroups that multiply
  int blocks = 1;  ///< of 64 rows that each of them has
  /// Whether the warpgroups take turns, each with a tile of its own, so that one multiplies while
  /// another stores; else they share a tile.
  bool alternates = false;
  int stages = 4;   ///< of 128 bytes of k each
  int cluster = 1;  ///< CTAs below one another that share the copies of w
  int split = 1;    ///< CTAs of a cluster that share a tile's k
  int ctas_per_sm = 1;
  int rows() const { return 64 * blocks * (alternates ? 1 : consumers); }
  int ctas_in_cluster() const { return cluster * split; }
  int threads() const { return 128 * (consumers + 1); }
};

/// What the body needs of the declaration.
struct WgmmaProblem {
  const Dim &m, &n, &k;
  const Tensor &a, &w, &bias, &residual, &out;
  const EpilogueFields& epilogue;
};

Launch wgmma_launch(const WgmmaTile& tile, const WgmmaProblem& problem);
std::optional<TensorMapShape> wgmma_tensor_map(const WgmmaTile& tile, const WgmmaProblem& problem,
                                               const Tensor& tensor);
void emit_wgmma(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem);

}  // namespace ptxmill::kernels
