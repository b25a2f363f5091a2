// How a CTA covers a matrix element by element: neighbouring threads take neighbouring vectors of a
// row, and where a row is narrower than the CTA, several rows at once.
#pragma once

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// A thread's accesses that are in flight together.
class Accesses {
 public:
  using Inside = std::vector<std::optional<Pred>>;
  /// One access for each of `inside`; it is done where its predicate holds, or always.
  Accesses(Emitter& k, Inside inside) : k_(k), inside_(std::move(inside)) {}
  int count() const { return static_cast<int>(inside_.size()); }
  /// Runs `access` for each, `apart` elements from one to the next.
  void each(const ElementPtr& first, const Extent& apart,
            const std::function<void(int i, const ElementPtr& at)>& access) const;

 private:
  Emitter& k_;
  Inside inside_;
};

/// Grid x runs over pieces of a row, grid y over groups of rows.
class RowTile {
 public:
  /// `rows_per_thread` rows of one thread are in flight together.
  struct Shape {
    int block, vector, rows_per_thread;
  };
  static Expr grid_x(const Shape& shape, const Expr& cols);
  /// At most 65535: the CTAs of a column stride over the rows.
  static Expr grid_y(const Shape& shape, const Expr& rows, const Expr& cols);

  /// Ends the threads that have no column.
  RowTile(Emitter& k, const Shape& shape, const Extent& cols);
  /// The thread's first column.
  const U32& col() const { return *col_; }
  /// Runs the body for each group of rows: the thread's first, and its accesses to that row and the
  /// next ones that are its own, which are rows_apart() apart.
  void each_group(const Extent& rows,
                  const std::function<void(const U32& first, const Accesses&)>& body) const;
  const Extent& rows_apart() const { return at_once_; }

 private:
  Emitter& k_;
  Shape shape_;
  std::optional<U32> col_;
  std::optional<U32> row_;  ///< the thread's among those at once
  Extent at_once_ = 1;      ///< rows that the CTA's threads lie across
};

}  // namespace ptxmill::kernels
