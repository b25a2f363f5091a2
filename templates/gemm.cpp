// gemm: out = activation(alpha A W^T + bias) + residual, on the FMA units. A CTA computes one tile
// (lib/simt_tile.hpp); lib/gemm_tiles.hpp chooses it. The products of an element are added in the
// order of k, in as many chains as the tile has slices. A row's result depends on m only through
// the choice of the tile (the forms' `when`), and not on the other rows.
#include <algorithm>
#include <bit>

#include "templates/emitter.hpp"
#include "templates/lib/access.hpp"
#include "templates/lib/epilogue.hpp"
#include "templates/lib/gemm_tiles.hpp"
#include "templates/lib/panel.hpp"
#include "templates/lib/simt_tile.hpp"

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

/// Rows of tiles that neighbouring CTAs compute together, so that L2 serves most reads of W.
constexpr int group_rows = 16;

std::vector<std::string> tile_words() {
  std::vector<std::string> words{"auto"};
  for (const GemmTile& t : gemm_tiles()) words.emplace_back(t.name);
  return words;
}

const SimtTile& tile_of(const Form& form) {
  return gemm_tiles()[static_cast<std::size_t>(form.variant)].tile;
}

class Gemm final : public Template {
 public:
  Gemm() { tunable(tile_size); }

  DtypeField dtype{*this, "dtype", "element type of every tensor", {Dtype::f32}};
  Dim dim_m{*this, "m", "rows of a", {.min = 0, .dynamic_by_default = true}};
  Dim dim_n{*this, "n", "output features"};
  Dim dim_k{*this, "k", "input features"};
  Choice layout{*this,
                "layout",
                "how w is stored: out_in is [n, k], in_out is [k, n]",
                {"out_in", "in_out"},
                "out_in"};
  EpilogueFields epilogue{*this};
  Choice tile_size{*this, "tile",
                   "rows and columns of out that a CTA computes; auto chooses by n, k and m",
                   tile_words(), "auto"};

  Tensor a{*this, "a", Direction::in, dtype, "the rows", [this] { return Shape{dim_m, dim_k}; }};
  Tensor w{
      *this,         "w",
      Direction::in, dtype,
      "the weights", [this] { return is_out_in() ? Shape{dim_n, dim_k} : Shape{dim_k, dim_n}; }};
  Tensor bias{*this,
              "bias",
              Direction::in,
              dtype,
              "added to each row",
              [this] { return Shape{dim_n}; },
              [this] { return epilogue.bias.get(); }};
  Tensor residual{*this,
                  "residual",
                  Direction::in,
                  dtype,
                  "added last",
                  [this] {
                    return Shape{dim_m, dim_n};
                  },
                  [this] { return epilogue.residual.get(); }};
  Tensor out{*this, "out", Direction::out, dtype, "the result; may be residual", [this] {
               return Shape{dim_m, dim_n};
             }};

  std::vector<Form> forms() const override;
  Launch launch(const Form& form) const override;
  int alignment(const Form& form, const Tensor& tensor) const override;
  std::vector<std::pair<std::string, std::string>> division(const Form& form,
                                                            const ptx::Target&) const override {
    const SimtTile& t = tile_of(form);
    const auto by = [](int down, int across) {
      return std::to_string(down) + " x " + std::to_string(across);
    };
    return {{"CTA's tile", by(t.rows, t.cols)},
            {"thread's block", by(t.thread_rows, t.thread_cols)},
            {"slices of k", std::to_string(t.slices)},
            {"stages", std::to_string(t.stages) + " of " + std::to_string(t.depth) + " of k each"}};
  }
  void emit(Emitter& k, const Form& form) const override;

 private:
  /// What the phases of one kernel share.
  struct Parts {
    Stages stages;
    int out_vector;  ///< elements of one access to out, bias and residual
    U32 first_row, first_col;
    Shared ring;
    Var<ptx::u32> ring_at;  ///< the present stage, in elements from the ring's start
    std::unique_ptr<Panel> a, w;
    Accumulators sums;
  };

