#include "templates/lib/cluster.hpp"

namespace ptxmill::kernels {

void begin_together(Emitter& k, bool clustered) {
  if (!clustered) return k.sync();
  k.bar_warp_sync();
  k.barrier_cluster_arrive_relaxed();
  k.barrier_cluster_wait();
}

void end_together(Emitter& k, bool clustered) {
  if (!clustered) return;
  k.bar_warp_sync();
  k.barrier_cluster_arrive();
  k.barrier_cluster_wait();
}

}  // namespace ptxmill::kernels
