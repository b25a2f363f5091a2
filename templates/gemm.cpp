// gemm: out = activation(alpha A W^T + bias) + residual, on the FMA units. A CTA computes one tile
// (lib/simt_tile.hpp). The products of an element are added in the order of k: in chunks of 64 in
// the smaller tiles, in one chain in the large one, whose registers are full. A row's result
// depends on m only through that choice (the forms' `when`), and not on the other rows.
#include <algorithm>
#include <cmath>

#include "templates/emitter.hpp"
#include "templates/lib/access.hpp"
#include "templates/lib/epilogue.hpp"
#include "templates/lib/panel.hpp"
#include "templates/lib/simt_tile.hpp"

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

/// Multiprocessors that a launch should fill.
constexpr std::int64_t processors = 132;
/// Rows of tiles that neighbouring CTAs compute together, so that L2 serves most reads of W.
constexpr int group_rows = 16;

/// A tile, and how many of them a launch must have for it to be preferred to the next.
struct Variant {
  const char* name;
  SimtTile tile;
  std::int64_t least_tiles;
};
constexpr Variant variants[] = {{"large", {128, 128, 16, 8, 16, 4, 2, 0}, 2 * processors},
                                {"medium", {64, 64, 32, 4, 8, 8, 3, 64}, processors},
                                {"small", {32, 32, 32, 4, 4, 8, 8, 64}, 0}};
constexpr int any_variant = 1;

class Gemm final : public Template {
 public:
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
  Choice tile_size{
      *this,
      "tile",
      "what a CTA computes: large is 128 x 128, medium 64 x 64, small 32 x 32; auto chooses "
      "by how many a launch has",
      {"auto", "large", "medium", "small"},
      "auto"};

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
  void emit(Emitter& k, const Form& form) const override;

 private:
  /// What the phases of one kernel share.
  struct Parts {
    Stages stages;
    int out_vector;  ///< elements of one access to out, bias and residual
    U32 first_row, first_col;
    Shared ring;
    std::unique_ptr<Panel> a, w;
    Accumulators sums;
  };

  bool is_out_in() const { return layout.is("out_in"); }
  int out_vector(const Form& form) const;
  std::vector<When> enough_tiles(const Variant& variant) const;
  Parts parts(Emitter& k, const Form& form) const;
  static void fetch(Emitter& k, Parts& p, const Extent& at);
  static void multiply_round(Emitter& k, Parts& p, const U32& at);
  void store_band(Emitter& k, const Parts& p, const Extent& band, int bands) const;
  void store_rows(Emitter& k, const Parts& p, const Extent& first, int rows) const;
};

/// The copy of the tile's result in shared memory: padded, against bank conflicts.
constexpr int pitch(const SimtTile& tile) { return tile.cols + 4; }

/// The parts in which the result passes through the ring's memory.
constexpr int bands(const SimtTile& tile) {
  return tile.rows * pitch(tile) > tile.ring_elements() ? tile.warps_down() : 1;
}

std::vector<When> Gemm::enough_tiles(const Variant& variant) const {
  const auto least = [](int extent, std::int64_t tiles) { return (tiles - 1) * extent + 1; };
  const auto& [rows, cols] = std::pair(variant.tile.rows, variant.tile.cols);
  if (variant.least_tiles == 0) return {};
  if (dim_n.is_static()) {
    const std::int64_t across = ceil_div(dim_n.get(), cols);
    return {{.dim = &dim_m, .min = least(rows, ceil_div(variant.least_tiles, across))}};
  }
  if (dim_m.is_static()) {
    const std::int64_t down = ceil_div(dim_m.get(), rows);
    return {{.dim = &dim_n, .min = least(cols, ceil_div(variant.least_tiles, down))}};
  }
  const auto side = static_cast<std::int64_t>(std::sqrt(variant.least_tiles));
  return {{.dim = &dim_m, .min = least(rows, side)}, {.dim = &dim_n, .min = least(cols, side)}};
}

