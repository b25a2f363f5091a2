// Copies that run by themselves, and the barriers in shared memory that say when they are done:
// typed wrappers over the rows for mbarriers, tensor maps and clusters (PTX ISA, "mbarrier", "Data
// Movement and Conversion Instructions: Tensor copy").
#pragma once

#include <string>
#include <vector>

#include "generator/ptx/matrix.hpp"

namespace ptxmill::ptx {

/// A mbarrier, or the first of several, in the kernel's shared memory.
using Mbarrier = SharedPtr<b64>;

/// A tensor map that the kernel has as a parameter.
struct TensorMap {
  std::string symbol;  ///< the parameter
  U64 address;         ///< its generic address, which copies take
};

/// A place in a tensor: a coordinate for each dimension, the innermost first, in elements.
using Place = std::vector<U32>;

/// Mbarriers, tensor copies and clusters as methods. Kernel derives from it.
class AsyncMethods : public MatrixMethods {
 public:
  using MatrixMethods::MatrixMethods;

  /// Sets a mbarrier up for `count` arrivals a phase. Others may use it after
  /// fence_mbarrier_init() and a barrier.
  void mbarrier_init(const Mbarrier& barrier, const In<u32>& count);
  /// One arrival.
  void mbarrier_arrive(const Mbarrier& barrier, Where where = Where::here());
  /// One arrival at the mbarrier at a shared::cluster address (mapa). It orders nothing between
  /// CTAs but the copies that the mbarrier guards.
  void mbarrier_arrive_cluster(const U32& address, Where where = Where::here());
  /// The same, after which what the thread wrote shows to those who wait across the cluster.
  void mbarrier_arrive_release_cluster(const U32& address, Where where = Where::here());
  /// One arrival, and so many bytes that copies will bring before the phase ends.
  void mbarrier_arrive_expect_tx(const Mbarrier& barrier, const In<u32>& bytes);
  /// Whether the phase of this parity has ended; may wait a while for it.
  Pred mbarrier_try_wait_parity(const Mbarrier& barrier, const In<u32>& parity);
  /// The same, and sees what threads of other CTAs wrote before they arrived.
  Pred mbarrier_try_wait_parity_cluster(const Mbarrier& barrier, const In<u32>& parity);

  /// Brings a tensor map near, ahead of its first use.
  void prefetch_tensormap(const TensorMap& map, Where where = Where::here());
  /// Starts the copy of the box at `from` of a map of two dimensions to shared memory; its bytes
  /// count at `done`.
  void tma_load(const SharedPtr<b8>& to, const TensorMap& map, const Place& from,
                const Mbarrier& done, Where where = Where::here());
  /// The same, to the same place of every CTA of the cluster whose bit is set in `ctas`; the bytes
  /// count at each one's mbarrier.
  void tma_multicast(const SharedPtr<b8>& to, const TensorMap& map, const Place& from,
                     const Mbarrier& done, int ctas, Where where = Where::here());
  /// Starts the copy of a box from shared memory to `to` of a map of two or three dimensions; what
  /// lies beyond the tensor is left out. cp_async_bulk_commit_group and
  /// cp_async_bulk_wait_group(_read) follow.
  void tma_store(const TensorMap& map, const Place& to, const SharedPtr<b8>& from,
                 Where where = Where::here());

  /// One thread of the warp, the same each time.
  Pred elect_sync(Where where = Where::here());
};

}  // namespace ptxmill::ptx
