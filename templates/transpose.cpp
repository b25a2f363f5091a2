// transpose: [batch, rows, cols] to [batch, cols, rows], through tiles in shared memory.
#include "templates/emitter.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::b32;

constexpr int side = 64;  // elements of a tile's side
constexpr int block = 256;
constexpr int padded = side + 1;               // a line of the shared tile, element by element
constexpr int per_warp = side / (block / 32);  // lines

class Transpose final : public Template {
 public:
  DtypeField dtype{*this, "dtype", "element type of both tensors", {Dtype::f32}};
  Dim batch{*this, "batch", "matrices", {.min = 0, .dynamic_by_default = true}};
  Dim rows{*this, "rows", "rows of the input", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the input", {.min = 0, .dynamic_by_default = true}};

  Tensor x{*this, "x",         Direction::in,
           dtype, "the input", [this] { return Shape{batch, rows, cols}; }};
  Tensor out{*this, "out", Direction::out, dtype, "the transposed matrices, bit for bit", [this] {
               return Shape{batch, cols, rows};
             }};

  std::vector<Form> forms() const override {
    return {{.name = "vec4",
             .when = {{.dim = &rows, .multiple_of = 4}, {.dim = &cols, .multiple_of = 4}},
             .vector = 4},
            {.name = "scalar", .when = {}}};
  }

  Launch launch(const Form&) const override {
    return {.grid = {ceil_div(rows, side) * ceil_div(cols, side), min(batch, Expr(65535)), 1},
            .block = {block, 1, 1}};
  }

  void emit(Emitter& k, const Form& form) const override;
  std::vector<std::pair<std::string, std::string>> division(const Form&,
                                                            const ptx::Target&) const override {
    return {{"CTA's tile", std::to_string(side) + " x " + std::to_string(side)}};
  }
};

/// One CTA's tile: where it lies in the matrix, and the way through shared memory.
class Tile {
 public:
  Tile(Emitter& k, const Transpose& t, int vector);
  /// Turns the tile of one matrix.
  void turn(const ElementPtr& x, const ElementPtr& out) const;

 private:
  void load_blocks(const ElementPtr& x) const;
  void store_chunks(const ElementPtr& out) const;
  void load_rows(const ElementPtr& x) const;
  void store_columns(const ElementPtr& out) const;
  ElementPtr at(const ElementPtr& matrix, const U32& row, const U32& col,
                const Extent& width) const;