std::vector<Form> Gemm::forms() const {
  std::vector<Form> all;
  int scalar_tile = any_variant;
  for (int i = 0; i < static_cast<int>(std::size(variants)); ++i) {
    const Variant& v = variants[i];
    if (tile_size.is(v.name)) scalar_tile = i;
    if (!tile_size.is("auto") && !tile_size.is(v.name)) continue;
    Form form{.name = v.name, .vector = 4, .variant = i};
    if (tile_size.is("auto")) form.when = enough_tiles(v);
    form.when.push_back({.dim = &dim_k, .multiple_of = 4});
    if (!is_out_in()) form.when.push_back({.dim = &dim_n, .multiple_of = 4});
    all.push_back(std::move(form));
  }
  all.push_back({.name = "any", .variant = scalar_tile});
  return all;
}

Launch Gemm::launch(const Form& form) const {
  const SimtTile& tile = variants[form.variant].tile;
  return {.grid = {ceil_div(dim_m, tile.rows) * ceil_div(dim_n, tile.cols), 1, 1},
          .block = {tile.threads(), 1, 1},
          .min_ctas_per_sm = tile.ctas_per_sm};
}

int Gemm::out_vector(const Form& form) const {
  const bool rows_aligned =
      dim_n.is_static() ? dim_n.get() % 4 == 0 : divisor(form, dim_n) % 4 == 0;
  return form.vector == 4 && rows_aligned ? 4 : 1;
}

int Gemm::alignment(const Form& form, const Tensor& tensor) const {
  const bool operand = &tensor == &a || &tensor == &w;
  return (operand ? form.vector : out_vector(form)) * spec::size_bytes(dtype);
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
  const SimtTile& tile = variants[form.variant].tile;
  const Extent m = k.dim(dim_m), n = k.dim(dim_n), depth = k.dim(dim_k);
  const auto [row, col] = place(k, tile, m, n);
  const int result_elements = tile.rows / bands(tile) * pitch(tile);
  const int elements = std::max(tile.ring_elements(), result_elements);
  const Shared ring = k.let("ring", k.shared<ptx::f32>("ring", elements));
  const Stages stages(k, tile, depth, form.vector);
  const PanelSource from_a{"a", k.ptr(a), m, row, tile.rows};
  const PanelSource from_w{"w", k.ptr(w), n, col, tile.cols};
  auto a_panel = row_panel(k, stages, from_a, ring);
  auto w_panel = (is_out_in() ? row_panel : column_panel)(k, stages, from_w, ring + tile.rows);
  Accumulators sums(k, tile, stages.tid, ring);
  return {stages,         out_vector(form), row, col, ring, std::move(a_panel), std::move(w_panel),
          std::move(sums)};
}

void Gemm::fetch(Emitter& k, Parts& p, const Extent& at) {
  k.phase("load the stage after it", [&] {
    p.a->fetch(k, at);
    p.w->fetch(k, at);
  });
}

void Gemm::multiply_round(Emitter& k, Parts& p, const U32& at) {
  const SimtTile& tile = p.stages.tile;
  const Extent& end = p.stages.end;
  k.phase("multiply", [&] {
    for (int step : unroll(tile.steps - 1)) {
      p.sums.read(k, (step + 1) % 2, step + 1);
      p.sums.multiply(k, step % 2);
    }
  });
  const U32 next = k.let("k_next", at + tile.steps);
  k.phase("go on to the next slices", [&] { p.sums.advance(tile.steps); });
  k.if_("stage_ends", next % tile.depth == 0, [&] {
    const U32 stage = k.let("ring_next", next / tile.depth % 2 * (tile.depth * tile.slice()));
    k.phase("turn to the other stage", [&] { p.sums.turn_to(Extent(stage)); });
    k.if_("stage_follows", next < end, [&] {
      k.phase("store it to shared memory", [&] {
        p.a->deposit(k, Extent(stage));
        p.w->deposit(k, Extent(stage));
      });
      k.sync();
      const U32 ahead = k.assume_multiple(k.let("k_ahead", next + tile.depth), tile.depth);
      k.if_("stage_ahead", ahead < end, [&] { fetch(k, p, Extent(ahead)); });
    });
  });
  // In the last round what is read here is never used.
  k.phase("multiply the last step, read the next round's operands", [&] {
    p.sums.read(k, 0, 0);
    p.sums.multiply(k, 1);
  });
  if (tile.chunk > 0) k.if_("chunk_ends", next % tile.chunk == 0, [&] { p.sums.end_chunk(k); });
}

