// transpose: [batch, rows, cols] to [batch, cols, rows], through tiles in shared memory.
#include <memory>
#include <string>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::b16;
using ptx::b32;

constexpr int side = 64;  // elements of a tile's side
// Element by element: a warp takes `per_warp` lines.
constexpr int scalar_block = 256;
constexpr int per_warp = side / (scalar_block / 32);

/// By vectors: threads along a side of the tile. Each takes a block of vector x vector elements.
constexpr int across(int vector) { return side / vector; }

class Transpose final : public Template {
 public:
  DtypeField dtype{
      *this, "dtype", "element type of both tensors", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  Dim batch{*this, "batch", "matrices", {.min = 0, .dynamic_by_default = true}};
  Dim rows{*this, "rows", "rows of the input", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the input", {.min = 0, .dynamic_by_default = true}};

  Tensor x{*this, "x",         Direction::in,
           dtype, "the input", [this] { return Shape{batch, rows, cols}; }};
  Tensor out{*this, "out", Direction::out, dtype, "the transposed matrices, bit for bit", [this] {
               return Shape{batch, cols, rows};
             }};

  std::vector<Form> forms() const override {
    const int v = widest_vector(dtype);
    return {{.name = "vec" + std::to_string(v),
             .when = {{.dim = &rows, .multiple_of = v}, {.dim = &cols, .multiple_of = v}},
             .vector = v},
            {.name = "scalar", .when = {}}};
  }

  Launch launch(const Form& form) const override {
    const int threads = form.vector == 1 ? scalar_block : across(form.vector) * across(form.vector);
    return {.grid = {ceil_div(rows, side) * ceil_div(cols, side), min(batch, Expr(65535)), 1},
            .block = {threads, 1, 1}};
  }

  void emit(Emitter& k, const Form& form) const override;
  std::vector<std::pair<std::string, std::string>> division(const Form&,
                                                            const ptx::Target&) const override {
    return {{"CTA's tile", std::to_string(side) + " x " + std::to_string(side)}};
  }
};

/// One CTA's tile: where it lies in the matrix. How it goes through shared memory, others say.
class Tile {
 public:
  Tile(Emitter& k, const Transpose& t)
      : k_(k), rows_(k.dim(t.rows)), cols_(k.dim(t.cols)), tid_(k.let("tid", k.tid_x())) {
    const Extent tiles_across = ceil_div(cols_, side);
    const U32 tile = k.ctaid_x();
    const U32 down = k.let("tile_down", tile / tiles_across);
    first_row_ = k.let("first_row", down * side);
    first_col_ = k.let("first_col", (tile - down * tiles_across) * side);
  }
  Tile(const Tile&) = delete;
  Tile& operator=(const Tile&) = delete;
  virtual ~Tile() = default;
  /// Turns the tile of one matrix.
  void turn(const ElementPtr& x, const ElementPtr& out) const {
    k_.phase("load", [&] { load(x); });
    k_.sync();
    k_.phase("store", [&] { store(out); });
  }

 protected:
  virtual void load(const ElementPtr& x) const = 0;
  virtual void store(const ElementPtr& out) const = 0;
  /// The element (row, col) of a matrix with rows of `width`.
  ElementPtr at(const ElementPtr& matrix, const U32& row, const U32& col,
                const Extent& width) const {
    return matrix + k_.mad_wide(row, width, k_.cvt<ptx::u64>(col));
  }

  Emitter& k_;
  const Extent rows_, cols_;
  const U32 tid_;
  std::optional<U32> first_row_, first_col_;
};

// By vectors: each thread turns a block of vector x vector in its registers, so that all accesses
// have 16 bytes. Columns of x are rows of the shared tile, in chunks of a vector; chunk c of the
// columns of block q stands at c xor q. The 8 threads that access shared memory together,
// neighbours in q when they store and in c when they load, so meet different banks.
class VectorTile final : public Tile {
 public:
  VectorTile(Emitter& k, const Transpose& t, int vector)
      : Tile(k, t),
        vector_(vector),
        line_(side * 4 / vector),
        shared_(k.shared<b32>("tile", side * line_)) {}

 private:
  using Words = std::array<ptx::B32, 4>;
  void load(const ElementPtr& x) const override;
  void store(const ElementPtr& out) const override;
  Words column(const std::vector<Words>& lines, int j) const;

  const int vector_;
  const int line_;  ///< words of a row of the shared tile
  const SharedPtr<b32> shared_;
};

/// The j-th column of a block, as a row.
VectorTile::Words VectorTile::column(const std::vector<Words>& lines, int j) const {
  if (vector_ == 4) return {lines[0][j], lines[1][j], lines[2][j], lines[3][j]};
  // Of two words the lower halves, or the upper ones.
  const int halves = j % 2 == 0 ? 0x5410 : 0x7632;
  std::vector<ptx::B32> words;
  for (int i : unroll(4))
    words.push_back(k_.prmt(lines[2 * i][j / 2], lines[2 * i + 1][j / 2], halves));
  return {words[0], words[1], words[2], words[3]};
}

void VectorTile::load(const ElementPtr& x) const {
  const U32 q = tid_ % across(vector_);
  const U32 chunk = tid_ / across(vector_);
  const U32 row = *first_row_ + chunk * vector_;
  const U32 col = *first_col_ + q * vector_;
  const Pred row_inside = row < rows_;
  const Pred inside = row_inside && col < cols_;
  const U32 swizzled = (chunk ^ q) * 4;
  const auto place = shared_ + k_.fma(q, vector_ * line_, swizzled);
  const auto turn = [&] {
    std::vector<Words> lines;
    ElementPtr from = at(x, row, col, cols_);
    for (int i : unroll(vector_)) {
      if (i > 0) from = from + cols_;
      lines.push_back(k_.load<4>(from.as<b32>()));
    }
    for (int j : unroll(vector_)) k_.store(place + j * line_, column(lines, j));
  };
  // Under a guard, registers of so many words would have to keep what they held.
  if (vector_ == 8)
    k_.if_("is_inside", inside, turn);
  else
    k_.guard(inside, turn);
}

void VectorTile::store(const ElementPtr& out) const {
  const U32 chunk = tid_ % across(vector_);
  const U32 line = tid_ / across(vector_);  // columns of x: line, line + across, ...
  const U32 row = *first_row_ + chunk * vector_;
  const Pred row_inside = row < rows_;
  for (int i : unroll(vector_)) {
    const U32 own = line + i * across(vector_);
    const U32 col = *first_col_ + own;
    const Pred inside = row_inside && col < cols_;
    const U32 swizzled = (chunk ^ own / vector_) * 4;
    const auto place = shared_ + k_.fma(own, line_, swizzled);
    const ElementPtr to = at(out, col, row, rows_);
    k_.guard(inside, [&] { k_.store(to.as<b32>(), k_.load<4>(place)); });
  }
}

// Element by element: a warp takes 8 neighbouring rows, half a row at a time. A word more than a
// line's elements from one line of the shared tile to the next puts a column in different banks. B
// is the type of an element's bits.
template <class B>
class ElementTile final : public Tile {
 public:
  ElementTile(Emitter& k, const Transpose& t)
      : Tile(k, t), shared_(k.shared<B>("tile", side * padded)) {}

 private:
  static constexpr int padded = side + 32 / isa::bits(B::type);

  void load(const ElementPtr& x) const override;
  void store(const ElementPtr& out) const override;

  const SharedPtr<B> shared_;
};

template <class B>
void ElementTile<B>::load(const ElementPtr& x) const {
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
        k_.store(place + (i * padded + half * 32), k_.load((from + half * 32).template as<B>()));
      });
  }
}

