// gemm on Hopper's tensor cores. CTAs stay on their multiprocessor and walk over tiles of the
// result. Two warps copy panels of a and w, 128 bytes of k wide, into a ring by tensor copies, each
// those of one operand; warpgroups multiply them, each its 64 rows, and store their part of the
// tile while the copies for the next one run. The method is that of CUTLASS's warp-specialised
// kernels (NVIDIA, "Efficient GEMM in CUDA"). A row's result depends on m only through the choice
// of the tile.
#include "templates/gemm_wgmma.hpp"

#include "generator/ptx/descriptor.hpp"
#include "templates/lib/cluster.hpp"
#include "templates/lib/cluster_sum.hpp"
#include "templates/lib/column_store.hpp"
#include "templates/lib/ring.hpp"
#include "templates/lib/tile_store.hpp"
#include "templates/lib/tile_walk.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::SharedTile;
using Side = RingCursor::Side;

constexpr int warpgroup = 128, warp = 32;
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

/// The sums of a warpgroup, for each of its blocks of 64 rows.
using Sums = std::vector<std::vector<Var<ptx::f32>>>;

/// One kernel: what its phases share.
class Body {
 public:
  Body(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem);
  void emit();

 private:
  /// One of this CTA's tiles.
  struct Tile {
    U32 row, col;
    U32 next;  ///< the number of the CTA's next tile
  };
  void set_up();
  void copy_tiles();
  void copy_operand(const std::string& name, const Tensor& operand);
  void copy_stage(const Tensor& operand, const U32& at, const Tile& tile);
  void copy_columns(const U32& stage, const U32& at, const U32& col, const ptx::Mbarrier& full);
  void compute_tiles();
  void multiply(Sums& sums, const U32& first_row, const std::function<void()>& started);
  void multiply_stage(const Sums& sums, const std::vector<ptx::Descriptors>& a,
                      const ptx::Descriptors& w, const Pred& adds);
  void release(const In<ptx::u32>& stage, const Pred& by);
  /// Runs the body for each of this CTA's tiles; where `turn` is given, only for those of the
  /// warpgroup whose turn it is.
  void each_tile(const std::string& name, const std::optional<U32>& turn,
                 const std::function<void(const Tile&)>& body);
  void finish(Sums& sums, const U32& row, const U32& col, const U32& consumer);
  /// Whether results wait in registers for the next tile's stages. Warpgroups that share a tile end
  /// it together, and nobody would multiply while both store it.
  bool keeps() const {
    return store_ && !tile_.alternates && tile_.blocks == 1 && tile_.split == 1 &&
           store_->can_keep();
  }
  void begin_turns(const U32& consumer);
  void take_turn(const U32& consumer);
  void hand_over(const U32& consumer, const U32& next);
  /// What the tile's rows are of, and its columns.
  const Tensor& rows_of() const { return tile_.swaps ? problem_.w : problem_.a; }
  const Tensor& cols_of() const { return tile_.swaps ? problem_.a : problem_.w; }
  StoredTensors stored() const {
    return {problem_.out,      problem_.bias, problem_.residual,
            problem_.epilogue, problem_.m,    problem_.n};
  }
  void finish_swapped(std::vector<Var<ptx::f32>>& sums, const U32& row, const U32& col,
                      const U32& consumer);
  Extent k_tiles() const { return ceil_div(k_.dim(problem_.k), depth_); }
  /// The stages of k that this CTA has of its tiles: where they begin, where they end.
  std::pair<Extent, Extent> own_k_tiles(const std::string& name) const;

  Emitter& k_;
  const WgmmaTile& tile_;
  const WgmmaProblem& problem_;
  int depth_;  ///< elements of k in a stage
  U32 thread_, warpgroup_;
  std::optional<U32> cluster_rank_;
  std::optional<ClusterSum> shared_sum_;
  SharedTile<ptx::b8> rows_, cols_;
  std::optional<TileStore> store_;
  Ring ring_;
  TileWalk walk_;
  // The present warpgroup's place in the ring.
  std::optional<RingCursor> cursor_;
};

