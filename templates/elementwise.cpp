// elementwise: a chain of operations on each element of a matrix, in one pass over memory.
#include <algorithm>

#include "templates/emitter.hpp"
#include "templates/lib/activations.hpp"
#include "templates/lib/elementary.hpp"
#include "templates/lib/row_tile.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::f32;

class Elementwise final : public Template {
 public:
  DtypeField dtype{*this, "dtype", "element type of every tensor", {Dtype::f32}};
  ChoiceList ops{*this,
                 "ops",
                 "the operations, applied in this order: add (a second tensor), scale (a launch "
                 "argument), bias (one value a column), exp, and activations",
                 {"add", "scale", "bias", "exp", "relu", "gelu", "gelu_tanh", "silu"},
                 8};
  Dim rows{*this, "rows", "rows of the matrix", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the matrix", {.dynamic_by_default = true}};
  Integer block{
      *this, "block", "threads of a CTA", 256, {.min = 32, .max = 1024, .multiple_of = 32}};

  Tensor x{*this, "x", Direction::in, dtype, "the input", [this] { return Shape{rows, cols}; }};
  Tensor y{*this,
           "y",
           Direction::in,
           dtype,
           "what `add` adds",
           [this] {
             return Shape{rows, cols};
           },
           [this] { return ops.has("add"); }};
  Scalar factor{*this, "factor", "what `scale` multiplies by", [this] { return ops.has("scale"); }};
  Tensor bias{*this,
              "bias",
              Direction::in,
              dtype,
              "what `bias` adds to each row",
              [this] { return Shape{cols}; },
              [this] { return ops.has("bias"); }};
  Tensor out{*this,
             "out",
             Direction::out,
             dtype,
             "the result; may be x or y",
             [this] {
               return Shape{rows, cols};
             }};

  void check() const override {
    for (const char* once : {"add", "scale", "bias"})
      if (std::count(ops.get().begin(), ops.get().end(), once) > 1)
        refuse(ops, std::string("\"") + once + "\" may stand once");
  }

  std::vector<Form> forms() const override {
    return {{.name = "vec4", .when = {{.dim = &cols, .multiple_of = 4}}, .vector = 4},
            {.name = "scalar", .when = {}}};
  }

  // A bias needs the column, and so a tile of rows; without one, the matrix is one long row.
  Launch launch(const Form& form) const override {
    if (!ops.has("bias")) return {.grid = {ceil_div(rows * cols, span(form)), 1, 1}, .block = {block, 1, 1}};
    const RowTile::Shape tile = tile_of(form);
    return {.grid = {RowTile::grid_x(tile, cols), RowTile::grid_y(tile, rows, cols), 1},
            .block = {block, 1, 1}};
  }

  void emit(Emitter& k, const Form& form) const override;

 private:
  /// Accesses of one thread that are in flight together.
  static int accesses(const Form& form) { return form.vector == 4 ? 2 : 4; }
  RowTile::Shape tile_of(const Form& form) const { return {block, form.vector, accesses(form)}; }
  /// Elements that a CTA takes of the matrix as one long row.
  std::int64_t span(const Form& form) const {
    return std::int64_t{block} * form.vector * accesses(form);
  }
  void emit_flat(Emitter& k, const Form& form) const;
  void emit_by_row(Emitter& k, const Form& form) const;
};

/// A few accesses' worth of elements, from their loads to their stores.
class Piece {
 public:
  struct Access {
    Extent offset;               ///< elements from the access before
    std::optional<Pred> inside;  ///< none: always
  };
  Piece(Emitter& k, int vector, const U64& first, std::vector<Access> accesses)
      : k_(k), vector_(vector), first_(first), accesses_(std::move(accesses)) {}

  /// Loads a tensor of the matrix's shape into variables of the given name.
  std::vector<Var<f32>> load(const std::string& name, const ElementPtr& from) const;
  void store(const ElementPtr& to, const std::vector<Var<f32>>& values) const;

 private:
  void each(const ElementPtr& tensor,
            const std::function<void(int i, const ElementPtr& at)>& access) const;