template <class B>
void ElementTile<B>::store(const ElementPtr& out) const {
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
        k_.store((to + half * 32).template as<B>(), k_.load(place + (half * 32 * padded + i)));
      });
  }
}

std::unique_ptr<Tile> make_tile(Emitter& k, const Transpose& t, int vector) {
  if (vector > 1) return std::make_unique<VectorTile>(k, t, vector);
  if (t.dtype == Dtype::f32) return std::make_unique<ElementTile<b32>>(k, t);
  return std::make_unique<ElementTile<b16>>(k, t);
}

void Transpose::emit(Emitter& k, const Form& form) const {
  const std::unique_ptr<Tile> tile = make_tile(k, *this, form.vector);
  if (batch.is_static() && batch.get() == 1) {
    tile->turn(k.ptr(x), k.ptr(out));
    return;
  }
  const Extent r = k.dim(rows), c = k.dim(cols);
  const U64 matrix_size = k.let("matrix_size", k.mul_wide(r, c));
  k.for_range("matrix", k.ctaid_y(), k.dim(batch), k.nctaid_y(), [&](const U32& matrix) {
    const U64 start = k.let("start", matrix_size * k.cvt<ptx::u64>(matrix));
    const ElementPtr out_matrix = k.let("out_matrix", k.ptr(out) + start);
    const ElementPtr x_matrix = k.let("x_matrix", k.ptr(x) + start);
    tile->turn(x_matrix, out_matrix);
    // The next matrix's tile overwrites this one's.
    k.sync();
  });
}

PTXMILL_TEMPLATE(Transpose, "transpose", "Exchanges the last two dimensions, bit for bit.");

}  // namespace
}  // namespace ptxmill::kernels
