// gemm on Hopper's tensor cores. CTAs stay on their multiprocessor and walk over tiles of the
// result. One warp copies panels of a and w, 128 bytes of k wide, into a ring by tensor copies;
// warpgroups multiply them, each its 64 rows, and store their part of the tile while the copies for
// the next one run. The method is that of CUTLASS's warp-specialised kernels (NVIDIA, "Efficient
// GEMM in CUDA"). A row's result depends on m only through the choice of the tile.
#include "templates/gemm_wgmma.hpp"

#include "generator/ptx/descriptor.hpp"
#include "templates/lib/ring.hpp"
#include "templates/lib/tile_store.hpp"
#include "templates/lib/tile_walk.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::SharedTile;
using Side = RingCursor::Side;

constexpr int warpgroup = 128, warp = 32;
/// Bytes of k in a stage: a row of the swizzled tile.
constexpr int stage_bytes = 128;
/// Bytes of k in one product.
constexpr int step_bytes = 32;
/// Rows of tiles that neighbouring CTAs compute together.
constexpr int group_rows = 16;

ptx::WgmmaType type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f16: return ptx::WgmmaType::f16;
    case Dtype::bf16: return ptx::WgmmaType::bf16;
    default: return ptx::WgmmaType::tf32;
  }
}

/// One kernel: what its phases share.
class Body {
 public:
  Body(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem);
  void emit();

 private:
  void set_up();
  void copy_tiles();
  void copy_stage(const U32& k_tile, const U32& row, const U32& col);
  void compute_tiles();
  void multiply(const std::vector<Var<ptx::f32>>& sums, const U32& consumer);
  void release(const In<ptx::u32>& stage, const Pred& by);
  void wait(const std::string& name, const ptx::Mbarrier& barrier, const U32& parity);
  /// Runs the body for each of this CTA's tiles, with the first row and column.
  void each_tile(const std::string& name, const std::function<void(U32, U32)>& body);
  Extent k_tiles() const { return ceil_div(k_.dim(problem_.k), depth_); }

  Emitter& k_;
  const WgmmaTile& tile_;
  const WgmmaProblem& problem_;
  int depth_;  ///< elements of k in a stage
  U32 thread_, warpgroup_;
  std::optional<U32> cluster_rank_;
  SharedTile<ptx::b8> a_, w_;
  TileStore store_;
  Ring ring_;
  TileWalk walk_;
  // The present warpgroup's place in the ring.
  std::optional<RingCursor> cursor_;
};

Body::Body(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem)
    : k_(k),
      tile_(tile),
      problem_(problem),
      depth_(stage_bytes / spec::size_bytes(problem.a.dtype())),
      thread_(k.let("thread", k.tid_x())),
      warpgroup_(k.let("warpgroup", k.shfl_sync_idx(thread_ / warpgroup, 0))),
      a_(k, "a_ring", tile.rows(), stage_bytes, tile.stages),
      w_(k, "w_ring", tile.cols, stage_bytes, tile.stages),
      store_(k,
             {problem.out, problem.bias, problem.residual, problem.epilogue, problem.m, problem.n},
             tile.consumers, tile.cols),
      ring_(k, tile.stages, tile.cluster * tile.consumers * warpgroup / warp),
      walk_(k, k.dim(problem.m), k.dim(problem.n), tile.rows() * tile.cluster, tile.cols,
            group_rows / tile.cluster) {
  if (tile.cluster > 1) cluster_rank_ = k.let("cluster_rank", k.cluster_ctarank());
}

void Body::set_up() {
  k_.if_("first_thread", thread_ == 0, [&] {
    k_.phase("set the barriers up", [&] {
      for (const Tensor* t : {&problem_.a, &problem_.w, &problem_.out})
        k_.prefetch_tensormap(k_.map(*t));
      ring_.init();
      k_.fence_mbarrier_init();
    });
  });
  if (tile_.cluster > 1) {
    k_.barrier_cluster_arrive();
    k_.barrier_cluster_wait();
  } else {
    k_.sync();
  }
}

