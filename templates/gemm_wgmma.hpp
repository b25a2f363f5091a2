// gemm on Hopper's tensor cores: the body of the template for sm_90a.
#pragma once

#include <optional>

#include "templates/emitter.hpp"
#include "templates/lib/out_place.hpp"
#include "templates/lib/wgmma_tile.hpp"

namespace ptxmill::kernels {

/// What the body needs of the declaration.
struct WgmmaProblem {
  const Dim &m, &n, &k;
  const Tensor &a, &w, &bias, &residual, &out;
  const MatrixEpilogueFields& epilogue;
  bool weights_are_resident;  ///< as WeightsField says
};

/// How CTAs walk over the tiles.
Launch wgmma_launch(const WgmmaTile& tile, const WgmmaProblem& problem);
/// The boxes in which a, w and out are copied; nothing for the others.
std::optional<TensorMapShape> wgmma_tensor_map(const WgmmaTile& tile, const WgmmaProblem& problem,
                                               const Tensor& tensor);
/// n and k are multiples of 16 bytes.
void emit_wgmma_gemm(Emitter& k, const WgmmaProblem& problem, const WgmmaTile& tile);
/// The same of f32 in three products of tf32; the tile has consumers that share it, each with one
/// block.
void emit_wgmma_x3_gemm(Emitter& k, const WgmmaProblem& problem, const WgmmaTile& tile);

}  // namespace ptxmill::kernels
