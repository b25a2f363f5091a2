#include "templates/lib/stream_store.hpp"

namespace ptxmill::kernels {
namespace {

/// Sums meet where the ring was, those of each warp by themselves: a lane has rows 2 (lane % 4) and
/// the next of each eight, of features lane / 4 of each eight.
void deposit(Emitter& k, const StreamTile& tile, const StreamSums& sums, const StreamPlace& at) {
  const int pitch = tile.sums_pitch();
  k.sync();
  k.phase("put the sums into shared memory", [&] {
    const U32 lane = at.tid % 32;
    const U32 corner = lane % 4 * (2 * pitch) + lane / 4;
    const SharedPtr<ptx::f32> own = at.memory + at.tid / 32 * tile.sums_of_warp() + corner;
    for (int i : unroll(static_cast<int>(sums.size())))
      for (int j : unroll(static_cast<int>(sums[i].size())))
        for (int s : unroll(4)) {
          const int row = 8 * j + s % 2, feature = 16 * i + s / 2 * 8;
          k.store(own + (row * pitch + feature), k.present(sums[i][j][s]));
        }
  });
  k.sync();
}

}  // namespace

// Parts of k are added in the order of the warps.
void store_stream(Emitter& k, const GemmProblem& problem, const StreamTile& tile,
                  const StreamSums& sums, const StreamPlace& at) {
  deposit(k, tile, sums, at);
  const U32 team = k.let("team", at.tid / tile.team_threads());
  const U32 of_team = k.let("team_thread", at.tid % tile.team_threads());
  const int apart = tile.split * tile.sums_of_warp();
  const ResultTile result{.from = k.let("team_sums", at.memory + team * apart),
                          .rows = tile.rows,
                          .cols = tile.features,
                          .pitch = tile.sums_pitch(),
                          .has_pairs_turned = false,
                          .first_row = at.first_row,
                          .first_col = at.first_feature,
                          .parts = tile.split,
                          .parts_apart = tile.sums_of_warp(),
                          .precision = precision_for(problem.out.dtype())};
  store_result(k, problem, result, of_team, tile.team_threads());
}

}  // namespace ptxmill::kernels
