// Sums of a tile of which each CTA of a cluster has computed a part of k: they meet in shared
// memory across the cluster, by asynchronous stores of which an mbarrier there counts the bytes,
// and are added in the order of the CTAs' ranks.
#pragma once

#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// The columns of a warpgroup's 64 rows are cut into panels, which the CTAs of the cluster own in
/// turns. A kernel uses it for one tile.
class ClusterSum {
 public:
  /// `panel` is the count of a panel's accumulators in a thread.
  ClusterSum(Emitter& k, int ctas, int warpgroups, int accumulators, int panel);

  /// By one thread, before anyone adds.
  void init() const;
  /// Sends the panels that others own, and completes the sums of the CTA's own. Every thread of the
  /// warpgroup calls this; `warpgroup` is its number among those that have sums.
  void add(std::vector<Var<ptx::f32>>& sums, const U32& rank, const U32& warpgroup);
  /// Runs the body where this CTA owns the panel.
  void if_owner(const std::string& name, const U32& rank, int panel,
                const std::function<void()>& body) const;

 private:
  int panels() const { return accumulators_ / panel_; }
  int owned() const { return (panels() + ctas_ - 1) / ctas_; }
  int owner(int panel) const { return panel % ctas_; }
  /// The thread's place in the part `slot` of its warpgroup's space, for a panel.
  U32 place(const U32& thread_place, const In<ptx::u32>& slot, int panel) const;
  void send(const std::vector<Var<ptx::f32>>& sums, const U32& rank, const U32& at, int panel);
  void receive(std::vector<Var<ptx::f32>>& sums, const U32& at, int panel);
  void expect(const U32& rank);

  Emitter& k_;
  int ctas_, warpgroups_, accumulators_, panel_;
  SharedPtr<ptx::f32> partial_;
  ptx::Mbarrier arrived_;
};

}  // namespace ptxmill::kernels
