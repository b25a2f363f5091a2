// Stores the sums that warpgroups hold of a tile: epilogue, rounding, and copies by boxes through
// shared memory, so that the stores of one part run while the next is computed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "generator/ptx/tile.hpp"
#include "templates/emitter.hpp"
#include "templates/lib/epilogue.hpp"

namespace ptxmill::kernels {

/// What is stored, and what is added to it first.
struct StoredTensors {
  const Tensor &out, &bias, &residual;
  const EpilogueFields& epilogue;
  const Dim &m, &n;
};

/// Bytes of a row that a copy of a tile with so many columns stores: the widest that divides them.
inline int store_panel_bytes(int cols, Dtype dtype) {
  return cols * spec::size_bytes(dtype) % 128 == 0 ? 128 : 64;
}

/// Each of the warpgroups that store has two places of 64 rows of a panel in shared memory.
class TileStore {
 public:
  TileStore(Emitter& k, const StoredTensors& tensors, int warpgroups, int cols);

  /// By each warpgroup that stores, before it stores anything; `warpgroup` is its number among
  /// them.
  void begin(const U32& warpgroup);
  /// How many accumulators a panel has in a thread.
  int panel_sums() const { return panel_cols() / 2; }
  /// Runs a panel's part under a condition.
  using Around = std::function<void(int panel, const std::function<void()>& body)>;
  /// Stores 64 rows of the result from `row` and `col` on; `sums` lie as wgmma leaves them. Every
  /// thread of the warpgroup calls this. `name` distinguishes calls in one kernel.
  void store(const std::string& name, const std::vector<Var<ptx::f32>>& sums, const U32& row,
             const U32& col, const Around& around);
  /// Waits until shared memory has been read, before the CTA ends.
  void drain();

 private:
  /// The present thread's part of a panel of columns.
  struct Part {
    int panel;
    U32 row, col;  ///< of the result
  };
  int panel_cols() const {
    return store_panel_bytes(cols_, tensors_.out.dtype()) / spec::size_bytes(tensors_.out.dtype());
  }
  void store_panel(const std::vector<Var<ptx::f32>>& sums, const Part& part);
  void wait_for_place();
  void meet();
  void write_panel(const std::vector<Var<ptx::f32>>& sums, const Part& part);
  std::vector<F32> residual_of(const Part& part, const U32& row, const U32& col);
  U32 first_col(const Part& part) const;

  Emitter& k_;
  StoredTensors tensors_;
  int cols_;
  ptx::SharedTile<ptx::b32> staged_;
  std::optional<U32> barrier_;          ///< at which the warpgroup meets
  std::optional<Var<ptx::u32>> place_;  ///< in `staged_` that the next panel takes
};

}  // namespace ptxmill::kernels
