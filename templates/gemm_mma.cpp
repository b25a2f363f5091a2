// gemm on the tensor cores of sm_80 and later. Each warp multiplies the operands of one step (two
// chunks of k) while it reads those of the next, and copies of later stages are under way
// meanwhile. The products of an element are added in the order of k.
#include "templates/gemm_mma.hpp"

#include "templates/lib/chunk_copy.hpp"

namespace ptxmill::kernels {
namespace {

/// What the phases of one kernel share.
struct Parts {
  MmaStages stages;
  U32 first_row, first_col;
  OperandRing ring;
  ChunkCopy a, w;
  WarpBlock block;
  Var<ptx::u32> slot;  ///< of the ring, with the present stage
  Var<ptx::u32> free;  ///< that the next copies go to
};

Parts parts_of(Emitter& k, const GemmProblem& problem, const MmaTile& tile, MmaMath math) {
  const auto [row, col] = first_of_tile(k, problem, tile.rows, tile.cols);
  const OperandRing ring(k, "ring", tile.rows + tile.cols, tile.chunks * 4, tile.stages);
  const Dtype dtype = problem.a.dtype();
  const MmaStages stages(k, tile, dtype, problem.k);
  const ChunkCopy a(k, stages, {"a", problem.a, problem.m, row, tile.rows, 0}, ring);
  const ChunkCopy w(k, stages, {"w", problem.w, problem.n, col, tile.cols, tile.rows}, ring);
  WarpBlock block(k, tile, math, dtype, stages.tid, ring);
  auto slot = k.var<ptx::u32>("slot", 0);
  auto free = k.var<ptx::u32>("free_slot", tile.stages - 1);
  return {stages, row, col, ring, a, w, std::move(block), std::move(slot), std::move(free)};
}

/// Copies all stages that the ring holds but one, and waits for the first.
void fill_ring(Emitter& k, const Parts& p) {
  const Extent& count = p.stages.count;
  for (int stage : unroll(p.stages.tile.stages - 1)) {
    const auto fetch = [&] {
      k.phase("copy stage " + std::to_string(stage), [&] {
        for (const ChunkCopy* operand : {&p.a, &p.w})
          if (stage == 0)
            operand->copy_first(k);
          else
            operand->copy(k, stage * p.stages.stage_depth, stage, 0, operand->count(), nullptr);
      });
    };
    if (stage == 0 || (count.is_static() && count.get() > stage))
      fetch();
    else if (!count.is_static())
      k.if_("has_stage" + std::to_string(stage), count > stage, fetch);
    k.cp_async_commit_group();
  }
  k.cp_async_wait_group(p.stages.tile.stages - 2);
  k.sync();
}

/// The `part`-th of `parts` shares of the copies of a later stage, where there is one.
void copy_share(Emitter& k, const Parts& p, const U32& ahead, const Pred& follows, int part,
                int parts) {
  k.phase("copy a share of a later stage", [&] {
    const Extent at(ahead * p.stages.stage_depth);
    for (const ChunkCopy* operand : {&p.a, &p.w})
      operand->copy(k, at, p.free, operand->count() * part / parts,
                    operand->count() * (part + 1) / parts, &follows);
  });
}

/// Waits for the next stage, whose first operands can then be read, and gives up the present one.
void turn_to_next_stage(Emitter& k, Parts& p) {
  const int stages = p.stages.tile.stages;
  k.cp_async_commit_group();
  k.cp_async_wait_group(stages - 2);
  k.sync();
  k.phase("turn to the next stage", [&] {
    p.free = p.slot;
    const U32 next = p.slot + 1;
    p.slot = k.selp(next, 0u, next < stages);
  });
}

void multiply_stage(Emitter& k, Parts& p, const U32& stage) {
  const int steps = p.stages.tile.steps();
  const U32 ahead = k.let("stage_ahead", stage + (p.stages.tile.stages - 1));
  const Pred follows = k.let("stage_follows", ahead < p.stages.count);
  for (int step : unroll(steps)) {
    const bool is_last = step == steps - 1;
    if (is_last) turn_to_next_stage(k, p);
    const int next = is_last ? 0 : step + 1;
    // After the last stage what is read here is never used.
    k.phase("read the operands of step " + std::to_string(next),
            [&] { p.block.read(k, next % 2, next, p.slot); });
    if (!is_last) copy_share(k, p, ahead, follows, step, steps - 1);
    k.phase("multiply step " + std::to_string(step), [&] { p.block.multiply(k, step % 2); });
  }
}

/// Puts one piece of the result after another into shared memory, and stores it from there.
void store(Emitter& k, const GemmProblem& problem, const Parts& p) {
  const MmaTile& tile = p.stages.tile;
  const SharedPtr<ptx::f32> copy = p.ring.panel().as<ptx::f32>();
  const auto deposit = [&] {
    k.phase("put the sums into shared memory", [&] { p.block.deposit(k, copy); });
  };
  const auto store_from = [&](const U32& col) {
    store_result(k, problem,
                 {.from = copy,
                  .rows = tile.rows,
                  .cols = tile.piece_cols(),
                  .pitch = tile.result_pitch(),
                  .has_pairs_turned = false,
                  .first_row = p.first_row,
                  .first_col = col},
                 p.stages.tid, tile.threads());
  };
  k.sync();
  if (tile.pieces() == 1) {
    deposit();
    k.sync();
    return store_from(p.first_col);
  }
  const U32 own = k.let("warp_piece", p.block.piece());
  k.for_range("piece", 0, tile.pieces(), 1, [&](const U32& piece) {
    k.if_("piece_is_own", own == piece, deposit);
    k.sync();
    store_from(k.let("piece_col", p.first_col + piece * tile.piece_cols()));
    k.sync();
  });
}

}  // namespace

void emit_mma_gemm(Emitter& k, const GemmProblem& problem, const MmaTile& tile, MmaMath math) {
  Parts p = parts_of(k, problem, tile, math);
  fill_ring(k, p);
  k.phase("read the first operands", [&] { p.block.read(k, 0, 0, 0); });
  k.for_range("stage", 0, p.stages.count, 1,
              [&](const U32& stage) { multiply_stage(k, p, stage); });
  store(k, problem, p);
}

}  // namespace ptxmill::kernels
