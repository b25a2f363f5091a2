// gemm on the FMA units. The products of an element are added in the order of k, in as many chains
// as the tile has slices.
#include "templates/gemm_simt.hpp"

#include <algorithm>

#include "templates/lib/panel.hpp"

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

/// What the phases of one kernel share.
struct Parts {
  Stages stages;
  U32 first_row, first_col;
  Shared ring;
  Var<ptx::u32> ring_at;  ///< the present stage, in elements from the ring's start
  std::unique_ptr<Panel> a, w;
  Accumulators sums;
};

/// The copy of the tile's result in shared memory: padded, against bank conflicts.
constexpr int result_pitch(const SimtTile& tile) { return tile.cols + 4; }

Parts parts_of(Emitter& k, const GemmProblem& problem, const SimtTile& tile) {
  const auto [row, col] = first_of_tile(k, problem, tile.rows, tile.cols);
  const int elements = std::max(tile.ring_elements(), tile.rows * result_pitch(tile));
  const Shared ring = k.let("ring", k.shared<ptx::f32>("ring", elements));
  Var<ptx::u32> ring_at = k.var<ptx::u32>("ring_at", 0);
  const Stages stages(k, tile, problem.k);
  const PanelSource from_a{"a", problem.a, problem.m, row, tile.rows};
  const PanelSource from_w{"w", problem.w, problem.n, col, tile.cols};
  auto a_panel = row_panel(k, stages, from_a, ring);
  auto w_panel =
      (problem.w_is_out_in ? row_panel : column_panel)(k, stages, from_w, ring + tile.rows);
  Accumulators sums(k, tile, stages.tid, ring);
  return {
      stages,         row, col, ring, std::move(ring_at), std::move(a_panel), std::move(w_panel),
      std::move(sums)};
}

/// Copies as many stages as the ring holds, and waits for the first.
void fill_ring(Emitter& k, Parts& p) {
  const SimtTile& tile = p.stages.tile;
  const Extent& count = p.stages.count;
  for (int stage : unroll(tile.stages)) {
    const auto fetch = [&] {
      k.phase("copy stage " + std::to_string(stage), [&] {
        for (Panel* panel : {p.a.get(), p.w.get()})
          if (stage == 0)
            panel->fetch_first(k);
          else
            panel->fetch(k, stage * tile.depth, stage * tile.stage_elements(), nullptr);
      });
    };
    if (stage == 0 || (count.is_static() && count.get() > stage))
      fetch();
    else if (!count.is_static())
      k.if_("has_stage" + std::to_string(stage), count > stage, fetch);
    k.cp_async_commit_group();
  }
  k.cp_async_wait_group(tile.stages - 1);
  k.sync();
}

/// Frees the present stage, fills it anew, and turns to the next.
void end_stage(Emitter& k, Parts& p, const U32& next) {
  const SimtTile& tile = p.stages.tile;
  k.cp_async_wait_group(tile.stages - 2);
  k.sync();
  const U32 ahead = k.let("stage_ahead", next / tile.slice_depth() + (tile.stages - 1));
  const auto copy_stage = [&](const Pred* when) {
    const U32 at = ahead * tile.depth;
    for (Panel* panel : {p.a.get(), p.w.get()})
      panel->fetch(k, Extent(at), Extent(k.present(p.ring_at)), when);
  };
  if (tile.guards_copies) {
    k.phase("copy a later stage into its place", [&] {
      const Pred follows = ahead < p.stages.count;
      copy_stage(&follows);
    });
  } else {
    k.if_("stage_follows", ahead < p.stages.count,
          [&] { k.phase("copy a later stage into its place", [&] { copy_stage(nullptr); }); });
  }
  k.cp_async_commit_group();
  k.phase("turn to the next stage", [&] {
    const U32 following = p.ring_at + tile.stage_elements();
    p.ring_at = k.selp(following, 0u, following < tile.ring_elements());
    p.sums.turn_to(Extent(k.present(p.ring_at)));
  });
}

void multiply_round(Emitter& k, Parts& p, const U32& at) {
  const SimtTile& tile = p.stages.tile;
  k.phase("multiply", [&] {
    for (int step : unroll(tile.steps - 1)) {
      p.sums.read(k, (step + 1) % 2, step + 1);
      p.sums.multiply(k, step % 2);
    }
  });
  const U32 next = k.let("k_next", at + tile.steps);
  k.phase("go on to the next k", [&] { p.sums.advance(tile.steps); });
  if (tile.steps == tile.slice_depth())
    end_stage(k, p, next);
  else
    k.if_("stage_ends", next % tile.slice_depth() == 0, [&] { end_stage(k, p, next); });
  // In the last round what is read here is never used.
  k.phase("multiply the last step, read the next round's operands", [&] {
    p.sums.read(k, 0, 0);
    p.sums.multiply(k, 1);
  });
  if (tile.chunk > 0) k.if_("chunk_ends", next % tile.chunk == 0, [&] { p.sums.end_chunk(k); });
}

}  // namespace

void emit_simt_gemm(Emitter& k, const GemmProblem& problem, const SimtTile& tile) {
  Parts p = parts_of(k, problem, tile);
  fill_ring(k, p);
  k.phase("read the first operands", [&] {
    p.sums.turn_to(0);
    p.sums.read(k, 0, 0);
  });
  const Extent end = p.stages.count * tile.slice_depth();
  k.for_range("k_at", 0, k.let("k_end", end), tile.steps,
              [&](const U32& at) { multiply_round(k, p, at); });
  p.sums.finish(k);
  p.sums.deposit(k, p.ring, result_pitch(tile));
  const ResultTile result{.from = p.ring,
                          .rows = tile.rows,
                          .cols = tile.cols,
                          .pitch = result_pitch(tile),
                          .has_pairs_turned = true,
                          .first_row = p.first_row,
                          .first_col = p.first_col};
  store_result(k, problem, result, p.stages.tid, tile.threads());
}

}  // namespace ptxmill::kernels