  Emitter& k_;
  const Extent rows_, cols_;
  const int vector_;
  const SharedPtr<b32> shared_;
  const U32 tid_;
  std::optional<U32> first_row_, first_col_;
};

Tile::Tile(Emitter& k, const Transpose& t, int vector)
    : k_(k),
      rows_(k.dim(t.rows)),
      cols_(k.dim(t.cols)),
      vector_(vector),
      shared_(k.shared<b32>("tile", vector == 4 ? side * side : side * padded)),
      tid_(k.let("tid", k.tid_x())) {
  const Extent across = ceil_div(cols_, side);
  const U32 tile = k.ctaid_x();
  const U32 down = k.let("tile_down", tile / across);
  first_row_ = k.let("first_row", down * side);
  first_col_ = k.let("first_col", (tile - down * across) * side);
}

/// The element (row, col) of a matrix with rows of `width`.
ElementPtr Tile::at(const ElementPtr& matrix, const U32& row, const U32& col,
                    const Extent& width) const {
  return matrix + k_.mad_wide(row, width, k_.cvt<ptx::u64>(col));
}

void Tile::turn(const ElementPtr& x, const ElementPtr& out) const {
  k_.phase("load", [&] { vector_ == 4 ? load_blocks(x) : load_rows(x); });
  k_.sync();
  k_.phase("store", [&] { vector_ == 4 ? store_chunks(out) : store_columns(out); });
}

// By vectors: each thread turns a block of 4 x 4 in its registers, so that all accesses have 16
// bytes. Columns of x are rows of the shared tile, in chunks of 4; chunk c of the columns 4q to
// 4q + 3 stands at c xor q. The 8 threads that access shared memory together, neighbours in q when
// they store and in c when they load, so meet different banks.
void Tile::load_blocks(const ElementPtr& x) const {
  const U32 q = tid_ % (side / 4);
  const U32 chunk = tid_ / (side / 4);
  const U32 row = *first_row_ + chunk * 4;
  const U32 col = *first_col_ + q * 4;
  const Pred row_inside = row < rows_;
  const Pred inside = row_inside && col < cols_;
  const U32 swizzled = (chunk ^ q) * 4;
  const auto place = shared_ + k_.fma(q, 4 * side, swizzled);
  k_.guard(inside, [&] {
    std::vector<std::array<ptx::B32, 4>> lines;
    ElementPtr from = at(x, row, col, cols_);
    for (int i : unroll(4)) {
      if (i > 0) from = from + cols_;
      lines.push_back(k_.load<4>(from.as<b32>()));
    }
    for (int j : unroll(4)) {
      const std::array<ptx::B32, 4> column{lines[0][j], lines[1][j], lines[2][j], lines[3][j]};
      k_.store(place + j * side, column);
    }
  });
}

void Tile::store_chunks(const ElementPtr& out) const {
  const U32 chunk = tid_ % (side / 4);
  const U32 line = tid_ / (side / 4);  // columns of x: line, line + 16, ...
  const U32 row = *first_row_ + chunk * 4;
  const Pred row_inside = row < rows_;
  for (int i : unroll(4)) {
    const U32 own = line + i * (side / 4);
    const U32 col = *first_col_ + own;
    const Pred inside = row_inside && col < cols_;
    const U32 swizzled = (chunk ^ own / 4) * 4;
    const auto place = shared_ + k_.fma(own, side, swizzled);
    const ElementPtr to = at(out, col, row, rows_);
    k_.guard(inside, [&] { k_.store(to.as<b32>(), k_.load<4>(place)); });
  }
}

// Element by element: a warp takes 8 neighbouring rows, half a row at a time. An odd number of
// elements from one line of the shared tile to the next puts a column in different banks.
void Tile::load_rows(const ElementPtr& x) const {
  const U32 lane = tid_ % 32;
  const U32 line = tid_ / 32 * per_warp;
  const U32 row = *first_row_ + line;
  const U32 col = *first_col_ + lane;
  const std::vector<Pred> col_inside{col < cols_, col + 32 < cols_};
  const auto place = shared_ + k_.fma(line, padded, lane);
  ElementPtr from = at(x, row, col, cols_);
  for (int i : unroll(per_warp)) {
    if (i > 0) from = from + cols_;
    const Pred row_inside = row + i < rows_;
    for (int half : unroll(2))
      k_.guard(row_inside && col_inside[half], [&] {
        k_.store(place + (i * padded + half * 32), k_.load((from + half * 32).as<b32>()));
      });
  }
}

void Tile::store_columns(const ElementPtr& out) const {
  const U32 lane = tid_ % 32;
  const U32 line = tid_ / 32 * per_warp;
  const U32 row = *first_row_ + lane;
  const U32 col = *first_col_ + line;
  const std::vector<Pred> row_inside{row < rows_, row + 32 < rows_};
  const auto place = shared_ + k_.fma(lane, padded, line);
  ElementPtr to = at(out, col, row, rows_);
  for (int i : unroll(per_warp)) {
    if (i > 0) to = to + rows_;
    const Pred col_inside = col + i < cols_;
    for (int half : unroll(2))
      k_.guard(col_inside && row_inside[half], [&] {
        k_.store((to + half * 32).as<b32>(), k_.load(place + (half * 32 * padded + i)));
      });
  }
}

void Transpose::emit(Emitter& k, const Form& form) const {
  const Tile tile(k, *this, form.vector);
  if (batch.is_static() && batch.get() == 1) {
    tile.turn(k.ptr(x), k.ptr(out));
    return;
  }
  const Extent r = k.dim(rows), c = k.dim(cols);
  const U64 matrix_size = k.let("matrix_size", k.mul_wide(r, c));
  k.for_range("matrix", k.ctaid_y(), k.dim(batch), k.nctaid_y(), [&](const U32& matrix) {
    const U64 start = k.let("start", matrix_size * k.cvt<ptx::u64>(matrix));
    const ElementPtr out_matrix = k.let("out_matrix", k.ptr(out) + start);
    const ElementPtr x_matrix = k.let("x_matrix", k.ptr(x) + start);
    tile.turn(x_matrix, out_matrix);
    // The next matrix's tile overwrites this one's.
    k.sync();
  });
}

PTXMILL_TEMPLATE(Transpose, "transpose", "Exchanges the last two dimensions, bit for bit.");

}  // namespace
}  // namespace ptxmill::kernels
