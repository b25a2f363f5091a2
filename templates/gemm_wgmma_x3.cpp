// gemm of f32 on Hopper's tensor cores in three products of tf32. Each operand is a sum of two
// tf32, hi + lo. wgmma takes the upper bits of an f32, so that w's tile as it was copied is its hi;
// a warpgroup of its own writes its lo beside it. The warpgroups that multiply split a in
// registers, from which wgmma takes it: shared memory could not serve both operands' parts as fast
// as they are multiplied.
//
// The tensor cores cut sums toward zero. They therefore add up only the 32 of k of a stage, small
// products first, and the results are added outside them, rounded to nearest. Meanwhile the other
// warpgroup's products run.
#include <algorithm>
#include <array>

#include "generator/ptx/descriptor.hpp"
#include "templates/gemm_wgmma.hpp"
#include "templates/lib/cluster.hpp"
#include "templates/lib/cluster_sum.hpp"
#include "templates/lib/ring.hpp"
#include "templates/lib/tile_store.hpp"
#include "templates/lib/tile_walk.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::B32;
using ptx::SharedTile;
using Side = RingCursor::Side;

constexpr int warpgroup = 128, warp = 32;
/// k of a stage and of one product, and how many products that makes.
constexpr int depth = wgmma_stage_bytes / 4, step_depth = 8, steps = depth / step_depth;
/// Rows of tiles that neighbouring CTAs compute together.
constexpr int group_rows = 16;
/// The bits of an f32 that tf32 has, and half of the last one's worth.
constexpr std::uint32_t kept_bits = 0xffffe000, half_unit = 0x1000;

/// A register of 32 bits as the f32 that it holds.
F32 as_f32(const B32& bits) { return {bits.recorder(), bits.id()}; }

/// A stage's rows of a, in the order of wgmma's steps.
struct Rows {
  std::vector<Var<ptx::b32>> high, low;
};

/// One kernel: what its phases share.
class Body {
 public:
  Body(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem);
  void emit();

 private:
  void set_up();
  struct Tile {
    U32 row, col;
  };
  void each_tile(const std::string& name, const std::function<void(const Tile&)>& body);
  void copy_tiles();
  void copy_operand(const std::string& name, const Tensor& operand);
  void copy_stage(const Tensor& operand, const U32& k_tile, const Tile& tile);
  void split_tiles();
  void split_stage();
  void compute_tiles();
  void multiply();
  void take_rows(int set);
  void issue(const Rows& a);
  void add();
  void release(const Pred& by);
  /// The columns that a warpgroup has.
  int cols() const { return tile_.own_cols(); }
  void store(const Tile& tile, const U32& first_row, const U32& first_col);
  /// The pairs of stages that this CTA has of its tiles: where they begin, where they end. Stages
  /// come in pairs, since of two that follow one another each has registers of its own. Beyond k,
  /// copies bring zeros.
  std::pair<Extent, Extent> own_pairs(const std::string& name) const;
  /// Runs the body for each stage of them.
  void each_stage(const std::string& name, const std::function<void(const U32& k_tile)>& body);

  Emitter& k_;
  const WgmmaTile& tile_;
  const WgmmaProblem& problem_;
  U32 thread_, warpgroup_;
  std::optional<U32> cluster_rank_;
  std::optional<ClusterSum> shared_sum_;
  SharedTile<ptx::b32> a_;
  SharedTile<ptx::b8> w_, w_low_;
  TileStore store_;
  Ring ring_;
  ptx::Mbarrier split_;  ///< for each stage: its w_low is there
  TileWalk walk_;
  // The present warpgroup's place in the ring.
  std::optional<RingCursor> cursor_;
  // The present thread's, where it multiplies.
  std::optional<ptx::TilePlace<ptx::b32>> a_lane_;
  std::optional<Var<ptx::u32>> last_stage_;
  std::optional<U32> consumer_;
  std::vector<Rows> rows_;
  std::optional<ptx::Descriptors> w_tiles_, w_low_tiles_;
  std::vector<Var<ptx::f32>> of_stage_, sums_;
};

