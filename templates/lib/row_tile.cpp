#include "templates/lib/row_tile.hpp"

namespace ptxmill::kernels {

Expr RowTile::grid_x(const Shape& shape, const Expr& cols) {
  return ceil_div(cols, std::int64_t{shape.block} * shape.vector);
}

Expr RowTile::grid_y(const Shape& shape, const Expr& rows, const Expr& cols) {
  const Expr at_once = max(1, std::int64_t{shape.block} * shape.vector / max(cols, 1));
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
  at_once_ = vectors.is_static() ? Extent(shape.block / vectors.get())
                                 : Extent(k.let("rows_at_once", k.max(shape.block / vectors, 1)));
  row_ = row;
  k.exit_if(row >= at_once_);
}

void RowTile::each_group(const Extent& rows,
                         const std::function<void(const U32& first, const Accesses&)>& body) const {
  const Extent group = at_once_ * shape_.rows_per_thread;
  const U32 start = k_.ctaid_y() * group;
  const U32 first = row_ ? start + *row_ : start;
  const U32 stride = k_.nctaid_y() * group;
  k_.for_range("row", first, rows, stride, [&](const U32& row) {
    Accesses::Inside inside{std::nullopt};
    for (int i = 1; i < shape_.rows_per_thread; ++i)
      inside.push_back(k_.let("inside" + std::to_string(i), row + at_once_ * i < rows));
    body(row, Accesses(k_, std::move(inside)));
  });
}

void Accesses::each(const ElementPtr& first, const Extent& apart,
                    const std::function<void(int i, const ElementPtr& at)>& access) const {
  ElementPtr at = first;
  for (int i = 0; i < count(); ++i) {
    if (i > 0) at = at + apart;
    const auto& inside = inside_[static_cast<std::size_t>(i)];
    const auto run = [&] { access(i, at); };
    if (inside)
      k_.guard(*inside, run);
    else
      run();
  }
}

}  // namespace ptxmill::kernels