  bool is_out_in() const { return layout.is("out_in"); }
  std::vector<Form> forms_of(const TileChoice& choice, bool is_last) const;
  Parts parts(Emitter& k, const Form& form) const;
  static void fill_ring(Emitter& k, Parts& p);
  static void end_stage(Emitter& k, Parts& p, const U32& next);
  static void multiply_round(Emitter& k, Parts& p, const U32& at);
  void store(Emitter& k, const Parts& p) const;
  void store_columns(Emitter& k, const Parts& p, const U32& col, int across) const;
};

/// The copy of the tile's result in shared memory: padded, against bank conflicts.
constexpr int result_pitch(const SimtTile& tile) { return tile.cols + 4; }

/// With a dynamic n, the last tile has a form for multiples of 4 and one for the rest.
std::vector<Form> Gemm::forms_of(const TileChoice& choice, bool is_last) const {
  const bool any_n = !dim_n.is_static();
  Form form{.name = std::string("t") + gemm_tiles()[static_cast<std::size_t>(choice.tile)].name,
            .vector = any_n || dim_n.get() % 4 == 0 ? 4 : 1,
            .variant = choice.tile};
  if (choice.least_n > 0) form.when.push_back({.dim = &dim_n, .min = choice.least_n});
  if (choice.least_m > 0) form.when.push_back({.dim = &dim_m, .min = choice.least_m});
  if (any_n) form.when.push_back({.dim = &dim_n, .multiple_of = 4});
  if (!any_n || !is_last) return {form};
  return {form, {.name = form.name + "_any", .vector = 1, .variant = choice.tile}};
}

std::vector<Form> Gemm::forms() const {
  const auto choices = tile_size.is("auto")
                           ? choose_tiles(dim_m, dim_n, dim_k)
                           : std::vector<TileChoice>{{gemm_tile_number(tile_size.get())}};
  std::vector<Form> all;
  for (const TileChoice& choice : choices)
    for (Form& form : forms_of(choice, &choice == &choices.back())) all.push_back(std::move(form));
  return all;
}

Launch Gemm::launch(const Form& form) const {
  const SimtTile& tile = tile_of(form);
  return {.grid = {ceil_div(dim_m, tile.rows) * ceil_div(dim_n, tile.cols), 1, 1},
          .block = {tile.threads(), 1, 1},
          .min_ctas_per_sm = tile.ctas_per_sm};
}

int Gemm::alignment(const Form& form, const Tensor& tensor) const {
  const bool operand = &tensor == &a || &tensor == &w;
  return (operand ? 1 : form.vector) * spec::size_bytes(dtype);
}

/// The tile of this CTA: its first row and column.
std::pair<U32, U32> place(Emitter& k, const SimtTile& tile, const Extent& m, const Extent& n) {
  const Extent down = k.let("tiles_down", ceil_div(m, tile.rows));
  const Extent group_tiles = k.let("group_tiles", ceil_div(n, tile.cols) * group_rows);
  const U32 cta = k.let("cta", k.ctaid_x());
  const U32 top = k.let("group_top", cta / group_tiles * group_rows);
  const U32 height = k.let("group_height", k.min(down - Extent(top), group_rows));
  const U32 within = k.let("within_group", cta % group_tiles);
  return {k.let("first_row", (top + within % height) * tile.rows),
          k.let("first_col", within / height * tile.cols)};
}