Body::Body(Emitter& k, const WgmmaTile& tile, const WgmmaProblem& problem)
    : k_(k),
      tile_(tile),
      problem_(problem),
      thread_(k.let("thread", k.tid_x())),
      warpgroup_(k.let("warpgroup", k.shfl_sync_idx(thread_ / warpgroup, 0))),
      a_(k, "a_ring", tile.rows(), depth, tile.stages),
      w_(k, "w_ring", tile.cols, wgmma_stage_bytes, tile.stages),
      w_low_(k, "w_low_ring", tile.cols, wgmma_stage_bytes, tile.stages),
      store_(k,
             {problem.out, problem.bias, problem.residual, problem.epilogue, problem.m, problem.n},
             tile.consumers, cols()),
      ring_(k, tile.stages, 2, tile.consumers * warpgroup / warp),
      split_(k.shared<ptx::b64>("split", tile.stages, 8)),
      walk_(k, k.dim(problem.m), k.dim(problem.n), tile.rows(), tile.cols, group_rows) {
  if (tile.split == 1) return;
  cluster_rank_ = k.let("cluster_rank", k.cluster_ctarank());
  shared_sum_.emplace(k, tile.split, tile.consumers, cols() / 2, store_.panel_sums());
}

void Body::set_up() {
  k_.if_("first_thread", thread_ == 0, [&] {
    k_.phase("set the barriers up", [&] {
      for (const Tensor* t : {&problem_.a, &problem_.w, &problem_.out})
        k_.prefetch_tensormap(k_.map(*t));
      ring_.init();
      for (int stage : unroll(tile_.stages)) k_.mbarrier_init(split_ + stage, warpgroup / warp);
      if (shared_sum_) shared_sum_->init();
      k_.fence_mbarrier_init();
    });
  });
  begin_together(k_, cluster_rank_.has_value());
}

std::pair<Extent, Extent> Body::own_pairs(const std::string& name) const {
  const Extent all = ceil_div(k_.dim(problem_.k), 2 * depth);
  if (tile_.split == 1) return {0, all};
  const Extent rank(*cluster_rank_);
  return {k_.let(name + "_first", rank * all / tile_.split),
          k_.let(name + "_end", (rank + 1) * all / tile_.split)};
}

void Body::each_stage(const std::string& name, const std::function<void(const U32&)>& body) {
  const auto pairs = own_pairs(name + "_pairs");
  const Extent first = pairs.first * 2, end = pairs.second * 2;
  k_.for_range(name, first.in(), end.in(), 1, body);
}

/// Runs the body for each of this CTA's tiles.
void Body::each_tile(const std::string& name, const std::function<void(const Tile&)>& body) {
  const bool clustered = tile_.split > 1;
  const U32 first = k_.let(name + "_first", clustered ? k_.clusterid_x() : k_.ctaid_x());
  const U32 stride = k_.let(name + "_stride", clustered ? k_.nclusterid_x() : k_.nctaid_x());
  k_.for_range(name, first, walk_.count(), stride, [&](const U32& tile) {
    const auto place = walk_.place(name, tile);
    body({place.first, place.second});
  });
}

// ---- the copying warps, and the warpgroup that splits w

void Body::copy_stage(const Tensor& operand, const U32& k_tile, const Tile& tile) {
  const bool is_a = &operand == &problem_.a;
  const U32 stage = cursor_->stage();
  const ptx::Mbarrier full = ring_.full(stage);
  k_.wait("stage_free_of_" + operand.name(), ring_.free(stage), cursor_->parity());
  k_.mbarrier_arrive_expect_tx(full, (is_a ? tile_.rows() : tile_.cols) * wgmma_stage_bytes);
  const auto to = is_a ? a_.tile(stage).as<ptx::b8>() : w_.tile(stage);
  k_.tma_load(to, k_.map(operand), {k_tile * depth, is_a ? tile.row : tile.col}, full);
}

/// By one thread. Weights that are resident need not wait for the launch before this one.
void Body::copy_operand(const std::string& name, const Tensor& operand) {
  if (&operand != &problem_.w || !problem_.weights_are_resident) k_.griddepcontrol_wait();
  cursor_.emplace(k_, name, ring_, Side::producer, Level::thread);
  each_tile(name + "_tile", [&](const Tile& tile) {
    each_stage(name + "_k", [&](const U32& k_tile) {
      k_.phase("copy a stage of " + operand.name(), [&] {
        copy_stage(operand, k_tile, tile);
        cursor_->advance();
      });
    });
  });
  cursor_.reset();
}

void Body::copy_tiles() {
  for (const Tensor* operand : {&problem_.w, &problem_.a}) {
    const std::string name = "copied_" + operand->name();
    const std::uint32_t thread = operand == &problem_.w ? 0 : warp;
    k_.if_(name + "_thread", thread_ == thread, [&] { copy_operand(name, *operand); });
  }
}

