// gemv: out = activation(alpha W x + bias) + residual, the product with a single row. Memory bound:
// each thread keeps several 16-byte loads of W in flight. Rows of 16-bit weights stream
// (lib/row_stream.hpp); the rest walks as f32 does.
#include <functional>

#include "templates/emitter.hpp"
#include "templates/lib/access.hpp"
#include "templates/lib/epilogue.hpp"
#include "templates/lib/overlap.hpp"
#include "templates/lib/reduce.hpp"
#include "templates/lib/row_stream.hpp"

namespace ptxmill::kernels {
namespace {

/// Accesses to W that a thread has in flight at most. The guards of so many fit into the seven
/// predicate registers of a thread; with more, loads would wait for each other.
constexpr int most_at_once = 6;
/// out_in: warps of a CTA. Each takes a row, or all take one row's k together.
constexpr int row_warps = 4;
/// in_out: columns of a CTA, and its warps, which divide k. Vectors of 8 read 128 bytes of a k.
constexpr int cta_columns(const Form& form) { return form.vector == 8 ? 64 : 32; }
constexpr int column_warps = 16;
/// Rows below which a warp for each would leave the memory idle, and k from which it has work for
/// more than one warp.
constexpr int few_rows = 1056, long_row = 1025;

class Gemv final : public Template {
 public:
  Gemv() {
    for (Integer* choice : {&block, &split, &rows, &loads}) tunable(*choice);
  }

