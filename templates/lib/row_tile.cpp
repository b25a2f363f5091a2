#include "templates/lib/row_tile.hpp"

namespace ptxmill::kernels {

Expr RowTile::grid_x(const Shape& shape, const Expr& cols) {
  return ceil_div(cols, std::int64_t{shape.block} * shape.vector);
}

Expr RowTile::grid_y(const Shape& shape, const Expr& rows, const Expr& cols) {
  const Expr at_once = max(1, std::int64_t{shape.block} * shape.vector / cols);
  return min(ceil_div(rows, at_once * shape.rows_per_thread), 65535);
}

RowTile::RowTile(Emitter& k, const Shape& shape, const Extent& cols) : k_(k), shape_(shape) {
  const U32 thread = k.ctaid_x() * shape.block + k.tid_x();
  const Extent vectors = cols / shape.vector;
  if (vectors.is_static() && vectors.get() >= shape.block) {
    col_ = k.let("col", thread * shape.vector);
    k.exit_if(*col_ >= cols);
    return;
  }
  const U32 row = k.let("row_of_cta", thread / vectors);
  col_ = k.let("col", (thread - row * vectors) * shape.vector);
  at_once_ = vectors.is_static()
                 ? Extent(shape.block / vectors.get())
                 : Extent(k.let("rows_at_once", k.max(shape.block / vectors, 1)));
  row_ = row;
  k.exit_if(row >= at_once_);
}

void RowTile::each_group(const Extent& rows,
                         const std::function<void(const U32& first)>& body) const {
  const Extent group = at_once_ * shape_.rows_per_thread;
  const U32 start = k_.ctaid_y() * group;
  const U32 first = row_ ? start + *row_ : start;
  const U32 stride = k_.nctaid_y() * group;
  k_.for_range("row", first, rows, stride, body);
}

}  // namespace ptxmill::kernels
