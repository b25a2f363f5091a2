#include "templates/lib/cluster_rows.hpp"

namespace ptxmill::kernels {

ClusterRows::ClusterRows(Emitter& k, int ctas, int rows, int cols, int pitch)
    : k_(k),
      ctas_(ctas),
      rows_(rows),
      cols_(cols),
      pitch_(pitch),
      rank_(k.let("cluster_rank", k.cluster_ctarank())),
      parts_(k.shared<ptx::f32>("parts", std::int64_t{rows} * pitch)),
      arrived_(k.shared<ptx::b64>("parts_arrived", 1, 8)) {}

void ClusterRows::begin(const U32& tid) {
  k_.if_("first_thread", tid == 0, [&] {
    k_.mbarrier_init(arrived_, 1);
    k_.fence_mbarrier_init();
    k_.mbarrier_arrive_expect_tx(arrived_, rows_ * cols_ * 4);
  });
  k_.bar_warp_sync();
  k_.barrier_cluster_arrive_relaxed();
}

void ClusterRows::await_others() { k_.barrier_cluster_wait(); }

void ClusterRows::send(const U32& row, const U32& col, const std::array<F32, 4>& sums) {
  const U32 owner = row / own_rows(), within = row % own_rows();
  const U32 place = (rank_ * own_rows() + within) * pitch_ + col;
  const U32 start = k_.mov_address(parts_);
  const U32 here = k_.mad_lo(place, 4, start);
  const U32 there = k_.assume_multiple(k_.mapa(here, owner), 16);
  const U32 arrived_here = k_.mov_address(arrived_);
  const U32 arrived_there = k_.assume_multiple(k_.mapa(arrived_here, owner), 8);
  k_.st_async_v4(SharedPtr<ptx::f32>(k_.recorder, parts_.array(), there.id(), 0), sums,
                 arrived_there);
}

void ClusterRows::receive() { k_.wait_cluster("parts_here", arrived_, 0); }

}  // namespace ptxmill::kernels
