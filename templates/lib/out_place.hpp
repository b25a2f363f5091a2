// Where the elements of a product's result lie in memory: in rows, or head by head.
#pragma once

#include "templates/lib/epilogue.hpp"

namespace ptxmill::kernels {

/// The shape of the result of `m` rows.
Shape out_shape(const MatrixEpilogueFields& fields, const Expr& m, const Expr& n);

/// A column of the result in memory.
struct OutColumn {
  U64 first;     ///< element, of row 0
  Extent pitch;  ///< elements from one row to the next

  /// The element in a row.
  U64 in_row(Emitter& k, const U32& row) const { return k.mad_wide(row, pitch, first); }
};
/// `n` counts sums, `col` the result's columns.
OutColumn out_column(Emitter& k, const MatrixEpilogueFields& fields, const Extent& m,
                     const Extent& n, const U32& col);

/// Columns of the result that one box takes, where tiles have `sum_cols` sums a row: as many as 128
/// bytes, or 64, or 32, of which a tile and a head have whole ones.
int box_cols(const MatrixEpilogueFields& fields, Dtype out, int sum_cols);
/// The result as copies of boxes of so many rows and columns see it.
TensorMapShape out_boxes(const MatrixEpilogueFields& fields, Dtype out, const Expr& m,
                         const Expr& n, int rows, int cols);
/// A box's place in it.
ptx::Place box_place(const MatrixEpilogueFields& fields, const U32& row, const U32& col);

}  // namespace ptxmill::kernels
