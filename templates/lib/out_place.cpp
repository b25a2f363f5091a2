#include "templates/lib/out_place.hpp"

#include <numeric>

namespace ptxmill::kernels {

Shape out_shape(const MatrixEpilogueFields& fields, const Expr& m, const Expr& n) {
  if (!fields.has_heads()) return {m, fields.out_cols(n)};
  const Expr head_dim(fields.head_dim.get());
  return {n / head_dim, m, head_dim};
}

OutColumn out_column(Emitter& k, const MatrixEpilogueFields& fields, const Extent& m,
                     const Extent& n, const U32& col) {
  if (!fields.has_heads()) return {k.cvt<ptx::u64>(col), fields.out_cols(n)};
  const int head_dim = fields.head_dim;
  const U32 head = col / head_dim;
  const U64 within = k.cvt<ptx::u64>(col % head_dim);
  return {k.fma(k.mul_wide(head, m), head_dim, within), head_dim};
}

int box_cols(const MatrixEpilogueFields& fields, Dtype out, int sum_cols) {
  constexpr int widest = 128;
  const int bytes = spec::size_bytes(out);
  const int of_tile = std::gcd(widest, sum_cols / fields.sums() * bytes);
  return (fields.has_heads() ? std::gcd(of_tile, fields.head_dim * bytes) : of_tile) / bytes;
}

TensorMapShape out_boxes(const MatrixEpilogueFields& fields, Dtype out, const Expr& m,
                         const Expr& n, int rows, int cols) {
  const int bytes = spec::size_bytes(out);
  const int swizzle = cols * bytes;
  if (!fields.has_heads()) {
    const Expr width = fields.out_cols(n);
    return {{width, m}, {width * Expr(bytes)}, {cols, rows}, swizzle};
  }
  const Expr head_dim(fields.head_dim.get()), row_bytes(fields.head_dim.get() * bytes);
  return {{head_dim, m, n / head_dim}, {row_bytes, m * row_bytes}, {cols, rows, 1}, swizzle};
}

ptx::Place box_place(const MatrixEpilogueFields& fields, const U32& row, const U32& col) {
  if (!fields.has_heads()) return {col, row};
  const int head_dim = fields.head_dim;
  const U32 within = col % head_dim;
  return {within, row, col / head_dim};
}

}  // namespace ptxmill::kernels