/// What the tensor cores drop of a stage's w: exact in f32. It lies where the swizzle has its
/// element of w.
void Body::split_stage() {
  constexpr int chunk = 4, threads = warpgroup, most = 4;
  const U32 stage = cursor_->stage();
  k_.wait("w_full", ring_.full(stage), cursor_->parity());
  const U32 own = thread_ % threads * chunk;
  const auto from = w_.tile(stage).as<ptx::b32>() + own;
  const auto to = w_low_.tile(stage).as<ptx::f32>() + own;
  const int accesses = tile_.cols * depth / (threads * chunk), batch = std::min(accesses, most);
  for (int first = 0; first < accesses; first += batch) {
    std::vector<std::array<B32, 4>> w;
    for (int i : unroll(batch)) w.push_back(k_.load<4>(from + (first + i) * threads * chunk));
    for (int i : unroll(batch)) {
      std::vector<F32> low;
      for (const B32& x : w[static_cast<std::size_t>(i)])
        low.push_back(as_f32(x) - as_f32(k_.and_(x, kept_bits)));
      k_.store(to + (first + i) * threads * chunk,
               std::array<F32, 4>{low[0], low[1], low[2], low[3]});
    }
  }
  k_.fence_proxy_async();
  k_.bar_warp_sync();
  k_.guard(k_.laneid() == 0u, [&] { k_.mbarrier_arrive(split_ + stage); });
}

void Body::split_tiles() {
  cursor_.emplace(k_, "split", ring_, Side::consumer, Level::warp);
  each_tile("split_tile", [&](const Tile&) {
    each_stage("split_k", [&](const U32&) {
      k_.phase("split a stage of w", [&] {
        split_stage();
        cursor_->advance();
      });
    });
  });
  cursor_.reset();
}

// ---- the multiplying warpgroups

/// The warpgroup's rows of a stage, split: hi is the nearest tf32.
void Body::take_rows(int set) {
  const std::string name = std::to_string(set);
  const U32 stage = cursor_->stage();
  k_.wait("a_full" + name, ring_.full(stage), cursor_->parity());
  const auto from = a_lane_->later(stage);
  std::vector<std::array<B32, 4>> matrices;
  for (int step : unroll(steps)) matrices.push_back(k_.ldmatrix<4>(from.across(2 * step).ptr()));
  Rows& rows = rows_[static_cast<std::size_t>(set)];
  for (std::size_t i = 0; i < rows.high.size(); ++i) {
    const B32& x = matrices[i / 4][i % 4];
    rows.high[i] = k_.as<ptx::b32>(k_.as<ptx::u32>(x) + half_unit);
    rows.low[i] = k_.bit_cast<ptx::b32>(as_f32(x) - as_f32(k_.and_(rows.high[i], kept_bits)));
  }
  k_.wait("w_low_full" + name, split_ + stage, cursor_->parity());
}

/// One stage's products, committed as a group; the small ones come first.
void Body::issue(const Rows& a) {
  const U32 stage = cursor_->stage();
  const U32 w_tile = w_tiles_->tile(stage);
  const U32 w_low_tile = w_low_tiles_->tile(stage);
  std::vector<U64> w, w_low;
  for (int step : unroll(steps)) w.push_back(w_tiles_->step(w_tile, step));
  for (int step : unroll(steps)) w_low.push_back(w_low_tiles_->step(w_low_tile, step));
  bool adds = false;
  const auto products = [&](const std::vector<Var<ptx::b32>>& left, const std::vector<U64>& right) {
    for (std::size_t step = 0; step < right.size(); ++step) {
      std::vector<B32> x;
      for (std::size_t i = 0; i < 4; ++i) x.push_back(k_.present(left[4 * step + i]));
      k_.wgmma_tf32(of_stage_, {x[0], x[1], x[2], x[3]}, right[step], adds);
      adds = true;
    }
  };
  k_.wgmma_fence();
  products(a.low, w);
  products(a.high, w_low);
  products(a.high, w);
  k_.wgmma_commit_group();
}

/// Adds a stage's sums to those of the tile.
void Body::add() {
  k_.wgmma_wait_group(0);
  for (std::size_t i = 0; i < sums_.size(); ++i)
    sums_[i] = k_.present(sums_[i]) + k_.present(of_stage_[i]);
}

