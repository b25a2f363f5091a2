#include "templates/lib/stream_store.hpp"

#include "templates/lib/access.hpp"

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

/// Adds up the warps' sums, and gives each CTA of the cluster the rows that it stores.
void share(Emitter& k, const StreamTile& tile, const StreamPlace& at, ClusterRows& cluster) {
  constexpr int width = 4;
  const int across = tile.features / width;
  cluster.await_others();
  k.for_range("sent", at.tid, tile.rows * across, tile.threads(), [&](const U32& i) {
    k.phase("add up the warps, send", [&] {
      const U32 row = i / across, col = i % across * width;
      const SharedPtr<ptx::f32> from = at.memory + (row * tile.sums_pitch() + col);
      const auto sums = add_shared(k, from, width, tile.split, tile.sums_of_warp());
      cluster.send(row, col, {sums[0], sums[1], sums[2], sums[3]});
    });
  });
  cluster.receive();
}

}  // namespace

// Parts of k are added in the order of the warps, and then in that of the CTAs.
void store_stream(Emitter& k, const GemmProblem& problem, const StreamTile& tile,
                  const StreamSums& sums, const StreamPlace& at, ClusterRows* cluster) {
  deposit(k, tile, sums, at);
  ResultTile result{.from = at.memory,
                    .rows = tile.rows,
                    .cols = tile.features,
                    .pitch = tile.sums_pitch(),
                    .has_pairs_turned = false,
                    .first_row = at.first_row,
                    .first_col = at.first_feature,
                    .parts = tile.split,
                    .parts_apart = tile.sums_of_warp(),
                    .precision = precision_for(problem.out.dtype())};
  if (cluster == nullptr) {
    const U32 team = k.let("team", at.tid / tile.team_threads());
    const U32 of_team = k.let("team_thread", at.tid % tile.team_threads());
    result.from = k.let("team_sums", at.memory + team * (tile.split * tile.sums_of_warp()));
    return store_result(k, problem, result, of_team, tile.team_threads());
  }
  share(k, tile, at, *cluster);
  result.from = cluster->parts();
  result.rows = cluster->own_rows();
  result.first_row = k.let("own_row", cluster->rank() * cluster->own_rows() + at.first_row);
  result.parts = tile.cluster;
  result.parts_apart = cluster->parts_apart();
  k.if_("has_rows", result.first_row < problem.m,
        [&] { store_result(k, problem, result, at.tid, tile.threads()); });
}

}  // namespace ptxmill::kernels