void Body::each_tile(const std::string& name, const std::function<void(U32, U32)>& body) {
  const U32 first = tile_.cluster > 1 ? k_.clusterid_x() : k_.ctaid_x();
  const U32 step = tile_.cluster > 1 ? k_.nclusterid_x() : k_.nctaid_x();
  k_.for_range(name, first, walk_.count(), k_.let(name + "_step", step), [&](const U32& tile) {
    const auto [row, col] = walk_.place(name, tile);
    if (tile_.cluster == 1) return body(row, col);
    body(k_.let(name + "_own_row", k_.mad_lo(*cluster_rank_, tile_.rows(), row)), col);
  });
}

void Body::wait(const std::string& name, const ptx::Mbarrier& barrier, const U32& parity) {
  if (tile_.cluster > 1)
    k_.wait_cluster(name, barrier, parity);
  else
    k_.wait(name, barrier, parity);
}

// ---- the copying warp

/// One box of a, and one of w: in a cluster each CTA copies its share of w for all.
void Body::copy_stage(const U32& k_tile, const U32& row, const U32& col) {
  const U32 stage = cursor_->stage();
  const ptx::Mbarrier full = ring_.full(stage);
  wait("stage_free", ring_.free(stage), cursor_->parity());
  k_.mbarrier_arrive_expect_tx(full, (tile_.rows() + tile_.cols) * stage_bytes);
  const U32 at = k_tile * depth_;
  k_.tma_load(a_.tile(stage), k_.map(problem_.a), {at, row}, full);
  if (tile_.cluster == 1) return k_.tma_load(w_.tile(stage), k_.map(problem_.w), {at, col}, full);
  const int share = tile_.cols / tile_.cluster;
  const U32 first = *cluster_rank_ * share;
  const auto to = w_.tile(stage) + first * stage_bytes;
  k_.tma_multicast(to, k_.map(problem_.w), {at, col + first}, full, (1 << tile_.cluster) - 1);
}

void Body::copy_tiles() {
  k_.phase("copy tiles into the ring", [&] {
    const U32 warp_index = k_.shfl_sync_idx(thread_ / warp, 0);
    k_.if_("copying_warp", warp_index == 0, [&] {
      k_.if_("copying_lane", k_.elect_sync(), [&] {
        cursor_.emplace(k_, "copy", ring_, Side::producer, Level::thread);
        each_tile("copied_tile", [&](const U32& row, const U32& col) {
          k_.for_range("copied_k", 0, k_tiles(), 1, [&](const U32& k_tile) {
            k_.phase("copy a stage", [&] {
              copy_stage(k_tile, row, col);
              cursor_->advance();
            });
          });
        });
        cursor_.reset();
      });
      k_.bar_warp_sync();
    });
  });
}

// ---- the multiplying warpgroups

/// Tells the copying warp that this warp is done with a stage: one lane, or in a cluster one for
/// each CTA, whose copies of w go to all.
void Body::release(const In<ptx::u32>& stage, const Pred& by) {
  const ptx::Mbarrier free = ring_.free(stage);
  if (tile_.cluster == 1) return k_.guard(by, [&] { k_.mbarrier_arrive(free); });
  k_.guard(by, [&] {
    const U32 here(k_.recorder, free.base());
    k_.mbarrier_arrive_cluster(k_.assume_multiple(k_.mapa(here, k_.laneid()), 8));
  });
}

