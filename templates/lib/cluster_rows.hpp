// Rows of sums of which each CTA of a cluster has computed a part of k: each CTA gets from all of
// them, by asynchronous stores of which an mbarrier counts the bytes, the rows that it is to store.
#pragma once

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// A kernel uses it for one tile, of `rows` of `cols` sums, of which `pitch` floats stand from one
/// row to the next.
class ClusterRows {
 public:
  ClusterRows(Emitter& k, int ctas, int rows, int cols, int pitch);

  const U32& rank() const { return rank_; }
  /// Rows that a CTA stores: those from rank() * own_rows() on.
  int own_rows() const { return rows_ / ctas_; }
  /// The CTAs' parts of them, in the order of ranks, and floats from one part to the next.
  const SharedPtr<ptx::f32>& parts() const { return parts_; }
  int parts_apart() const { return own_rows() * pitch_; }

  /// By every thread of every CTA, in this order: the first early, so that nobody waits for a CTA
  /// that begins late.
  void begin(const U32& tid);
  void await_others();
  /// Four neighbouring sums of the tile, to the CTA that stores them.
  void send(const U32& row, const U32& col, const std::array<F32, 4>& sums);
  /// Until the parts are there.
  void receive();

 private:
  Emitter& k_;
  int ctas_, rows_, cols_, pitch_;
  U32 rank_;
  SharedPtr<ptx::f32> parts_;
  ptx::Mbarrier arrived_;
};

}  // namespace ptxmill::kernels
