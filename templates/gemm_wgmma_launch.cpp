// How gemm on Hopper's tensor cores is launched, and the boxes in which it takes its tensors.
#include "templates/gemm_wgmma.hpp"
#include "templates/lib/tile_store.hpp"

namespace ptxmill::kernels {

Launch wgmma_launch(const WgmmaTile& tile, const WgmmaProblem& problem) {
  const Dim& rows = tile.swaps ? problem.n : problem.m;
  const Dim& cols = tile.swaps ? problem.m : problem.n;
  const Expr clusters =
      ceil_div(rows, std::int64_t{tile.rows()} * tile.cluster) * ceil_div(cols, tile.cols);
  const Expr resident = Expr::dim("sm_count") * tile.ctas_per_sm / tile.cluster;
  // CTAs that share a tile's k have one tile.
  const Expr ctas = tile.split > 1 ? clusters * tile.split : min(clusters, resident) * tile.cluster;
  return {.grid = {ctas, 1, 1},
          .block = {tile.threads(), 1, 1},
          .min_ctas_per_sm = tile.ctas_per_sm,
          .cluster = tile.ctas_in_cluster(),
          .overlaps = true};
}

std::optional<TensorMapShape> wgmma_tensor_map(const WgmmaTile& tile, const WgmmaProblem& problem,
                                               const Tensor& tensor) {
  const int bytes = spec::size_bytes(tensor.dtype());
  const int across = wgmma_stage_bytes / bytes;
  const Expr k_bytes = problem.k * Expr(bytes);
  const int cols = tile.cols / tile.cluster;
  if (&tensor == &problem.a)
    return TensorMapShape{
        {problem.k, problem.m}, {k_bytes}, {across, tile.swaps ? cols : tile.rows()}};
  if (&tensor == &problem.w)
    return TensorMapShape{
        {problem.k, problem.n}, {k_bytes}, {across, tile.swaps ? tile.rows() : cols}};
  if (&tensor == &problem.out && !tile.swaps)
    return out_boxes(problem.epilogue, tensor.dtype(), problem.m, problem.n, ptx::wgmma_m,
                     box_cols(problem.epilogue, tensor.dtype(), tile.own_cols()));
  return {};
}

}  // namespace ptxmill::kernels