  Emitter& k_;
  int vector_;
  U64 first_;
  std::vector<Access> accesses_;
};

void Piece::each(const ElementPtr& tensor,
                 const std::function<void(int i, const ElementPtr& at)>& access) const {
  ElementPtr at = tensor + first_;
  for (std::size_t i = 0; i < accesses_.size(); ++i) {
    at = at + accesses_[i].offset;
    const auto run = [&] { access(static_cast<int>(i), at); };
    if (accesses_[i].inside)
      k_.guard(*accesses_[i].inside, run);
    else
      run();
  }
}

std::vector<Var<f32>> Piece::load(const std::string& name, const ElementPtr& from) const {
  auto values = k_.array<f32>(name, vector_ * static_cast<int>(accesses_.size()));
  k_.phase("load " + name, [&] {
    each(from, [&](int i, const ElementPtr& at) {
      auto value = values.begin() + i * vector_;
      for (F32& v : k_.load_vector(at, vector_)) *value++ = std::move(v);
    });
  });
  return values;
}

void Piece::store(const ElementPtr& to, const std::vector<Var<f32>>& values) const {
  k_.phase("store", [&] {
    each(to, [&](int i, const ElementPtr& at) {
      std::vector<F32> v;
      for (int j : unroll(vector_)) v.push_back(k_.present(values[i * vector_ + j]));
      k_.store_vector(at, v);
    });
  });
}

/// The chain on a piece, one phase an operation.
class Chain {
 public:
  Chain(Emitter& k, const Elementwise& e, const std::vector<F32>& bias)
      : k_(k), e_(e), bias_(bias) {}
  void run(const Piece& piece) const;

 private:
  void apply(const std::string& op, std::vector<Var<f32>>& v, const std::vector<Var<f32>>& y) const;

  Emitter& k_;
  const Elementwise& e_;
  const std::vector<F32>& bias_;  ///< of the thread's columns
};

void Chain::run(const Piece& piece) const {
  std::vector<Var<f32>> v = piece.load("x", k_.ptr(e_.x));
  std::vector<Var<f32>> y;
  if (e_.ops.has("add")) y = piece.load("y", k_.ptr(e_.y));
  for (const std::string& op : e_.ops.get()) k_.phase(op, [&] { apply(op, v, y); });
  piece.store(k_.ptr(e_.out), v);
}

void Chain::apply(const std::string& op, std::vector<Var<f32>>& v,
                  const std::vector<Var<f32>>& y) const {
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (op == "add")
      v[i] += y[i];
    else if (op == "bias")
      v[i] += bias_[i % bias_.size()];
    else if (op == "scale")
      v[i] *= k_.scalar(e_.factor);
    else if (op == "exp")
      v[i] = exp(k_, k_.present(v[i]));
    else
      v[i] = activation(k_, op, k_.present(v[i]));
  }
}

void Elementwise::emit_flat(Emitter& k, const Form& form) const {
  const int apart = block * form.vector;
  const Extent r = k.dim(rows), c = k.dim(cols);
  const bool is_static = r.is_static() && c.is_static();
  // 64 bits: a tensor may hold more than 2^32 elements.
  const U64 own = k.cvt<ptx::u64>(k.tid_x() * form.vector);
  const U64 first = k.let("first", k.mad_wide(k.ctaid_x(), static_cast<int>(span(form)), own));
  std::vector<Piece::Access> pieces{{0, {}}};
  if (is_static && r.get() * c.get() % span(form) == 0) {
    for (int i = 1; i < accesses(form); ++i) pieces.push_back({apart, {}});
  } else {
    const U64 total = k.let("total", k.mul_wide(r, c));
    k.exit_if(first >= total);
    for (int i = 1; i < accesses(form); ++i)
      pieces.push_back({apart, k.let("inside" + std::to_string(i), first + i * apart < total)});
  }
  Chain(k, *this, {}).run(Piece(k, form.vector, first, pieces));
}

void Elementwise::emit_by_row(Emitter& k, const Form& form) const {
  const Extent r = k.dim(rows), c = k.dim(cols);
  const RowTile tile(k, tile_of(form), c);
  std::vector<F32> column_bias;
  for (const F32& b : k.load_vector(k.ptr(bias) + tile.col(), form.vector))
    column_bias.push_back(k.let("bias" + std::to_string(column_bias.size()), b));
  const Extent apart = k.let("apart", tile.rows_apart() * c);
  tile.each_group(r, [&](const U32& row) {
    const U64 first = k.let("first", k.mad_wide(row, c, k.cvt<ptx::u64>(tile.col())));
    std::vector<Piece::Access> pieces{{0, {}}};
    for (int i = 1; i < accesses(form); ++i) {
      const Pred inside = row + tile.rows_apart() * i < r;
      pieces.push_back({apart, k.let("inside" + std::to_string(i), inside)});
    }
    Chain(k, *this, column_bias).run(Piece(k, form.vector, first, pieces));
  });
}

void Elementwise::emit(Emitter& k, const Form& form) const {
  if (ops.has("bias"))
    emit_by_row(k, form);
  else
    emit_flat(k, form);
}

PTXMILL_TEMPLATE(Elementwise, "elementwise",
                 "A chain of operations on each element, in one pass over memory.");

}  // namespace
}  // namespace ptxmill::kernels