void Gemm::store_band(Emitter& k, const Parts& p, const Extent& band, int count) const {
  const int rows = p.stages.tile.rows / count;
  const Extent first = k.let("band_row", band * rows);
  const auto deposit = [&] {
    k.phase("put the sums into shared memory",
            [&] { p.sums.deposit(k, p.ring, pitch(p.stages.tile), first); });
  };
  k.sync();
  if (count == 1)
    deposit();
  else
    k.if_("own_band", p.sums.warp_row() / (p.stages.tile.warps_down() / count) == band, deposit);
  k.sync();
  store_rows(k, p, first, rows);
}

void Gemm::store_rows(Emitter& k, const Parts& p, const Extent& first, int rows) const {
  const int width = p.out_vector;
  const int threads_across = p.stages.tile.cols / width;
  const int apart = p.stages.tile.threads() / threads_across;
  const Extent m = k.dim(dim_m), n = k.dim(dim_n);
  k.phase("apply the epilogue, store", [&] {
    const U32 first_row = p.first_row + first;
    const U32 end = k.min(k.max(m, first_row) - first_row, rows);
    const U32 col = p.stages.tid % threads_across * width;
    const U32 out_col = p.first_col + col;
    k.if_("in_range", out_col < n, [&] {
      std::vector<F32> added;
      if (epilogue.bias) added = k.load_vector(k.ptr(bias) + out_col, width);
      const Shared from = p.ring + col;
      Var<ptx::u32> row = k.var<ptx::u32>("row", p.stages.tid / threads_across);
      const auto store_some = [&](int count) {
        std::vector<U64> elements;
        std::vector<std::vector<F32>> last(count);
        const U64 along = k.cvt<ptx::u64>(out_col);
        for (int i : unroll(count)) {
          elements.push_back(k.mad_wide(first_row + row + i * apart, n, along));
          if (epilogue.residual) last[i] = k.load_vector(k.ptr(residual) + elements[i], width);
        }
        const Shared at = from + row * pitch(p.stages.tile);
        for (int i : unroll(count)) {
          const auto sums = load_shared(k, at + i * apart * pitch(p.stages.tile), width);
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
  const Extent& end = p.stages.end;
  k.phase("load the first stage", [&] {
    p.a->fetch_first(k);
    p.w->fetch_first(k);
  });
  k.phase("store it to shared memory", [&] {
    p.a->deposit(k, 0);
    p.w->deposit(k, 0);
  });
  k.sync();
  if (!end.is_static())
    k.if_("second_stage", end > tile.depth, [&] { fetch(k, p, tile.depth); });
  else if (end.get() > tile.depth)
    fetch(k, p, tile.depth);
  k.phase("read the first operands", [&] {
    p.sums.turn_to(0);
    p.sums.read(k, 0, 0);
  });
  k.for_range("k_at", 0, end, tile.steps, [&](const U32& at) { multiply_round(k, p, at); });
  p.sums.finish(k);
  const int count = bands(tile);
  if (count == 1)
    store_band(k, p, 0, 1);
  else
    k.for_range("band", 0, count, 1,
                [&](const U32& band) { store_band(k, p, Extent(band), count); });
}

PTXMILL_TEMPLATE(Gemm, "gemm", "activation(alpha A W^T + bias) + residual for a matrix of rows.");

}  // namespace
}  // namespace ptxmill::kernels
