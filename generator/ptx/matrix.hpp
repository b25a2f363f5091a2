// Matrices that a warp holds in fragments: their moves between shared memory and registers, and
// their products (PTX ISA, "Warp-level Matrix Instructions"). Typed wrappers over the rows of the
// table: a fragment is an array of registers, each with two elements of 16 bits or one of 32.
#pragma once

#include <array>
#include <span>

#include "generator/ptx/methods.hpp"

namespace ptxmill::ptx {

/// An element type of products: f32 data of which the tensor core takes 19 bits.
struct tf32 {};

template <class T>
concept HalfPrecision = std::same_as<T, f16> || std::same_as<T, bf16>;

/// The instructions on matrices as methods. Kernel derives from it.
class MatrixMethods : public Methods {
 public:
  using Methods::Methods;

  /// Loads n (1, 2 or 4) matrices of 8 x 8 elements of 16 bits. Lane i gives the address of row
  /// i % 8 of matrix i / 8, and gets of each matrix the elements 2 (i % 4) and the next of row
  /// i / 4. A matrix of 8 x 4 elements of 32 bits is one of half as wide elements.
  template <int n, class T>
  std::array<B32, n> ldmatrix(const SharedPtr<T>& row, Where where = Where::here()) {
    return load_matrices<n>(by_count<n>(Op::ldmatrix_x1, Op::ldmatrix_x2, Op::ldmatrix_x4),
                            row.operand(), where);
  }
  /// The same of the transposed matrices.
  template <int n, class T>
  std::array<B32, n> ldmatrix_trans(const SharedPtr<T>& row, Where where = Where::here()) {
    return load_matrices<n>(
        by_count<n>(Op::ldmatrix_x1_trans, Op::ldmatrix_x2_trans, Op::ldmatrix_x4_trans),
        row.operand(), where);
  }
  /// Stores matrices, of which each lane gives a row's address and holds what ldmatrix would load.
  template <class T, std::size_t n>
  void stmatrix(const SharedPtr<T>& row, const std::array<B32, n>& v, Where where = Where::here()) {
    store_matrices(by_count<n>(Op::stmatrix_x1, Op::stmatrix_x2, Op::stmatrix_x4), row.operand(),
                   group(v), where);
  }
  template <class T, std::size_t n>
  void stmatrix_trans(const SharedPtr<T>& row, const std::array<B32, n>& v,
                      Where where = Where::here()) {
    store_matrices(by_count<n>(Op::stmatrix_x1_trans, Op::stmatrix_x2_trans, Op::stmatrix_x4_trans),
                   row.operand(), group(v), where);
  }

  /// A 16 x 8 block of sums in f32: lane i has those of columns 2 (i % 4) and the next, in row
  /// i / 4 and then in row i / 4 + 8.
  using Sums = std::span<const Var<f32>, 4>;
  /// sums += a b^T, a being 16 x 16 and b 8 x 16: four and two matrices as ldmatrix loads them, the
  /// rows 8 to 15 of a before its columns 8 to 15.
  template <HalfPrecision T>
  void mma_m16n8k16(Sums sums, const std::array<B32, 4>& a, const std::array<B32, 2>& b,
                    Where where = Where::here()) {
    multiply(std::same_as<T, f16> ? Op::mma_m16n8k16_f16 : Op::mma_m16n8k16_bf16, sums, group(a),
             group(b), where);
  }
  /// The same with half as many columns.
  template <HalfPrecision T>
  void mma_m16n8k8(Sums sums, const std::array<B32, 2>& a, const std::array<B32, 1>& b,
                   Where where = Where::here()) {
    multiply(std::same_as<T, f16> ? Op::mma_m16n8k8_f16 : Op::mma_m16n8k8_bf16, sums, group(a),
             group(b), where);
  }
  template <std::same_as<tf32> T>
  void mma_m16n8k8(Sums sums, const std::array<B32, 4>& a, const std::array<B32, 2>& b,
                   Where where = Where::here()) {
    multiply(Op::mma_m16n8k8_tf32, sums, group(a), group(b), where);
  }

 private:
  template <int n>
  static constexpr Op by_count(Op one, Op two, Op four) {
    static_assert(n == 1 || n == 2 || n == 4, "one, two or four matrices move at once");
    return n == 1 ? one : n == 2 ? two : four;
  }
  template <int n>
  std::array<B32, n> load_matrices(Op op, const Operand& at, Where where) {
    return vector_load<b32, n>(op, at, where);
  }
  void store_matrices(Op op, const Operand& at, const Operand& matrices, Where where);
  void multiply(Op op, Sums sums, const Operand& a, const Operand& b, Where where);
};

}  // namespace ptxmill::ptx