  DtypeField dtype{
      *this, "dtype", "element type of x, w and bias", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  DtypeField out_dtype{*this,
                       "out_dtype",
                       "element type of residual and out",
                       {Dtype::f32, Dtype::f16, Dtype::bf16},
                       dtype};
  Dim dim_n{*this, "n", "output features"};
  Dim dim_k{*this, "k", "input features"};
  Choice layout{*this,
                "layout",
                "how w is stored: out_in is [n, k], in_out is [k, n]",
                {"out_in", "in_out"},
                "out_in"};
  EpilogueFields epilogue{*this};
  WeightsField weights{*this};
  // How rows of 16-bit weights are streamed; 0 chooses by n and k.
  Integer block{*this,
                "block",
                "16-bit rows: threads of a CTA; 0 chooses",
                0,
                {.min = 0, .max = 1024, .multiple_of = 32, .implied = true}};
  Integer split{*this,
                "split",
                "16-bit rows: warps that share a row; 0 chooses",
                0,
                {.min = 0, .max = 32, .implied = true}};
  Integer rows{*this,
               "rows",
               "16-bit rows: rows that they take together, 1, 2 or 4; 0 chooses",
               0,
               {.min = 0, .max = 4, .implied = true}};
  Integer loads{*this,
                "loads",
                "16-bit rows: copies of a row that a thread has in flight; 0 chooses",
                0,
                {.min = 0, .max = 16, .implied = true}};

  Tensor x{*this, "x", Direction::in, dtype, "the row", [this] { return Shape{dim_k}; }};
  Tensor w{
      *this,         "w",
      Direction::in, dtype,
      "the weights", [this] { return is_out_in() ? Shape{dim_n, dim_k} : Shape{dim_k, dim_n}; }};
  Tensor bias{*this,
              "bias",
              Direction::in,
              dtype,
              "added to the product",
              [this] { return Shape{dim_n}; },
              [this] { return epilogue.bias.get(); }};
  Tensor residual{*this,
                  "residual",
                  Direction::in,
                  out_dtype,
                  "added last",
                  [this] { return Shape{dim_n}; },
                  [this] { return epilogue.residual.get(); }};
  Tensor out{*this, "out", Direction::out, out_dtype, "the result; may be residual", [this] {
               return Shape{dim_n};
             }};

  std::vector<Form> forms() const override;
  Launch launch(const Form& form) const override;
  int alignment(const Form& form, const Tensor& tensor) const override;
  void check() const override;
  void emit(Emitter& k, const Form& form) const override {
    const bool requests_early = form.variant == streams && weights.are_resident();
    if (can_overlap(target())) k.griddepcontrol_launch_dependents();
    if (!requests_early) wait_for_launch_before(k);
    if (form.variant == streams)
      emit_stream(k, requests_early);
    else if (is_out_in())
      emit_rows(k, form);
    else
      emit_columns(k, form);
  }
  std::vector<std::pair<std::string, std::string>> division(const Form& form,
                                                            const ptx::Target&) const override {
    if (form.variant != streams) return {};
    return stream().division();
  }

 private:
  /// The variant of forms that stream; others' is the number of warps that share a row.
  static constexpr int streams = -1;

  bool is_out_in() const { return layout.is("out_in"); }
  RowStream stream() const { return RowStream::chosen({block, split, rows, loads}, dim_n, dim_k); }
  /// Accesses to W that a thread has in flight.
  int at_once(const Form& form) const {
    if (dtype == Dtype::f32) return most_at_once;
    return form.vector == 1 ? 1 : 4;
  }
  void wait_for_launch_before(Emitter& k) const {
    if (can_overlap(target())) k.griddepcontrol_wait();
  }
  void emit_stream(Emitter& k, bool requests_early) const;
  void emit_rows(Emitter& k, const Form& form) const;
  void emit_columns(Emitter& k, const Form& form) const;
  void store(Emitter& k, const U32& element, const F32& sum) const;
};

void Gemv::check() const {
  const bool has_stream = dtype != Dtype::f32 && is_out_in();
  for (const Integer* choice : {&block, &split, &rows, &loads})
    if (!has_stream && *choice != 0) refuse(*choice, "is for 16-bit weights of layout out_in");
  if (rows == 3) refuse(rows, "expected 1, 2 or 4, got 3");
  if ((split & (split - 1)) != 0) refuse(split, "expected a power of two");
  if (block != 0 && split != 0 && block % (32 * split) != 0)
    refuse(block, "is no multiple of the threads that share a row");
  if (stream().shared_bytes() > 48 * 1024) refuse(loads, "takes more than 48 KB of shared memory");
}

std::vector<Form> Gemv::forms() const {
  const Dim& along = is_out_in() ? dim_k : dim_n;
  std::vector<Form> all;
  if (is_out_in() && dtype == Dtype::f32)
    all.push_back({.name = "split_rows",
                   .when = {{.dim = &dim_n, .max = few_rows},
                            {.dim = &dim_k, .min = long_row},
                            {.dim = &along, .multiple_of = 4}},
                   .vector = 4,
                   .variant = row_warps});
  for (const int width : vector_widths(along, dtype)) {
    const bool widest = width == widest_vector(dtype);
    all.push_back({.name = std::string(is_out_in() ? "rows" : "columns") +
                           (widest ? "" : "_vec" + std::to_string(width)),
                   .when = {{.dim = &along, .multiple_of = width}},
                   .vector = width,
                   .variant = is_out_in() && width == 8 ? streams
                              : is_out_in()             ? 1
                                                        : 0});
  }
  all.push_back({.name = "any", .variant = is_out_in() ? 1 : 0});
  return all;
}

Launch Gemv::launch(const Form& form) const {
  const auto of = [&](int cta_rows, int threads) {
    return Launch{.grid = {ceil_div(dim_n, cta_rows), 1, 1},
                  .block = {threads, 1, 1},
                  .overlaps = can_overlap(target())};
  };
  if (form.variant == streams) return of(stream().rows_per_cta(), stream().block);
  if (!is_out_in()) return of(cta_columns(form), 32 * column_warps);
  return of(row_warps / form.variant, 32 * row_warps);
}

int Gemv::alignment(const Form& form, const Tensor& tensor) const {
  const bool wide = &tensor == &w || (&tensor == &x && is_out_in());
  return (wide ? form.vector : 1) * spec::size_bytes(tensor.dtype());
}

void Gemv::store(Emitter& k, const U32& element, const F32& sum) const {
  std::vector<F32> added, last;
  if (epilogue.bias) added.push_back(k.load(k.ptr(bias) + element));
  if (epilogue.residual) last.push_back(k.load(k.ptr(residual) + element));
  const F32 value = apply(k, epilogue, {sum}, added, last, precision_for(out_dtype))[0];
  k.store(k.ptr(out) + element, value);
}

/// A thread's walk along k: sums of products of W's elements with x's.
class Walk {
 public:
  /// What is loaded for k = at + ahead + the thread's own place.
  using Load = std::function<std::vector<F32>(const Extent& at, int ahead)>;