/// The sums over k of the warpgroup's rows of the tile. A stage is released once the product after
/// it has been started.
void Body::multiply(const std::vector<Var<ptx::f32>>& sums, const U32& consumer) {
  const ptx::WgmmaType type = type_of(problem_.a.dtype());
  const U32 first_row = consumer * ptx::wgmma_m;
  const ptx::Descriptors a(k_, "a_operand", a_, first_row);
  const ptx::Descriptors w(k_, "w_operand", w_, 0);
  const Pred releases = k_.let("releases", k_.laneid() < static_cast<std::uint32_t>(tile_.cluster));
  Var<ptx::u32> last = k_.var<ptx::u32>("last_stage", 0, Level::warpgroup);
  k_.for_range("k_tile", 0, k_tiles(), 1, [&](const U32& k_tile) {
    k_.phase("multiply a stage", [&] {
      const U32 stage = cursor_->stage();
      wait("stage_full", ring_.full(stage), cursor_->parity());
      const U32 a_tile = a.tile(stage), w_tile = w.tile(stage);
      const Pred adds = k_tile > 0;
      k_.wgmma_fence();
      for (int step : unroll(stage_bytes / step_bytes)) {
        if (step == 0)
          k_.wgmma(type, sums, a.step(a_tile, step), w.step(w_tile, step), adds);
        else
          k_.wgmma(type, sums, a.step(a_tile, step), w.step(w_tile, step), true);
      }
      k_.wgmma_commit_group();
    });
    k_.phase("release the stage before", [&] {
      k_.wgmma_wait_group(1);
      release(last, releases && k_tile > 0);
      last = k_.present(cursor_->stage_variable());
      cursor_->advance();
    });
  });
  k_.phase("release the last stage", [&] {
    k_.wgmma_wait_group(0);
    release(last, releases);
  });
}

void Body::compute_tiles() {
  k_.phase("compute tiles", [&] {
    cursor_.emplace(k_, "use", ring_, Side::consumer, Level::warpgroup);
    const U32 consumer = k_.let("consumer", warpgroup_ - 1);
    const auto sums = k_.array<ptx::f32>("sum", tile_.cols / 2);
    each_tile("tile", [&](const U32& row, const U32& col) {
      multiply(sums, consumer);
      store_.store(sums, row, col, consumer);
    });
    store_.drain();
    cursor_.reset();
  });
}

void Body::emit() {
  set_up();
  const bool divides_registers = tile_.cols > 128;
  const int copying = tile_.consumers == 1 ? 24 : 40, computing = 232;
  k_.roles(warpgroup_, {{"copies", 1, divides_registers ? copying : 0, [&] { copy_tiles(); }},
                        {"computes", tile_.consumers, divides_registers ? computing : 0,
                         [&] { compute_tiles(); }}});
  if (tile_.cluster > 1) {
    // Nobody leaves while another CTA may still write to or arrive at its shared memory.
    k_.barrier_cluster_arrive();
    k_.barrier_cluster_wait();
  }
}

}  // namespace

Launch wgmma_launch(const WgmmaTile& tile, const WgmmaProblem& problem) {
  const Expr clusters = ceil_div(problem.m, std::int64_t{tile.rows()} * tile.cluster) *
                        ceil_div(problem.n, tile.cols);
  const Expr resident = Expr::dim("sm_count") * tile.ctas_per_sm / tile.cluster;
  return {.grid = {min(clusters, resident) * tile.cluster, 1, 1},
          .block = {tile.threads(), 1, 1},
          .min_ctas_per_sm = tile.ctas_per_sm,
          .cluster = tile.cluster};
}

std::optional<TensorMapShape> wgmma_tensor_map(const WgmmaTile& tile, const WgmmaProblem& problem,
                                               const Tensor& tensor) {
  const int bytes = spec::size_bytes(tensor.dtype());
  const int across = stage_bytes / bytes;
  const Expr k_bytes = problem.k * Expr(bytes), n_bytes = problem.n * Expr(bytes);
  if (&tensor == &problem.a)
    return TensorMapShape{{problem.k, problem.m}, {k_bytes}, {across, tile.rows()}};
  if (&tensor == &problem.w)
    return TensorMapShape{{problem.k, problem.n}, {k_bytes}, {across, tile.cols / tile.cluster}};
  if (&tensor == &problem.out)
    return TensorMapShape{{problem.n, problem.m}, {n_bytes}, {across, ptx::wgmma_m}};
  return {};
}

void emit_wgmma(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem) {
  Body(k, tile, problem).emit();
}

}  // namespace ptxmill::kernels
