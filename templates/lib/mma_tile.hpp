// A tile of a matrix product on the tensor cores: 16-byte chunks of both operands' rows pass
// through a ring of stages in shared memory (chunk_copy.hpp), and each warp keeps a block of the
// result.
#pragma once

#include <string>
#include <vector>

#include "generator/ptx/tile.hpp"
#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// How the tensor cores multiply.
enum class MmaMath : std::uint8_t {
  half,    ///< f16 or bf16, which the operands are
  tf32,    ///< f32 operands, of which the hardware takes 19 bits
  tf32_x3  ///< f32 operands, each as a sum of two tf32: three products, which keep more bits
};

/// One CTA's share of the product, and how its warps divide it.
struct MmaTile {
  const char* name;          ///< in specs: "128x128"
  int rows, cols;            ///< of the result; multiples of a warp's
  int warp_rows, warp_cols;  ///< of a warp's block; multiples of 16
  int chunks;                ///< of an operand's row in one stage: 4 or 8
  int stages;                ///< of the ring
  int ctas_per_sm;           ///< which the registers must allow
  int efficiency;            ///< per cent of the tensor cores' rate that its loop reaches

  constexpr int warps_across() const { return cols / warp_cols; }
  constexpr int threads() const { return 32 * (rows / warp_rows) * warps_across(); }
  /// Products of one instruction take two chunks of each row.
  constexpr int steps() const { return chunks / 2; }
  /// Columns of the result that shared memory takes at once.
  constexpr int piece_cols() const { return cols < 128 ? cols : 128; }
  constexpr int pieces() const { return cols / piece_cols(); }
  /// The copy of a piece in shared memory: padded, against bank conflicts.
  constexpr int result_pitch() const { return piece_cols() + 8; }
};

/// The stages' place in shared memory: A's rows, and below them those of W. Elements are words of
/// 32 bits, which hold one element of the operands or two.
using OperandRing = ptx::SharedTile<ptx::b32>;

/// A warp's block of the result, and its operands for the present step and the next.
class WarpBlock {
 public:
  WarpBlock(Emitter& k, const MmaTile& tile, MmaMath math, Dtype dtype, const U32& tid,
            const OperandRing& ring);

  /// Reads the operands of a step of the stage in the ring's slot into `set`, 0 or 1.
  void read(Emitter& k, int set, int step, const In<ptx::u32>& slot);
  /// Adds the products of a set's operands.
  void multiply(Emitter& k, int set);
  /// Writes the block into its piece of the result's copy at `to`.
  void deposit(Emitter& k, const SharedPtr<ptx::f32>& to) const;
  /// Which piece of the result the block lies in.
  U32 piece() const { return warp_col_ / tile_.piece_cols(); }

 private:
  using Fragments = std::vector<std::vector<Var<ptx::b32>>>;
  using Block = std::vector<std::vector<ptx::B32>>;

  void multiply_by(Emitter& k, const Block& a, const Block& w);
  void multiply_split(Emitter& k, const Block& a, const Block& w);

  MmaTile tile_;
  MmaMath math_;
  Dtype dtype_;
  U32 lane_, warp_row_, warp_col_;
  ptx::TilePlace<ptx::b32> a_lane_, w_lane_;
  Fragments a_[2], w_[2];                                      ///< [16 rows or columns][register]
  std::vector<std::vector<std::vector<Var<ptx::f32>>>> sums_;  ///< [16 rows][8 columns][4]
};

}  // namespace ptxmill::kernels