  /// One access to W gives `w_width` terms, each its own sum; one to x as many elements, or one.
  Walk(Emitter& k, int at_once, int w_width, int x_width, Load load_w, Load load_x)
      : at_once_(at_once), load_w_(std::move(load_w)), load_x_(std::move(load_x)) {
    for (int i : unroll(at_once)) {
      w_.push_back(k.array<ptx::f32>("w" + std::to_string(i) + "_", w_width));
      x_.push_back(k.array<ptx::f32>("x" + std::to_string(i) + "_", x_width));
    }
    sums_ = k.array<ptx::f32>("sum", w_width, 0);
  }

  /// Takes the accesses at multiples of `apart`: in a loop of at_once accesses a round, then those
  /// that are left. There, one whose k may lie beyond the end stands under a guard; `own` is the
  /// thread's place.
  void go(Emitter& k, const Extent& depth, int apart, const U32& own);

  std::vector<F32> sums(Emitter& k) const {
    std::vector<F32> values;
    for (const Var<ptx::f32>& v : sums_) values.push_back(k.present(v));
    return values;
  }

 private:
  void load(int i, const Extent& at, int ahead) {
    std::vector<F32> w = load_w_(at, ahead);
    for (std::size_t j = 0; j < w.size(); ++j) w_[i][j] = std::move(w[j]);
    std::vector<F32> x = load_x_(at, ahead);
    for (std::size_t j = 0; j < x.size(); ++j) x_[i][j] = std::move(x[j]);
  }
  void multiply(Emitter& k, int i) {
    for (std::size_t j = 0; j < sums_.size(); ++j)
      sums_[j] = k.fma(w_[i][j], x_[i][x_[i].size() == 1 ? 0 : j], sums_[j]);
  }

