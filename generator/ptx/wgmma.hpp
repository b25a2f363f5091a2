// Products of a warpgroup on the tensor cores: typed wrappers over the rows of wgmma (PTX ISA,
// "Asynchronous Warpgroup Level Matrix Instructions").
#pragma once

#include <optional>
#include <vector>

#include "generator/ptx/async.hpp"

namespace ptxmill::ptx {

/// What wgmma multiplies: 16-bit floats, or the upper 19 bits of f32.
enum class WgmmaType : std::uint8_t { f16, bf16, tf32 };

/// k of one product: 32 bytes of it.
constexpr int wgmma_k(WgmmaType type) { return type == WgmmaType::tf32 ? 8 : 16; }
/// Rows of one product.
inline constexpr int wgmma_m = 64;

/// Products of a warpgroup as methods. Kernel derives from it.
///
/// The accumulators of a product of 64 x n are n / 2 registers a thread: those of row
/// 16 * warp + lane / 4 (+ 8 for the second two of each four) and columns
/// 8 * (i / 4) + 2 * (lane % 4) (+ 1) for register i.
class WgmmaMethods : public AsyncMethods {
 public:
  using AsyncMethods::AsyncMethods;

  /// d += A B^T, or d = A B^T where `adds` does not hold, of 64 x k and n x k matrices in shared
  /// memory, both with k innermost; n is twice the count of accumulators. In flight from here to
  /// the wgmma_wait_group that covers the wgmma_commit_group after it.
  void wgmma(WgmmaType type, const std::vector<Var<f32>>& d, const U64& a, const U64& b,
             const Pred& adds, Where where = Where::here());
  void wgmma(WgmmaType type, const std::vector<Var<f32>>& d, const U64& a, const U64& b, bool adds,
             Where where = Where::here());
  /// The same in tf32 with A in registers, which belong to the product as long as it is in flight:
  /// what ldmatrix gives of 16 x 8 elements of 32 bits, those of row 16 * warp and on.
  void wgmma_tf32(const std::vector<Var<f32>>& d, const std::array<B32, 4>& a, const U64& b,
                  bool adds, Where where = Where::here());

 private:
  void multiply(WgmmaType type, const std::vector<Var<f32>>& d, const Operand& a, const U64& b,
                const Operand& adds, Where where);
};

}  // namespace ptxmill::ptx