Gemm::Parts Gemm::parts(Emitter& k, const Form& form) const {
  const SimtTile& tile = tile_of(form);
  const Extent m = k.dim(dim_m), n = k.dim(dim_n), depth = k.dim(dim_k);
  const auto [row, col] = place(k, tile, m, n);
  const int elements = std::max(tile.ring_elements(), tile.rows * result_pitch(tile));
  const Shared ring = k.let("ring", k.shared<ptx::f32>("ring", elements));
  Var<ptx::u32> ring_at = k.var<ptx::u32>("ring_at", 0);
  const Stages stages(k, tile, depth);
  const PanelSource from_a{"a", k.ptr(a), m, row, tile.rows};
  const PanelSource from_w{"w", k.ptr(w), n, col, tile.cols};
  auto a_panel = row_panel(k, stages, from_a, ring);
  auto w_panel = (is_out_in() ? row_panel : column_panel)(k, stages, from_w, ring + tile.rows);
  Accumulators sums(k, tile, stages.tid, ring);
  return {stages,
          form.vector,
          row,
          col,
          ring,
          std::move(ring_at),
          std::move(a_panel),
          std::move(w_panel),
          std::move(sums)};
}

/// Copies as many stages as the ring holds, and waits for the first.
void Gemm::fill_ring(Emitter& k, Parts& p) {
  const SimtTile& tile = p.stages.tile;
  const Extent& count = p.stages.count;
  for (int stage : unroll(tile.stages)) {
    const auto fetch = [&] {
      k.phase("copy stage " + std::to_string(stage), [&] {
        for (Panel* panel : {p.a.get(), p.w.get()})
          if (stage == 0)
            panel->fetch_first(k);
          else
            panel->fetch(k, stage * tile.depth, stage * tile.stage_elements(), nullptr);
      });
    };
    if (stage == 0 || (count.is_static() && count.get() > stage))
      fetch();
    else if (!count.is_static())
      k.if_("has_stage" + std::to_string(stage), count > stage, fetch);
    k.cp_async_commit_group();
  }
  k.cp_async_wait_group(tile.stages - 1);
  k.sync();
}

/// Frees the present stage, fills it anew, and turns to the next.
void Gemm::end_stage(Emitter& k, Parts& p, const U32& next) {
  const SimtTile& tile = p.stages.tile;
  k.cp_async_wait_group(tile.stages - 2);
  k.sync();
  const U32 ahead = k.let("stage_ahead", next / tile.slice_depth() + (tile.stages - 1));
  const auto copy_stage = [&](const Pred* when) {
    const U32 at = ahead * tile.depth;
    for (Panel* panel : {p.a.get(), p.w.get()})
      panel->fetch(k, Extent(at), Extent(k.present(p.ring_at)), when);
  };
  if (tile.guards_copies) {
    k.phase("copy a later stage into its place", [&] {
      const Pred follows = ahead < p.stages.count;
      copy_stage(&follows);
    });
  } else {
    k.if_("stage_follows", ahead < p.stages.count,
          [&] { k.phase("copy a later stage into its place", [&] { copy_stage(nullptr); }); });
  }
  k.cp_async_commit_group();
  k.phase("turn to the next stage", [&] {
    const U32 following = p.ring_at + tile.stage_elements();
    p.ring_at = k.selp(following, 0u, following < tile.ring_elements());
    p.sums.turn_to(Extent(k.present(p.ring_at)));
  });
}

void Gemm::multiply_round(Emitter& k, Parts& p, const U32& at) {
  const SimtTile& tile = p.stages.tile;
  k.phase("multiply", [&] {
    for (int step : unroll(tile.steps - 1)) {
      p.sums.read(k, (step + 1) % 2, step + 1);
      p.sums.multiply(k, step % 2);
    }
  });
  const U32 next = k.let("k_next", at + tile.steps);
  k.phase("go on to the next k", [&] { p.sums.advance(tile.steps); });
  if (tile.steps == tile.slice_depth())
    end_stage(k, p, next);
  else
    k.if_("stage_ends", next % tile.slice_depth() == 0, [&] { end_stage(k, p, next); });
  // In the last round what is read here is never used.
  k.phase("multiply the last step, read the next round's operands", [&] {
    p.sums.read(k, 0, 0);
    p.sums.multiply(k, 1);
  });
  if (tile.chunk > 0) k.if_("chunk_ends", next % tile.chunk == 0, [&] { p.sums.end_chunk(k); });
}