  int at_once_;
  Load load_w_, load_x_;
  std::vector<std::vector<Var<ptx::f32>>> w_, x_;
  std::vector<Var<ptx::f32>> sums_;
};

void Walk::go(Emitter& k, const Extent& depth, int apart, const U32& own) {
  const int length = apart * at_once_;
  const Extent whole = k.let("k_whole", depth / length * length);
  if (!whole.is(0))
    k.for_range("k_at", 0, whole, length, [&](const U32& at) {
      k.phase("load and multiply", [&] {
        for (int i : unroll(at_once_)) load(i, Extent(at), i * apart);
        for (int i : unroll(at_once_)) multiply(k, i);
      });
    });
  const Extent rest = depth - whole;
  if (rest.is(0)) return;
  k.phase("load and multiply what is left", [&] {
    const int count = rest.is_static() ? ceil_div(rest.get(), apart) : at_once_;
    const int certain = rest.is_static() ? rest.get() / apart : 0;
    std::vector<Pred> valid;
    for (int i = certain; i < count; ++i) valid.push_back(own + whole + i * apart < depth);
    const auto where_valid = [&](int i, const std::function<void()>& body) {
      if (i < certain)
        body();
      else
        k.guard(valid[i - certain], body);
    };
    for (int i : unroll(count)) where_valid(i, [&] { load(i, whole, i * apart); });
    for (int i : unroll(count)) where_valid(i, [&] { multiply(k, i); });
  });
}

void Gemv::emit_stream(Emitter& k, bool requests_early) const {
  const auto before_vector = [&] {
    if (requests_early) wait_for_launch_before(k);
  };
  const ElementPtr w_at = k.ptr(w), x_at = k.ptr(x);
  RowStreamBody(k, stream(), k.dim(dim_n), k.dim(dim_k))
      .emit(w_at, x_at, before_vector, [&](const U32& row, const F32& sum) { store(k, row, sum); });
}

void Gemv::emit_rows(Emitter& k, const Form& form) const {
  const int vector = form.vector, warps_a_row = form.variant;
  const Extent n = k.dim(dim_n), depth = k.dim(dim_k);
  const int threads = 32 * warps_a_row;
  const int cta_rows = row_warps / warps_a_row;
  const U32 tid = k.let("tid", k.tid_x());
  const U32 own = k.let("own_k", tid % threads * vector);
  const U32 row = k.let("row", k.ctaid_x() * cta_rows + tid / threads);
  // A warp beyond the last row computes that one again, and does not store it.
  const bool exact = cta_rows == 1 || (n.is_static() && n.get() % cta_rows == 0);
  const U32 source = exact ? row : k.min(row, n - 1);
  const U64 along = k.cvt<ptx::u64>(own);
  const ElementPtr w_at = k.let("w_at", k.ptr(w) + k.mad_wide(source, depth, along));
  const ElementPtr x_at = k.let("x_at", k.ptr(x) + own);
  Walk walk(
      k, at_once(form), vector, vector,
      [&](const Extent& at, int ahead) { return k.load_vector(w_at + at + ahead, vector); },
      [&](const Extent& at, int ahead) { return k.load_vector(x_at + at + ahead, vector); });
  walk.go(k, depth, threads * vector, own);
  const F32 partial = k.let("partial", reduce_values(k, Reduction::sum, walk.sums(k)));
  const auto store_row = [&](const F32& sum) {
    const Pred first = tid % threads == 0;
    k.if_("stores", exact ? first : first && row < n, [&] { store(k, row, sum); });
  };
  if (warps_a_row > 1) {
    const Var<ptx::f32> sum = reduce_block(k, "row_sum", Reduction::sum, partial, threads);
    k.phase("apply the epilogue, store", [&] { store_row(k.present(sum)); });
  } else {
    k.phase("add up the lanes, apply the epilogue, store",
            [&] { store_row(reduce_warp(k, Reduction::sum, partial)); });
  }
}

void Gemv::emit_columns(Emitter& k, const Form& form) const {
  const int vector = form.vector, columns = cta_columns(form);
  const Extent n = k.dim(dim_n), depth = k.dim(dim_k);
  const int across = columns / vector;           // threads that read one k
  const int apart = 32 * column_warps / across;  // k that the CTA reads together
  const U32 tid = k.let("tid", k.tid_x());
  const U32 own = k.let("own_k", tid / across);
  const U32 first = k.let("first_col", k.ctaid_x() * columns);
  const U32 lane_col = k.let("lane_col", tid % across * vector);
  // Beyond the last columns, the last are read again: their sums are not stored.
  const U32 col = k.min(first + lane_col, n - vector);
  const U64 along = k.cvt<ptx::u64>(col);
  const ElementPtr w_at = k.let("w_at", k.ptr(w) + k.mad_wide(own, n, along));
  const ElementPtr x_at = k.let("x_at", k.ptr(x) + own);
  Walk walk(
      k, at_once(form), vector, 1,
      [&](const Extent& at, int ahead) {
        return k.load_vector(advance(k, advance(k, w_at, at, n), ahead, n), vector);
      },
      [&](const Extent& at, int ahead) { return k.load_vector(x_at + at + ahead, 1); });
  walk.go(k, depth, apart, own);
  const auto partials = k.shared<ptx::f32>("partials", column_warps * columns);
  k.phase("add up the lanes that share columns", [&] {
    std::vector<F32> of_warp;
    for (F32 sum : walk.sums(k)) {
      for (int distance = across; distance < 32; distance *= 2)
        sum = sum + k.shfl_sync_bfly(sum, distance);
      of_warp.push_back(sum);
    }
    const auto to = partials + (tid / 32 * columns + lane_col);
    k.guard(tid % 32 < across, [&] { store_shared(k, to, of_warp); });
  });
  k.sync();
  k.phase("add up the warps, apply the epilogue, store", [&] {
    const U32 out_col = first + tid;
    k.if_("stores", tid < columns && out_col < n, [&] {
      const auto from = partials + tid;
      std::vector<F32> values;
      for (int warp : unroll(column_warps)) values.push_back(k.load(from + warp * columns));
      store(k, out_col, reduce_values(k, Reduction::sum, values));
    });
  });
}

PTXMILL_TEMPLATE(Gemv, "gemv", "activation(alpha W x + bias) + residual for one row.");

}  // namespace
}  // namespace ptxmill::kernels
