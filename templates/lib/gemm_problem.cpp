#include "templates/lib/gemm_problem.hpp"

#include <algorithm>
#include <bit>

#include "templates/lib/access.hpp"

namespace ptxmill::kernels {
namespace {

/// Rows of tiles that neighbouring CTAs compute together.
constexpr int group_rows = 16;

/// `n` neighbouring sums of a row, the elements of one access to the result.
std::vector<F32> load_sums(Emitter& k, const ResultTile& tile, const SharedPtr<ptx::f32>& at,
                           int n) {
  std::vector<F32> sums;
  for (int piece = 0; piece < n; piece += 4)
    for (const F32& sum : add_shared(k, at + piece, std::min(n, 4), tile.parts, tile.parts_apart))
      sums.push_back(sum);
  for (int pair = 0; tile.has_pairs_turned && pair + 1 < n; pair += 2)
    std::swap(sums[pair], sums[pair + 1]);
  return sums;
}

/// `col`: of the result, from the tile's first on.
void store_columns(Emitter& k, const GemmProblem& problem, const ResultTile& tile, const U32& tid,
                   const U32& col, int across, int apart) {
  const MatrixEpilogueFields& epilogue = problem.epilogue;
  const int width = problem.vector;
  k.phase("apply the epilogue, store", [&] {
    const U32 end = k.min(problem.m - Extent(tile.first_row), tile.rows);
    const U32 out_col = epilogue.is_gated() ? tile.first_col / 2 + col : tile.first_col + col;
    const Extent out_cols = epilogue.out_cols(problem.n);
    k.if_("in_range", out_col < out_cols, [&] {
      const U32 sum = epilogue.sum_of(col);
      std::vector<F32> added;
      if (problem.bias) {
        const ElementPtr bias = *problem.bias + epilogue.sum_of(out_col);
        for (int part = 0; part < epilogue.sums(); ++part)
          for (const F32& b : k.load_vector(bias + part * gate_group, width)) added.push_back(b);
      }
      const SharedPtr<ptx::f32> from =
          tile.from + (width == 1 && tile.has_pairs_turned ? k.xor_(sum, 1) : sum);
      Var<ptx::u32> row = k.var<ptx::u32>("row", tid / across);
      const auto store_some = [&](int count) {
        std::vector<U64> elements;
        std::vector<std::vector<F32>> last(count);
        const OutColumn column = out_column(k, epilogue, problem.m, problem.n, out_col);
        for (int i : unroll(count)) {
          elements.push_back(column.in_row(k, tile.first_row + row + i * apart));
          if (problem.residual) last[i] = k.load_vector(*problem.residual + elements[i], width);
        }
        const SharedPtr<ptx::f32> at = from + row * tile.pitch;
        for (int i : unroll(count)) {
          std::vector<F32> sums;
          for (int part = 0; part < epilogue.sums(); ++part)
            for (const F32& s :
                 load_sums(k, tile, at + (i * apart * tile.pitch + part * gate_group), width))
              sums.push_back(s);
          const auto values = apply(k, epilogue, sums, added, last[i], tile.precision);
          k.store_vector(problem.out + elements[i], values);
        }
        row += count * apart;
      };
      // Several rows at once keep loads of the residual in flight.
      const int at_once =
          tile.rows <= apart ? 1 : (problem.residual && !epilogue.is_costly() ? 16 : 4) / width;
      if (at_once > 1)
        k.while_(
            "rows", [&] { return row + (at_once - 1) * apart < end; },
            [&] { store_some(at_once); });
      k.while_(
          "last_rows", [&] { return row < end; }, [&] { store_some(1); });
    });
  });
}

}  // namespace

std::pair<U32, U32> first_of_tile(Emitter& k, const GemmProblem& problem, int rows, int cols) {
  const Extent down = k.let("tiles_down", ceil_div(problem.m, rows));
  const Extent group_tiles = k.let("group_tiles", ceil_div(problem.n, cols) * group_rows);
  const U32 cta = k.let("cta", k.ctaid_x());
  const U32 top = k.let("group_top", cta / group_tiles * group_rows);
  const U32 height = k.let("group_height", k.min(down - Extent(top), group_rows));
  const U32 within = k.let("within_group", cta % group_tiles);
  return {k.let("first_row", (top + within % height) * rows),
          k.let("first_col", within / height * cols)};
}

// Threads stand side by side along rows: as many as divide both a row and the CTA.
void store_result(Emitter& k, const GemmProblem& problem, const ResultTile& tile, const U32& tid,
                  int threads) {
  const int cols = tile.cols / problem.epilogue.sums();
  const int accesses = cols / problem.vector;
  const int across = std::min(1 << std::countr_zero(static_cast<unsigned>(accesses)), threads);
  const U32 first = k.let("store_col", tid % across * problem.vector);
  const auto store = [&](const U32& col) {
    store_columns(k, problem, tile, tid, col, across, threads / across);
  };
  if (across == accesses)
    store(first);
  else
    k.for_range("col", first, cols, across * problem.vector, store);
}

}  // namespace ptxmill::kernels