Body::Body(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem)
    : k_(k),
      tile_(tile),
      problem_(problem),
      depth_(wgmma_stage_bytes / spec::size_bytes(problem.a.dtype())),
      thread_(k.let("thread", k.tid_x())),
      warpgroup_(k.let("warpgroup", k.shfl_sync_idx(thread_ / warpgroup, 0))),
      rows_(k, rows_of().name() + "_ring", tile.rows(), wgmma_stage_bytes, tile.stages),
      cols_(k, cols_of().name() + "_ring", tile.cols, wgmma_stage_bytes, tile.stages),
      ring_(k, tile.stages, 2,
            tile.cluster * (tile.alternates ? 1 : tile.consumers) * warpgroup / warp),
      walk_(k, k.dim(tile.swaps ? problem.n : problem.m), k.dim(tile.swaps ? problem.m : problem.n),
            tile.rows() * tile.cluster, tile.cols, group_rows / tile.cluster) {
  if (!tile.swaps) store_.emplace(k, stored(), tile.consumers, tile.cols, tile.blocks);
  if (tile.ctas_in_cluster() > 1) cluster_rank_ = k.let("cluster_rank", k.cluster_ctarank());
  if (tile.split > 1)
    shared_sum_.emplace(k, tile.split, tile.consumers, tile.cols / 2,
                        store_ ? store_->panel_sums() : column_store_sums);
}

void Body::set_up() {
  k_.if_("first_thread", thread_ == 0, [&] {
    k_.phase("set the barriers up", [&] {
      for (const Tensor* t : {&problem_.a, &problem_.w}) k_.prefetch_tensormap(k_.map(*t));
      if (store_) k_.prefetch_tensormap(k_.map(problem_.out));
      ring_.init();
      if (shared_sum_) shared_sum_->init();
      k_.fence_mbarrier_init();
    });
  });
  begin_together(k_, cluster_rank_.has_value());
}

void Body::each_tile(const std::string& name, const std::optional<U32>& turn,
                     const std::function<void(const Tile&)>& body) {
  const bool clustered = tile_.ctas_in_cluster() > 1;
  const U32 stride = k_.let(name + "_stride", clustered ? k_.nclusterid_x() : k_.nctaid_x());
  const U32 own = clustered ? k_.clusterid_x() : k_.ctaid_x();
  const U32 first = k_.let(name + "_first", turn ? k_.mad_lo(*turn, stride, own) : own);
  const U32 step = turn ? k_.let(name + "_step", stride * tile_.consumers) : stride;
  k_.for_range(name, first, walk_.count(), step, [&](const U32& tile) {
    const auto [row, col] = walk_.place(name, tile);
    const U32 next = k_.let(name + "_next", tile + stride);
    if (tile_.cluster == 1) return body({row, col, next});
    body({k_.let(name + "_own_row", k_.mad_lo(*cluster_rank_, tile_.rows(), row)), col, next});
  });
}

std::pair<Extent, Extent> Body::own_k_tiles(const std::string& name) const {
  if (tile_.split == 1) return {0, k_tiles()};
  const Extent all = k_tiles(), rank(*cluster_rank_);
  return {k_.let(name + "_first", rank * all / tile_.split),
          k_.let(name + "_end", (rank + 1) * all / tile_.split)};
}

// ---- the copying warps

/// A box; in a cluster each CTA copies its share of the columns for all.
void Body::copy_columns(const U32& stage, const U32& at, const U32& col,
                        const ptx::Mbarrier& full) {
  if (tile_.cluster == 1) return k_.tma_load(cols_.tile(stage), k_.map(cols_of()), {at, col}, full);
  const int share = tile_.cols / tile_.cluster;
  const U32 first = *cluster_rank_ * share;
  const U32 bytes = first * wgmma_stage_bytes;
  const auto to = cols_.tile(stage) + bytes;
  k_.tma_multicast(to, k_.map(cols_of()), {at, col + first}, full, (1 << tile_.cluster) - 1);
}

void Body::copy_stage(const Tensor& operand, const U32& at, const Tile& tile) {
  const bool has_rows = &operand == &rows_of();
  const U32 stage = cursor_->stage();
  const ptx::Mbarrier full = ring_.full(stage);
  k_.wait("stage_free_of_" + operand.name(), ring_.free(stage), cursor_->parity());
  k_.mbarrier_arrive_expect_tx(full, (has_rows ? tile_.rows() : tile_.cols) * wgmma_stage_bytes);
  if (has_rows) return k_.tma_load(rows_.tile(stage), k_.map(operand), {at, tile.row}, full);
  copy_columns(stage, at, tile.col, full);
}

