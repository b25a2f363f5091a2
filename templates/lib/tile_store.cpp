#include "templates/lib/tile_store.hpp"

#include <algorithm>

namespace ptxmill::kernels {
namespace {

constexpr int warpgroup_threads = 128, warpgroup_rows = 64;
/// Columns of one group of accumulators, of which a thread has two.
constexpr int group_cols = 8;
/// Places of a warpgroup: while one is read, the other is written.
constexpr int places = 2;
/// The first of the barriers at which each of the warpgroups meets.
constexpr int first_barrier = 1;

}  // namespace

TileStore::TileStore(Emitter& k, const StoredTensors& tensors, int warpgroups, int cols)
    : k_(k),
      tensors_(tensors),
      cols_(cols),
      staged_(k, "staged", warpgroup_rows, panel_cols() * spec::size_bytes(tensors.out.dtype()) / 4,
              warpgroups * places) {}

void TileStore::begin(const U32& warpgroup) {
  barrier_ = k_.let("store_barrier", warpgroup + first_barrier);
  place_.emplace(k_.var<ptx::u32>("store_place", warpgroup * places, Level::warpgroup));
}

void TileStore::meet() { k_.bar_sync_at(*barrier_, warpgroup_threads); }

/// Until the copy before the last has read its place.
void TileStore::wait_for_place() {
  const Pred stores = k_.tid_x() % warpgroup_threads == 0;
  k_.guard(stores, [&] { k_.cp_async_bulk_wait_group_read(places - 1); });
  meet();
}

/// What is added last to two neighbouring elements. Beyond the result it is that of the panel's
/// first row or column, which nobody stores before all of the warpgroup have read.
std::vector<F32> TileStore::residual_of(const Part& part, const U32& row, const U32& col) {
  const U32 own_row = k_.selp(row, part.row, row < k_.dim(tensors_.m).in());
  const Extent m = k_.dim(tensors_.m), n = k_.dim(tensors_.n);
  const Extent width = tensors_.epilogue.out_cols(n);
  const U32 own_col = k_.selp(col, first_col(part), col < width.in());
  const U64 element = out_column(k_, tensors_.epilogue, m, n, own_col).in_row(k_, own_row);
  return k_.load_vector(k_.ptr(tensors_.residual) + element, 2);
}

U32 TileStore::first_col(const Part& part) const { return part.col + part.panel * panel_cols(); }

void TileStore::write_panel(const std::vector<Var<ptx::f32>>& sums, const Part& part) {
  const bool wide = tensors_.out.dtype() == Dtype::f32;
  const U32 lane = k_.laneid();
  const U32 quarter = lane % 4;
  const U32 in_warpgroup = k_.tid_x() % warpgroup_threads;
  const U32 row = in_warpgroup / 32 * 16 + lane / 4;
  const int chunks = wide ? 2 : 1;  ///< of 16 bytes that a group of columns takes
  const U32 within = wide ? quarter % 2 * 2 : quarter;  ///< a chunk
  const auto start = (wide ? staged_.at(row, quarter / 2) : staged_.at(row, 0)) + within;
  const U32 at = k_.mad_lo(*place_, staged_.shape().bytes(), U32(k_.recorder, start.base()));
  const ptx::TilePlace<ptx::b32> here(
      SharedPtr<ptx::b32>(k_.recorder, start.array(), at.id(), start.offset(), true),
      staged_.shape(), chunks);
  const EpilogueFields& epilogue = tensors_.epilogue;
  const int groups = panel_cols() / group_cols;
  const int sum_groups = epilogue.sums();  ///< that make a group of columns
  const Precision precision = precision_for(tensors_.out.dtype());
  for (int g : unroll(groups)) {
    const U32 wanted =
        part.sum + part.panel * sum_cols() + g * sum_groups * group_cols + quarter * 2;
    // Columns beyond the last are not stored, and take the last ones' bias.
    const U32 sum = k_.min(wanted, k_.dim(tensors_.n) - (2 + (sum_groups - 1) * gate_group));
    std::vector<F32> bias;
    for (int s = 0; epilogue.bias && s < sum_groups; ++s)
      for (const F32& b : k_.load_vector(k_.ptr(tensors_.bias) + sum + s * gate_group, 2))
        bias.push_back(b);
    for (int half : {0, 1}) {
      std::vector<F32> own;
      for (int s = 0; s < sum_groups; ++s) {
        const int group = (part.panel * groups + g) * sum_groups + s;
        const auto i = static_cast<std::size_t>(4 * group + 2 * half);
        own.push_back(k_.present(sums[i]));
        own.push_back(k_.present(sums[i + 1]));
      }
      const U32 result_row = part.row + row + 8 * half;
      std::vector<F32> residual;
      if (epilogue.residual) {
        const U32 col =
            epilogue.is_gated() ? first_col(part) + g * group_cols + quarter * 2 : wanted;
        residual = residual_of(part, result_row, col);
      }
      const auto v = apply(k_, epilogue, own, bias, residual, precision);
      const auto to = here.down(8 * half).across(g * chunks).ptr();
      if (wide)
        k_.store(to.as<ptx::f32>(), std::array<F32, 2>{v[0], v[1]});
      else if (tensors_.out.dtype() == Dtype::f16)
        k_.store(to, k_.as<ptx::b32>(k_.cvt_rn_x2<ptx::f16x2>(v[1], v[0])));
      else
        k_.store(to, k_.as<ptx::b32>(k_.cvt_rn_x2<ptx::bf16x2>(v[1], v[0])));
    }
  }
}

void TileStore::store_panel(const std::vector<Var<ptx::f32>>& sums, const Part& part) {
  wait_for_place();
  write_panel(sums, part);
  k_.fence_proxy_async();
  meet();
  const auto from = staged_.tile(*place_).as<ptx::b8>();
  const ptx::Place to = box_place(tensors_.epilogue, part.row, first_col(part));
  const Pred stores = k_.tid_x() % warpgroup_threads == 0;
  k_.guard(stores, [&] {
    k_.tma_store(k_.map(tensors_.out), to, from);
    k_.cp_async_bulk_commit_group();
  });
  *place_ = k_.xor_(*place_, 1u);
}

void TileStore::store(const std::string& name, const std::vector<Var<ptx::f32>>& sums,
                      const U32& row, const U32& col, const Around& around) {
  std::string label = name + "_panel";
  std::replace(label.begin(), label.end(), ' ', '_');
  const bool gated = tensors_.epilogue.is_gated();
  const U32 out_col = gated ? k_.let(label + "_col", col / 2) : col;
  for (int panel : unroll(cols_ / sum_cols()))
    around(panel, [&] {
      const Part part{panel, row, out_col, col};
      const Extent width = tensors_.epilogue.out_cols(k_.dim(tensors_.n));
      const Pred inside = row < k_.dim(tensors_.m).in() && first_col(part) < width.in();
      k_.if_(label + std::to_string(panel), inside, [&] {
        k_.phase("finish and store " + name + ", panel " + std::to_string(panel),
                 [&] { store_panel(sums, part); });
      });
    });
}

void TileStore::drain() {
  const Pred stores = k_.tid_x() % warpgroup_threads == 0;
  k_.guard(stores, [&] { k_.cp_async_bulk_wait_group(0); });
  barrier_.reset();
  place_.reset();
}

}  // namespace ptxmill::kernels
