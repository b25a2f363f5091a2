// Stores the sums that warpgroups hold of a tile: epilogue, rounding, and copies by boxes through
// shared memory, so that the stores of one part run while the next is computed.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "generator/ptx/tile.hpp"
#include "templates/emitter.hpp"
#include "templates/lib/out_place.hpp"

namespace ptxmill::kernels {

/// What is stored, and what is added to it first.
struct StoredTensors {
  const Tensor &out, &bias, &residual;
  const MatrixEpilogueFields& epilogue;
  const Dim &m, &n;
};

/// Each of the warpgroups that store has two places of 64 rows of a panel in shared memory.
class TileStore {
 public:
  /// The accumulators of 64 rows of a tile, as wgmma leaves them.
  using Sums = std::vector<Var<ptx::f32>>;

  /// `cols`: sums of a tile's row; `blocks`: of 64 rows that a warpgroup has.
  TileStore(Emitter& k, const StoredTensors& tensors, int warpgroups, int cols, int blocks = 1);

  /// By each warpgroup that stores, before it stores anything; `warpgroup` is its number among
  /// them.
  void begin(const U32& warpgroup);
  /// How many accumulators a panel has in a thread.
  int panel_sums() const { return sum_cols() / 2; }
  /// Runs a panel's part under a condition; none: always.
  using Around = std::function<void(int panel, const std::function<void()>& body)>;
  /// Asks for the bias of a tile's first panel, from the sum `col` of a row on. What is not asked
  /// for before `store` or `keep` is asked for there, and waited for.
  void fetch_bias(const U32& col);
  /// Stores the blocks of 64 rows, one below another, from `row` of the result on, and from the sum
  /// `col` of a row on. Every thread of the warpgroup calls this.
  void store(std::span<const Sums> blocks, const U32& row, const U32& col, const Around& around);

  /// Whether a warpgroup can keep results of 64 rows in registers, two in each, to store them while
  /// it multiplies for its next tile.
  bool can_keep() const;
  /// Before the first call of `keep`, and after `begin`.
  void begin_keeping();
  /// Takes the sums, as `store` does, and keeps what is to be stored.
  void keep(const Sums& sums, const U32& row, const U32& col);
  /// While a stage of k is multiplied, of which `k_tile` is the number: stores one of the panels.
  void store_kept_beside(const U32& k_tile);
  /// After a tile of so many stages: stores the panels for which there was none.
  void store_kept_beyond(const Extent& stages);
  /// After the last tile: stores all. Before anything was kept, none of them stores anything.
  void store_kept();

  /// Waits until shared memory has been read, before the CTA ends.
  void drain();

 private:
  /// The present thread's part of a panel of columns, a box of the result.
  struct Part {
    int panel;
    bool is_followed;  ///< by the next one of the same rows
    U32 row, col;      ///< of the result
    U32 sum;           ///< of a row
  };
  int panel_cols() const { return box_cols(tensors_.epilogue, tensors_.out.dtype(), cols_); }
  /// Sums in a panel's row.
  int sum_cols() const { return panel_cols() * tensors_.epilogue.sums(); }
  /// Whether a panel's bias is asked for before the panel's turn comes.
  bool asks_ahead() const { return tensors_.epilogue.bias && has_registers_; }
  int bias_words() const;
  std::vector<ptx::B32> load_bias(const U32& own, int group);
  void request_bias(const U32& first);
  void request_bias(const U32& own, int group);
  std::vector<F32> take_bias(const Part& part, int group);
  /// Gives each group of eight columns of a panel, and half of 16 rows of it, its two results.
  using Take = std::function<void(int group, int half, const std::vector<F32>& values)>;
  void finish_panel(const Sums& sums, const Part& part, const Take& take);
  void store_kept_panel(const std::string& when, int panel);
  int panels() const { return cols_ / sum_cols(); }
  void write_panel(const Sums& sums, const Part& part);
  void store_panel(const Part& part, const std::function<void()>& write);
  void wait_for_place();
  void meet();
  ptx::TilePlace<ptx::b32> own_place();
  ptx::B32 packed(const std::vector<F32>& values);
  std::vector<F32> residual_of(const Part& part, const U32& row, const U32& col);
  Pred is_inside(const Part& part) const;
  int groups() const { return panel_cols() / 8; }
  U32 first_col(const Part& part) const;
  U32 out_col_of(const U32& col);

  Emitter& k_;
  StoredTensors tensors_;
  int cols_;
  bool has_registers_;  ///< for a panel's bias
  ptx::SharedTile<ptx::b32> staged_;
  std::optional<U32> barrier_;          ///< at which the warpgroup meets
  std::optional<Var<ptx::u32>> place_;  ///< in `staged_` that the next panel takes
  /// The bias of the panel that comes next, as memory has it, and whether it has been asked for.
  std::vector<Var<ptx::b32>> bias_;
  bool has_bias_ = false;
  std::vector<Var<ptx::b32>> kept_;  ///< results, two in each, by panel, group and half
  std::optional<Var<ptx::u32>> kept_row_, kept_col_;
};

}  // namespace ptxmill::kernels