/// By one thread. Weights that are resident need not wait for the launch before this one.
void Body::copy_operand(const std::string& name, const Tensor& operand) {
  if (&operand != &problem_.w || !problem_.weights_are_resident) k_.griddepcontrol_wait();
  cursor_.emplace(k_, name, ring_, Side::producer, Level::thread);
  const auto own = own_k_tiles(name + "_k");
  each_tile(name + "_tile", {}, [&](const Tile& tile) {
    k_.for_range(name + "_k", own.first, own.second, 1, [&](const U32& k_tile) {
      k_.phase("copy a stage of " + operand.name(), [&] {
        copy_stage(operand, k_tile * depth_, tile);
        cursor_->advance();
      });
    });
  });
  cursor_.reset();
}

void Body::copy_tiles() {
  k_.phase("copy tiles into the ring", [&] {
    const U32 warp_index = k_.shfl_sync_idx(thread_ / warp, 0);
    for (const Tensor* operand : {&problem_.w, &problem_.a}) {
      const std::string name = "copied_" + operand->name();
      k_.if_(name + "_warp", warp_index == (operand == &problem_.w ? 0u : 1u), [&] {
        k_.if_(name + "_lane", k_.elect_sync(), [&] { copy_operand(name, *operand); });
        k_.bar_warp_sync();
      });
    }
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

/// One stage's products, committed as a group.
void Body::multiply_stage(const Sums& sums, const std::vector<ptx::Descriptors>& a,
                          const ptx::Descriptors& w, const Pred& adds) {
  const ptx::WgmmaType type = type_of(problem_.a.dtype());
  const U32 stage = cursor_->stage();
  k_.wait("stage_full", ring_.full(stage), cursor_->parity());
  std::vector<U32> a_tiles;
  for (const ptx::Descriptors& block : a) a_tiles.push_back(block.tile(stage));
  const U32 w_tile = w.tile(stage);
  k_.wgmma_fence();
  for (int step : unroll(wgmma_stage_bytes / step_bytes)) {
    const U64 w_step = w.step(w_tile, step);
    for (std::size_t block = 0; block < a.size(); ++block) {
      const U64 a_step = a[block].step(a_tiles[block], step);
      if (step == 0)
        k_.wgmma(type, sums[block], a_step, w_step, adds);
      else
        k_.wgmma(type, sums[block], a_step, w_step, true);
    }
  }
  k_.wgmma_commit_group();
}

/// The sums over k of the warpgroup's rows, which begin at `first_row` of the tile. A stage is
/// released once the products after it have been started; `started` follows the last of them.
void Body::multiply(Sums& sums, const U32& first_row, const std::function<void()>& started) {
  std::vector<ptx::Descriptors> a;
  for (int block : unroll(tile_.blocks))
    a.emplace_back(k_, "rows" + std::to_string(block), rows_, first_row + block * ptx::wgmma_m);
  const ptx::Descriptors w(k_, "cols", cols_, 0);
  const Pred releases = k_.let("releases", k_.laneid() < static_cast<std::uint32_t>(tile_.cluster));
  if (tile_.split > 1)
    // A short k leaves CTAs without a part of it.
    for (auto& block : sums)
      for (Var<ptx::f32>& sum : block) sum = 0.f;
  Var<ptx::u32> last = k_.var<ptx::u32>("last_stage", 0, Level::warpgroup);
  const auto own = own_k_tiles("k_tile");
  k_.for_range("k_tile", own.first, own.second, 1, [&](const U32& k_tile) {
    const Pred adds = k_.let("adds", k_tile > own.first.in());
    k_.phase("multiply a stage", [&] { multiply_stage(sums, a, w, adds); });
    if (keeps()) store_->store_kept_beside(k_tile);
    k_.phase("release the stage before", [&] {
      k_.wgmma_wait_group(1);
      release(last, releases && adds);
      last = cursor_->stage();
      cursor_->advance();
    });
  });
  started();
  k_.phase("release the last stage", [&] {
    k_.wgmma_wait_group(0);
    release(last, releases);
  });
  if (keeps()) store_->store_kept_beyond(k_tiles());
}

// Warpgroups that alternate: a barrier for each says that its turn has come. It also keeps a
// warpgroup from waiting for a stage while others have phases of that stage's mbarrier to go, which
// the parity could not tell apart.

constexpr int first_turn_barrier = 8;

void Body::begin_turns(const U32& consumer) {
  k_.phase("give the first warpgroup its turn", [&] {
    cursor_->skip(k_tiles() * Extent(consumer));
    k_.if_("last_consumer", consumer == static_cast<std::uint32_t>(tile_.consumers - 1),
           [&] { k_.bar_arrive(first_turn_barrier, 2 * warpgroup); });
  });
}

void Body::take_turn(const U32& consumer) {
  k_.phase("wait for the turn",
           [&] { k_.bar_sync_at(consumer + first_turn_barrier, 2 * warpgroup); });
}

/// Past the stages of the others' tiles, which the next warpgroup may now begin with.
void Body::hand_over(const U32& consumer, const U32& next) {
  k_.phase("hand over", [&] {
    cursor_->skip(k_tiles() * (tile_.consumers - 1));
    const U32 following = consumer + 1;
    const Pred wraps = following == static_cast<std::uint32_t>(tile_.consumers);
    const U32 barrier = k_.selp(0u, following, wraps) + first_turn_barrier;
    k_.if_("another_tile", next < walk_.count().in(),
           [&] { k_.bar_arrive_at(barrier, 2 * warpgroup); });
  });
}

/// Where the rows are of w: the sums of eight columns at a time, which the CTAs of a cluster share.
void Body::finish_swapped(std::vector<Var<ptx::f32>>& sums, const U32& row, const U32& col,
                          const U32& consumer) {
  const U32 feature = k_.let("stored_feature", row);
  if (shared_sum_) shared_sum_->add(sums, *cluster_rank_, consumer);
  for (int panel : unroll(tile_.cols / 2 / column_store_sums)) {
    const auto store = [&] {
      k_.phase("finish and store columns " + std::to_string(panel),
               [&] { store_columns(k_, stored(), sums, panel, feature, col); });
    };
    if (shared_sum_)
      shared_sum_->if_owner("stored_columns", *cluster_rank_, panel, store);
    else
      store();
  }
}

/// Stores what the warpgroup has of a tile, from `row` on, or keeps it to store it later.
void Body::finish(Sums& sums, const U32& row, const U32& col, const U32& consumer) {
  if (tile_.swaps) return finish_swapped(sums[0], row, col, consumer);
  const U32 first = k_.let("stored_row", row);
  if (keeps()) return store_->keep(sums[0], first, col);
  if (!shared_sum_) return store_->store(sums, first, col, {});
  shared_sum_->add(sums[0], *cluster_rank_, consumer);
  store_->store(sums, first, col, [&](int panel, const std::function<void()>& body) {
    shared_sum_->if_owner("stored_panel", *cluster_rank_, panel, body);
  });
}

void Body::compute_tiles() {
  k_.phase("compute tiles", [&] {
    cursor_.emplace(k_, "use", ring_, Side::consumer, Level::warpgroup);
    const U32 consumer = k_.let("consumer", warpgroup_ - 1);
    const U32 first_row = k_.let(
        "first_row", tile_.alternates ? k_.constant<ptx::u32>(0) : consumer * tile_.blocks * 64);
    Sums sums;
    for (int block : unroll(tile_.blocks))
      sums.push_back(k_.array<ptx::f32>("sum" + std::to_string(block) + "_", tile_.cols / 2));
    const auto turn = tile_.alternates ? std::optional(consumer) : std::nullopt;
    if (turn) begin_turns(consumer);
    if (store_) store_->begin(consumer);
    if (keeps()) store_->begin_keeping();
    k_.griddepcontrol_wait();
    each_tile("tile", turn, [&](const Tile& tile) {
      if (turn) take_turn(consumer);
      multiply(sums, first_row, [&] {
        if (turn) hand_over(consumer, tile.next);
        if (store_) store_->fetch_bias(tile.col);
      });
      finish(sums, tile.row + first_row, tile.col, consumer);
    });
    if (keeps()) store_->store_kept();
    if (store_) store_->drain();
    cursor_.reset();
  });
}

void Body::emit() {
  set_up();
  k_.griddepcontrol_launch_dependents();
  const bool divides_registers = tile_.cols * tile_.blocks > 128;
  constexpr int copying = 40, computing = 232;
  k_.roles(warpgroup_, {{"copies", 1, divides_registers ? copying : 0, [&] { copy_tiles(); }},
                        {"computes", tile_.consumers, divides_registers ? computing : 0,
                         [&] { compute_tiles(); }}});
  end_together(k_, cluster_rank_.has_value());
}

}  // namespace

void emit_wgmma_gemm(Emitter& k, const WgmmaProblem& problem, const WgmmaTile& tile) {
  Body(k, tile, problem).emit();
}

}  // namespace ptxmill::kernels