/// Threads stand side by side along rows: as many as divide both a row and the CTA.
void Gemm::store(Emitter& k, const Parts& p) const {
  const SimtTile& tile = p.stages.tile;
  const int accesses = tile.cols / p.out_vector;
  const int across =
      std::min(1 << std::countr_zero(static_cast<unsigned>(accesses)), tile.threads());
  const U32 first = k.let("store_col", p.stages.tid % across * p.out_vector);
  if (across == accesses)
    store_columns(k, p, first, across);
  else
    k.for_range("col", first, tile.cols, across * p.out_vector,
                [&](const U32& col) { store_columns(k, p, col, across); });
}

void Gemm::store_columns(Emitter& k, const Parts& p, const U32& col, int across) const {
  const int width = p.out_vector, pitch = result_pitch(p.stages.tile);
  const int apart = p.stages.tile.threads() / across;
  const Extent m = k.dim(dim_m), n = k.dim(dim_n);
  k.phase("apply the epilogue, store", [&] {
    const U32 end = k.min(m - Extent(p.first_row), p.stages.tile.rows);
    const U32 out_col = p.first_col + col;
    k.if_("in_range", out_col < n, [&] {
      std::vector<F32> added;
      if (epilogue.bias) added = k.load_vector(k.ptr(bias) + out_col, width);
      // Of each pair of columns the second comes first.
      const Shared from = p.ring + (width == 1 ? k.xor_(col, 1) : col);
      Var<ptx::u32> row = k.var<ptx::u32>("row", p.stages.tid / across);
      const auto store_some = [&](int count) {
        std::vector<U64> elements;
        std::vector<std::vector<F32>> last(count);
        const U64 along = k.cvt<ptx::u64>(out_col);
        for (int i : unroll(count)) {
          elements.push_back(k.mad_wide(p.first_row + row + i * apart, n, along));
          if (epilogue.residual) last[i] = k.load_vector(k.ptr(residual) + elements[i], width);
        }
        const Shared at = from + row * pitch;
        for (int i : unroll(count)) {
          std::vector<F32> sums = load_shared(k, at + i * apart * pitch, width);
          for (int pair = 0; pair + 1 < width; pair += 2) std::swap(sums[pair], sums[pair + 1]);
          const auto values = apply(k, epilogue, sums, added, last[i]);
          k.store_vector(k.ptr(out) + elements[i], values);
        }
        row += count * apart;
      };
      // Several rows at once keep loads of the residual in flight.
      const int at_once = (epilogue.residual && !epilogue.is_costly() ? 16 : 4) / width;
      if (at_once > 1)
        k.while_(
            "rows", [&] { return row + (at_once - 1) * apart < end; },
            [&] { store_some(at_once); });
      k.while_(
          "last_rows", [&] { return row < end; }, [&] { store_some(1); });
    });
  });
}

void Gemm::emit(Emitter& k, const Form& form) const {
  Parts p = parts(k, form);
  const SimtTile& tile = p.stages.tile;
  fill_ring(k, p);
  k.phase("read the first operands", [&] {
    p.sums.turn_to(0);
    p.sums.read(k, 0, 0);
  });
  const Extent end = p.stages.count * tile.slice_depth();
  k.for_range("k_at", 0, k.let("k_end", end), tile.steps,
              [&](const U32& at) { multiply_round(k, p, at); });
  p.sums.finish(k);
  p.sums.deposit(k, p.ring, result_pitch(tile));
  store(k, p);
}

PTXMILL_TEMPLATE(Gemm, "gemm", "activation(alpha A W^T + bias) + residual for a matrix of rows.");

}  // namespace
}  // namespace ptxmill::kernels
