// The barrier of a cluster, and the shared memory of its blocks.
#include "emulator/run/cluster.hpp"

#include <algorithm>
#include <bit>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/order.hpp"

namespace ptxmill::emu {
namespace {

void finding(Grid& grid, WarpState& w, std::uint32_t pc, int lane, std::string_view what) {
  add_finding(grid, text(what, "\n  ", where(grid, pc), "\n  ", who(grid, w, lane)),
              Outcome::launch_failed, Severity::finding);
  w.stop = grid.stopped;
}

/// Lanes that the barrier lets go on.
void pass(Grid& grid, WarpState& w, const Cluster& cluster, LaneMask lanes) {
  w.cluster_passed &= ~lanes;
  if (grid.checked) order_acquisition(w, lanes, cluster.completed);
}

void arrive_at_cluster(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m) {
  Split& s = w.splits[w.current];
  const LaneMask twice = m & (w.cluster_arrived | w.cluster_passed);
  if (twice != 0 && grid.checked) {
    finding(grid, w, s.pc, std::countr_zero(twice),
            "the thread arrives twice at the barrier of the cluster, without a "
            "barrier.cluster.wait between");
    if (w.stop) return;
  }
  const bool releases = static_cast<ClusterAction>(i.aux) == ClusterAction::arrive;
  if (grid.checked && releases)
    cta.cluster->released = joined(cta.cluster->released, order_publication(w, m));
  w.cluster_passed &= ~m;
  w.cluster_arrived |= m;
  ++s.pc;
  recheck_cluster(grid, cta);
}

void wait_for_cluster(Grid& grid, Cta& cta, WarpState& w, LaneMask m) {
  Split& s = w.splits[w.current];
  const LaneMask missing = m & ~(w.cluster_arrived | w.cluster_passed);
  if (missing != 0 && grid.checked) {
    finding(grid, w, s.pc, std::countr_zero(missing),
            "the thread waits for the barrier of the cluster, at which it has not arrived "
            "(barrier.cluster.arrive)");
    if (w.stop) return;
  }
  if ((m & w.cluster_arrived) == 0) {
    pass(grid, w, *cta.cluster, m);
    ++w.splits[w.current].pc;
    return;
  }
  separate(w, m);
  w.splits[w.current].wait = Wait::cluster;
}

/// Whether some thread of the block knows what a lane did in a segment.
bool is_known(Grid& grid, Cta& cta, std::uint32_t segment, int other) {
  for (WarpState& w : cta.warps) {
    for (int l = 0; l < lane_count; ++l)
      if (knows(grid, w, l, segment, other)) return true;
  }
  return false;
}

}  // namespace

bool has_exited(const Cta& cta) {
  return std::all_of(cta.warps.begin(), cta.warps.end(),
                     [](const WarpState& w) { return w.finished(); });
}

void run_cluster_barrier(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m) {
  if (m == 0) {
    ++w.splits[w.current].pc;
    return;
  }
  if (i.imm != 0 && m != w.alive && grid.checked) {
    finding(grid, w, w.splits[w.current].pc, std::countr_zero(m),
            text("barrier divergence: lanes 0x", hex(m, 8),
                 " of the warp execute this barrier instruction, lanes 0x", hex(w.alive & ~m, 8),
                 " do not"));
    if (w.stop) return;
  }
  if (static_cast<ClusterAction>(i.aux) == ClusterAction::wait) {
    wait_for_cluster(grid, cta, w, m);
  } else {
    arrive_at_cluster(grid, cta, w, i, m);
  }
}

void publish_to_cluster(WarpState& w, LaneMask lanes) {
  if (w.cta->cluster == nullptr || !w.checked) return;
  Cluster& cluster = *w.cta->cluster;
  cluster.released = joined(cluster.released, order_publication(w, lanes));
}

void recheck_cluster(Grid& grid, Cta& cta) {
  Cluster& c = *cta.cluster;
  bool any = false;
  for (const Cta* block : c.blocks) {
    for (const WarpState& w : block->warps) {
      if ((w.alive & ~w.cluster_arrived) != 0) return;
      any = any || (w.alive & w.cluster_arrived) != 0;
    }
  }
  if (!any) return;
  c.completed = c.released;
  c.released = nullptr;
  for (Cta* block : c.blocks) {
    for (WarpState& w : block->warps) {
      w.cluster_passed |= w.cluster_arrived;
      w.cluster_arrived = 0;
      for (Split& s : w.splits) {
        if (s.wait != Wait::cluster) continue;
        pass(grid, w, c, s.mask);
        s.wait = Wait::none;
        ++s.pc;
      }
      unite(w);
    }
  }
}

std::uint32_t own_cluster_rank(const Warp& warp) { return warp.cta->rank; }

Fault locate_shared(Warp& warp, std::uint64_t address, Region& region) {
  if (address >> 32 != 0) return Fault::cluster_rank;
  const auto place = static_cast<std::uint32_t>(address >> cluster_rank_shift);
  region = warp.shared;
  if (place == 0) return Fault::none;
  const Cluster* cluster = warp.cta->cluster;
  const std::size_t blocks = cluster == nullptr ? 1 : cluster->blocks.size();
  if (place > blocks) return Fault::cluster_rank;
  region.base = std::uint64_t{place} << cluster_rank_shift;
  Cta* owner = cluster == nullptr ? warp.cta : cluster->blocks[place - 1];
  if (owner == warp.cta) return Fault::none;
  if (has_exited(*owner)) return Fault::cluster_exited;
  region.bytes = owner->shared.data();
  region.written = owner->shared_written.data();
  region.size = owner->shared.size();
  region.shadow = owner->shared_shadow.get();
  region.owner = owner;
  return Fault::none;
}

void note_remote_access(WarpState& w, Cta& owner, std::uint32_t segment, std::uint32_t pc,
                        LaneMask lanes) {
  std::vector<RemoteAccess>& all = owner.cluster->accesses[owner.rank];
  // A warp's accesses of one segment come together.
  const std::size_t recent = std::min<std::size_t>(all.size(), 4 * w.cta->warps.size());
  for (std::size_t k = all.size() - recent; k < all.size(); ++k) {
    if (all[k].segment != segment) continue;
    all[k].lanes |= lanes;
    return;
  }
  all.push_back({segment, pc, lanes});
}

void check_remote_accesses(Grid& grid, Cta& cta) {
  for (const RemoteAccess& a : cta.cluster->accesses[cta.rank]) {
    const Segment s = grid.history()[a.segment];
    for (LaneMask left = a.lanes; left != 0 && !grid.stopped; left &= left - 1) {
      const int lane = std::countr_zero(left);
      if (is_known(grid, cta, a.segment, lane)) continue;
      const auto id = block_of_linear(grid, s.cta);
      add_finding(grid,
                  text("the shared memory of a block may be gone when another block accesses it: ",
                       "nothing orders the access before the exit of block (", cta.id[0], ", ",
                       cta.id[1], ", ", cta.id[2], ")\n  ", where(grid, a.pc), "\n  block (", id[0],
                       ", ", id[1], ", ", id[2], ") warp ", s.warp, " lane ", lane,
                       "\n  a barrier of the cluster between the two would order them"),
                  Outcome::launch_failed, Severity::finding);
      break;
    }
    if (grid.stopped) return;
  }
}

}  // namespace ptxmill::emu