/// Tells the copying warps that this warp is done with the stage before the present one, of which
/// each lane has read rows.
void Body::release(const Pred& by) {
  k_.bar_warp_sync();
  const ptx::Mbarrier free = ring_.free(k_.present(*last_stage_));
  k_.guard(by, [&] { k_.mbarrier_arrive(free); });
}

/// The sums over k of the warpgroup's rows.
void Body::multiply() {
  // The first round adds nothing to nothing.
  for (auto* sums : {&sums_, &of_stage_})
    for (Var<ptx::f32>& sum : *sums) sum = 0.f;
  const Pred releases = k_.let("releases", k_.laneid() == 0u);
  const auto own = own_pairs("k_pair");
  k_.for_range("k_pair", own.first, own.second, 1, [&](const U32& pair) {
    const Pred follows = k_.let("follows", releases && pair > own.first.in());
    for (int set : unroll(2)) {
      const std::string name = ", stage " + std::to_string(set) + " of a pair";
      k_.phase("take the rows of a" + name, [&] { take_rows(set); });
      k_.phase("add up the stage before" + name, [&] {
        add();
        release(set == 0 ? follows : releases);
      });
      k_.phase("multiply" + name, [&] {
        issue(rows_[static_cast<std::size_t>(set)]);
        *last_stage_ = cursor_->stage();
        cursor_->advance();
      });
    }
  });
  k_.phase("add up the last stage", [&] {
    add();
    release(releases);
  });
}

void Body::store(const Tile& tile, const U32& first_row, const U32& first_col) {
  const U32 row = k_.let("stored_row", tile.row + first_row);
  const U32 col = k_.let("stored_col", tile.col + first_col);
  if (!shared_sum_) return store_.store({&sums_, 1}, row, col, {});
  shared_sum_->add(sums_, *cluster_rank_, *consumer_);
  store_.store({&sums_, 1}, row, col, [&](int panel, const std::function<void()>& body) {
    shared_sum_->if_owner("stored_panel", *cluster_rank_, panel, body);
  });
}

void Body::compute_tiles() {
  cursor_.emplace(k_, "use", ring_, Side::consumer, Level::warpgroup);
  consumer_ = k_.let("consumer", warpgroup_ - 2);
  const U32 first_row =
      k_.let("first_row", tile_.across ? k_.constant<ptx::u32>(0) : *consumer_ * ptx::wgmma_m);
  const U32 first_col =
      k_.let("first_col", tile_.across ? *consumer_ * cols() : k_.constant<ptx::u32>(0));
  const U32 lane = k_.laneid();
  const U32 own_row = first_row + thread_ % warpgroup / warp * 16 + lane % 16;
  a_lane_ = a_.place(own_row, lane / 16, 2).named(k_, "a_lane");
  last_stage_.emplace(k_.var<ptx::u32>("last_stage", 0, Level::warpgroup));
  for (int set : unroll(2)) {
    const std::string name = "a" + std::to_string(set);
    rows_.push_back({});
    rows_.back().high = k_.array<ptx::b32>(name + "_high", 4 * steps);
    rows_.back().low = k_.array<ptx::b32>(name + "_low", 4 * steps);
  }
  of_stage_ = k_.array<ptx::f32>("part", cols() / 2);
  sums_ = k_.array<ptx::f32>("sum", cols() / 2);
  w_tiles_.emplace(k_, "w_tiles", w_, first_col);
  w_low_tiles_.emplace(k_, "w_low_tiles", w_low_, first_col);
  store_.begin(*consumer_);
  k_.griddepcontrol_wait();
  each_tile("tile", [&](const Tile& tile) {
    multiply();
    store(tile, first_row, first_col);
  });
  store_.drain();
  cursor_.reset();
  last_stage_.reset();
}

void Body::emit() {
  set_up();
  k_.griddepcontrol_launch_dependents();
  const auto phase = [&](const char* name, void (Body::*body)()) {
    return [=, this] { k_.phase(name, [=, this] { (this->*body)(); }); };
  };
  k_.roles(warpgroup_,
           {{"copies", 1, 24, phase("copy tiles into the ring", &Body::copy_tiles)},
            {"splits", 1, 40, phase("split w", &Body::split_tiles)},
            {"computes", tile_.consumers, 224, phase("compute tiles", &Body::compute_tiles)}});
  end_together(k_, cluster_rank_.has_value());
}

}  // namespace

void emit_wgmma_x3_gemm(Emitter& k, const WgmmaProblem& problem, const WgmmaTile& tile) {
  Body(k, tile, problem).emit();
}

}  // namespace ptxmill::kernels
