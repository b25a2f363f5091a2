// elementwise: a chain of operations on each element of a matrix, in one pass over memory.
#include <algorithm>

#include "templates/emitter.hpp"
#include "templates/lib/access.hpp"
#include "templates/lib/activations.hpp"
#include "templates/lib/elementary.hpp"
#include "templates/lib/row_tile.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::f32;

class Elementwise final : public Template {
 public:
  Elementwise() { tunable(block); }

  DtypeField dtype{
      *this, "dtype", "element type of every tensor", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  ChoiceList ops{*this,
                 "ops",
                 "the operations, applied in this order: add (a second tensor), scale (a launch "
                 "argument), bias (one value a column), exp, and activations",
                 {"add", "scale", "bias", "exp", "relu", "gelu", "gelu_tanh", "silu"},
                 8};
  Dim rows{*this, "rows", "rows of the matrix", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the matrix", {.min = 0, .dynamic_by_default = true}};
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
  Tensor out{*this, "out", Direction::out, dtype, "the result; may be x or y", [this] {
               return Shape{rows, cols};
             }};

  void check() const override {
    for (const char* once : {"add", "scale", "bias"})
      if (std::count(ops.get().begin(), ops.get().end(), once) > 1)
        refuse(ops, std::string("\"") + once + "\" may stand once");
  }

  std::vector<Form> forms() const override { return vector_forms(cols, dtype); }

  // A bias needs the column, and so a tile of rows; without one, the matrix is one long row.
  Launch launch(const Form& form) const override {
    if (!ops.has("bias"))
      return {.grid = {ceil_div(rows * cols, span(form)), 1, 1}, .block = {block, 1, 1}};
    const RowTile::Shape tile = tile_of(form);
    return {.grid = {RowTile::grid_x(tile, cols), RowTile::grid_y(tile, rows, cols), 1},
            .block = {block, 1, 1}};
  }

  void emit(Emitter& k, const Form& form) const override;

  static bool is_costly(const std::string& op) {
    return op == "gelu" || op == "gelu_tanh" || op == "silu";
  }

 private:
  /// Accesses of one thread that are in flight together. Where an element costs tens of
  /// instructions, they hide the latency.
  int in_flight(const Form& form) const {
    if (dtype == Dtype::f32) return form.vector == 4 ? 2 : 4;
    const int elements = form.vector == 1 ? 4 : 16;
    return std::max(1, (is_costly() ? elements / 2 : elements) / form.vector);
  }
  bool is_costly() const {
    return std::any_of(ops.get().begin(), ops.get().end(),
                       [](const std::string& op) { return is_costly(op); });
  }
  RowTile::Shape tile_of(const Form& form) const { return {block, form.vector, in_flight(form)}; }
  /// Elements that a CTA takes of the matrix as one long row.
  std::int64_t span(const Form& form) const {
    return std::int64_t{block} * form.vector * in_flight(form);
  }
  void emit_flat(Emitter& k, const Form& form) const;
  void emit_by_row(Emitter& k, const Form& form) const;
};

/// Elements of a thread that apply_in_turns computes together.
constexpr std::size_t at_a_time = 2;

/// The chain on a thread's accesses from `first` on, each operation a phase.
class Chain {
 public:
  using Values = std::vector<Var<f32>>;
  Chain(Emitter& k, const Elementwise& e, int vector, std::vector<F32> bias)
      : k_(k), e_(e), vector_(vector), bias_(std::move(bias)) {}
  void run(const U64& first, const Extent& apart, const Accesses& accesses) const;

 private:
  void load(const ElementPtr& first, const Extent& apart, const Accesses& accesses,
            Values& v) const;
  void apply(const std::string& op, Values& v, const Values& y) const;
  void apply_in_turns(const std::string& op, const std::string& name, Values& v) const;
  void store(const ElementPtr& first, const Extent& apart, const Accesses& accesses,
             const Values& v) const;

  Emitter& k_;
  const Elementwise& e_;
  int vector_;
  std::vector<F32> bias_;  ///< of the thread's columns
};

void Chain::load(const ElementPtr& first, const Extent& apart, const Accesses& accesses,
                 Values& v) const {
  accesses.each(first, apart, [&](int i, const ElementPtr& at) {
    auto next = v.begin() + i * vector_;
    k_.load_each(at, vector_, [&](F32&& value) { *next++ = std::move(value); });
  });
}

void Chain::store(const ElementPtr& first, const Extent& apart, const Accesses& accesses,
                  const Values& v) const {
  accesses.each(first, apart, [&](int i, const ElementPtr& at) {
    std::vector<F32> here;
    for (int j : unroll(vector_)) here.push_back(k_.present(v[i * vector_ + j]));
    k_.store_vector(at, here);
  });
}

void Chain::run(const U64& first, const Extent& apart, const Accesses& accesses) const {
  const bool adds = e_.ops.has("add");
  Values v = k_.array<f32>("x", vector_ * accesses.count());
  Values y = k_.array<f32>("y", adds ? vector_ * accesses.count() : 0);
  k_.phase("load", [&] {
    load(k_.ptr(e_.x) + first, apart, accesses, v);
    if (adds) load(k_.ptr(e_.y) + first, apart, accesses, y);
  });
  for (std::size_t i = 0; i < e_.ops.get().size(); ++i) {
    const std::string& op = e_.ops.get()[i];
    k_.phase(op, [&] {
      if (e_.dtype != Dtype::f32 && Elementwise::is_costly(op) && v.size() > at_a_time)
        apply_in_turns(op, "turn" + std::to_string(i), v);
      else
        apply(op, v, y);
    });
  }
  k_.phase("store", [&] { store(k_.ptr(e_.out) + first, apart, accesses, v); });
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
      v[i] = exp(k_, k_.present(v[i]), precision_for(e_.dtype));
    else
      v[i] = activation(k_, op, k_.present(v[i]), precision_for(e_.dtype));
  }
}

// Registers have no index, so the values move past the first places, which are the ones computed,
// until each has been there and is in its own place again. Unrolled, the text would be several
// times as long and no faster.
void Chain::apply_in_turns(const std::string& op, const std::string& name, Values& v) const {
  k_.for_range(name, 0, static_cast<int>(v.size()), static_cast<int>(at_a_time), [&](const U32&) {
    std::vector<F32> done;
    for (std::size_t i = 0; i < at_a_time; ++i)
      done.push_back(activation(k_, op, k_.present(v[i]), precision_for(e_.dtype)));
    for (std::size_t i = 0; i + at_a_time < v.size(); ++i) v[i] = v[i + at_a_time];
    for (std::size_t i = 0; i < at_a_time; ++i) v[v.size() - at_a_time + i] = In<f32>(done[i]);
  });
}

void Elementwise::emit_flat(Emitter& k, const Form& form) const {
  const int apart = block * form.vector;
  const Extent r = k.dim(rows), c = k.dim(cols);
  const bool is_static = r.is_static() && c.is_static();
  // 64 bits: a tensor may hold more than 2^32 elements.
  const U64 own = k.cvt<ptx::u64>(k.tid_x() * form.vector);
  const U64 first = k.let("first", k.mad_wide(k.ctaid_x(), static_cast<int>(span(form)), own));
  Accesses::Inside inside(static_cast<std::size_t>(in_flight(form)));
  if (!is_static || r.get() * c.get() % span(form) != 0) {
    const U64 total = k.let("total", k.mul_wide(r, c));
    k.exit_if(first >= total);
    for (int i = 1; i < in_flight(form); ++i)
      inside[i] = k.let("inside" + std::to_string(i), first + i * apart < total);
  }
  Chain(k, *this, form.vector, {}).run(first, apart, Accesses(k, inside));
}

void Elementwise::emit_by_row(Emitter& k, const Form& form) const {
  const Extent c = k.dim(cols);
  const RowTile tile(k, tile_of(form), c);
  std::vector<F32> column_bias;
  for (const F32& b : k.load_vector(k.ptr(bias) + tile.col(), form.vector))
    column_bias.push_back(k.let("bias" + std::to_string(column_bias.size()), b));
  const Extent apart = k.let("apart", tile.rows_apart() * c);
  const Chain chain(k, *this, form.vector, column_bias);
  tile.each_group(k.dim(rows), [&](const U32& row, const Accesses& accesses) {
    chain.run(k.let("first", k.mad_wide(row, c, k.cvt<ptx::u64>(tile.col()))), apart, accesses);
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
