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

TileStore::TileStore(Emitter& k, const StoredTensors& tensors, int warpgroups, int cols, int blocks)
    : k_(k),
      tensors_(tensors),
      cols_(cols),
      has_registers_(cols * blocks <= 256),
      staged_(k, "staged", warpgroup_rows, panel_cols() * spec::size_bytes(tensors.out.dtype()) / 4,
              warpgroups * places) {}

void TileStore::begin(const U32& warpgroup) {
  barrier_ = k_.let("store_barrier", warpgroup + first_barrier);
  place_.emplace(k_.var<ptx::u32>("store_place", warpgroup * places, Level::warpgroup));
  bias_ = k_.array<ptx::b32>("bias", asks_ahead() ? groups() * bias_words() : 0);
}

void TileStore::begin_keeping() {
  kept_ = k_.array<ptx::b32>("kept", static_cast<std::size_t>(panels() * groups() * 2));
  // No row of the result: nothing is kept yet.
  kept_row_.emplace(k_.var<ptx::u32>("kept_row", ~0u, Level::warpgroup));
  kept_col_.emplace(k_.var<ptx::u32>("kept_col", 0, Level::warpgroup));
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

/// The column of the result that the sum `col` of a row goes to.
U32 TileStore::out_col_of(const U32& col) {
  return tensors_.epilogue.is_gated() ? k_.let("result_col", tensors_.epilogue.out_cols(col)) : col;
}

/// The place of the present thread in the panel's copy in shared memory: its row, and its part of a
/// group of columns.
ptx::TilePlace<ptx::b32> TileStore::own_place() {
  const bool wide = tensors_.out.dtype() == Dtype::f32;
  const U32 lane = k_.laneid();
  const U32 quarter = lane % 4;
  const U32 row = k_.tid_x() % warpgroup_threads / 32 * 16 + lane / 4;
  const U32 within = wide ? quarter % 2 * 2 : quarter;  ///< a chunk
  const auto start = (wide ? staged_.at(row, quarter / 2) : staged_.at(row, 0)) + within;
  const U32 at = k_.mad_lo(*place_, staged_.shape().bytes(), U32(k_.recorder, start.base()));
  return {SharedPtr<ptx::b32>(k_.recorder, start.array(), at.id(), start.offset(), true),
          staged_.shape(), wide ? 2 : 1};
}

/// Words of bias that a thread needs for its part of a group of columns.
int TileStore::bias_words() const {
  const int pair = tensors_.bias.dtype() == Dtype::f32 ? 2 : 1;
  return tensors_.epilogue.bias ? tensors_.epilogue.sums() * pair : 0;
}

/// Of a group, where the present thread's part of a panel begins with the sum `own` of a row.
std::vector<ptx::B32> TileStore::load_bias(const U32& own, int group) {
  const int sum_groups = tensors_.epilogue.sums();
  const U32 wanted = own + group * sum_groups * group_cols;
  // Columns beyond the last are not stored, and take the last ones' bias.
  const U32 at = k_.min(wanted, k_.dim(tensors_.n) - (2 + (sum_groups - 1) * gate_group));
  std::vector<ptx::B32> words;
  for (int s = 0; s < sum_groups; ++s) {
    const ElementPtr from = k_.ptr(tensors_.bias) + at + s * gate_group;
    if (from.dtype() == Dtype::f32)
      for (ptx::B32& word : k_.load<2>(from.as<ptx::b32>())) words.push_back(std::move(word));
    else
      words.push_back(k_.load(from.as<ptx::b32>()));
  }
  return words;
}

void TileStore::request_bias(const U32& first) {
  const U32 own = first + k_.laneid() % 4 * 2;
  for (int g : unroll(groups())) request_bias(own, g);
}

void TileStore::request_bias(const U32& own, int group) {
  auto to = bias_.begin() + group * bias_words();
  for (ptx::B32& word : load_bias(own, group)) *to++ = std::move(word);
}

void TileStore::fetch_bias(const U32& col) {
  if (!asks_ahead()) return;
  k_.phase("ask for the bias", [&] { request_bias(col); });
  has_bias_ = true;
}

/// A group's bias. That of the same group of the panel that follows takes its place.
std::vector<F32> TileStore::take_bias(const Part& part, int group) {
  std::vector<F32> own;
  if (!tensors_.epilogue.bias) return own;
  const U32 first = part.sum + part.panel * sum_cols() + k_.laneid() % 4 * 2;
  std::vector<ptx::B32> words;
  for (int i = 0; has_registers_ && i < bias_words(); ++i)
    words.push_back(k_.present(bias_[static_cast<std::size_t>(bias_words() * group + i)]));
  if (!has_registers_) words = load_bias(first, group);
  k_.each_element(tensors_.bias.dtype(), words, [&](F32&& b) { own.push_back(b); });
  if (part.is_followed && has_registers_) request_bias(first + sum_cols(), group);
  return own;
}

void TileStore::finish_panel(const Sums& sums, const Part& part, const Take& take) {
  const EpilogueFields& epilogue = tensors_.epilogue;
  const int sum_groups = epilogue.sums();  ///< that make a group of columns
  const Precision precision = precision_for(tensors_.out.dtype());
  const U32 lane = k_.laneid();
  const U32 col = lane % 4 * 2;
  const U32 row = part.row + k_.tid_x() % warpgroup_threads / 32 * 16 + lane / 4;
  for (int g : unroll(groups())) {
    const std::vector<F32> added = take_bias(part, g);
    for (int half : {0, 1}) {
      std::vector<F32> own;
      for (int s = 0; s < sum_groups; ++s) {
        const int group = (part.panel * groups() + g) * sum_groups + s;
        const auto i = static_cast<std::size_t>(4 * group + 2 * half);
        own.push_back(k_.present(sums[i]));
        own.push_back(k_.present(sums[i + 1]));
      }
      std::vector<F32> residual;
      if (epilogue.residual) {
        const U32 result_col = first_col(part) + g * group_cols + col;
        residual = residual_of(part, row + 8 * half, result_col);
      }
      take(g, half, apply(k_, epilogue, own, added, residual, precision));
    }
  }
}

/// Two results of 16 bits in one word.
ptx::B32 TileStore::packed(const std::vector<F32>& values) {
  if (tensors_.out.dtype() == Dtype::f16)
    return k_.as<ptx::b32>(k_.cvt_rn_x2<ptx::f16x2>(values[1], values[0]));
  return k_.as<ptx::b32>(k_.cvt_rn_x2<ptx::bf16x2>(values[1], values[0]));
}

Pred TileStore::is_inside(const Part& part) const {
  const Extent width = tensors_.epilogue.out_cols(k_.dim(tensors_.n));
  return part.row < k_.dim(tensors_.m).in() && first_col(part) < width.in();
}

/// `write` writes the panel into its place in shared memory.
void TileStore::store_panel(const Part& part, const std::function<void()>& write) {
  wait_for_place();
  write();
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

void TileStore::store(std::span<const Sums> blocks, const U32& row, const U32& col,
                      const Around& around) {
  const U32 out_col = out_col_of(col);
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    const std::string number = std::to_string(block);
    const U32 first =
        block == 0 ? row
                   : k_.let("stored_row" + number, row + static_cast<int>(block) * warpgroup_rows);
    for (int panel : unroll(panels())) {
      const Part part{panel, !around && panel + 1 < panels(), first, out_col, col};
      if (asks_ahead() && !has_bias_) request_bias(col + panel * sum_cols());
      has_bias_ = part.is_followed;
      const auto store = [&] {
        k_.if_("block_" + number + "_panel" + std::to_string(panel), is_inside(part), [&] {
          k_.phase("finish and store block " + number + ", panel " + std::to_string(panel),
                   [&] { store_panel(part, [&] { write_panel(blocks[block], part); }); });
        });
      };
      if (around)
        around(panel, store);
      else
        store();
    }
  }
}

void TileStore::write_panel(const Sums& sums, const Part& part) {
  const ptx::TilePlace<ptx::b32> place = own_place();
  const bool wide = tensors_.out.dtype() == Dtype::f32;
  finish_panel(sums, part, [&](int group, int half, const std::vector<F32>& values) {
    const auto to = place.down(8 * half).across(group * (wide ? 2 : 1)).ptr();
    if (wide)
      k_.store(to.as<ptx::f32>(), std::array<F32, 2>{values[0], values[1]});
    else
      k_.store(to, packed(values));
  });
}

bool TileStore::can_keep() const {
  // Results with a residual are worked out inside the result alone, under a branch, which the kept
  // ones of the tile before would outlive: there are no registers for both. Few panels, since each
  // is code in the loop over k.
  return tensors_.out.dtype() != Dtype::f32 && !tensors_.epilogue.residual && panels() <= 4;
}

void TileStore::keep(const Sums& sums, const U32& row, const U32& col) {
  const U32 out_col = out_col_of(col);
  *kept_row_ = row;
  *kept_col_ = out_col;
  if (asks_ahead() && !has_bias_) request_bias(col);
  has_bias_ = false;
  for (int panel : unroll(panels())) {
    const Part part{panel, panel + 1 < panels(), row, out_col, col};
    k_.phase("finish panel " + std::to_string(panel), [&] {
      finish_panel(sums, part, [&](int group, int half, const std::vector<F32>& values) {
        kept_[static_cast<std::size_t>(2 * (panel * groups() + group) + half)] = packed(values);
      });
    });
  }
}

void TileStore::store_kept_panel(const std::string& when, int panel) {
  const Part part{panel, false, k_.present(*kept_row_), k_.present(*kept_col_),
                  k_.present(*kept_col_)};
  const std::size_t words = static_cast<std::size_t>(2 * groups());
  k_.if_("panel" + std::to_string(panel) + "_" + when, is_inside(part), [&] {
    k_.phase("store panel " + std::to_string(panel), [&] {
      store_panel(part, [&] {
        const ptx::TilePlace<ptx::b32> place = own_place();
        for (std::size_t i = 0; i < words; ++i) {
          const auto to = place.down(i % 2 == 0 ? 0 : 8).across(static_cast<int>(i / 2)).ptr();
          k_.store(to, k_.present(kept_[words * static_cast<std::size_t>(panel) + i]));
        }
      });
    });
  });
}

void TileStore::store_kept_beside(const U32& k_tile) {
  k_.if_("stores_kept", k_tile < static_cast<std::uint32_t>(panels()), [&] {
    for (int panel : unroll(panels()))
      k_.if_("beside_stage" + std::to_string(panel), k_tile == static_cast<std::uint32_t>(panel),
             [&] { store_kept_panel("beside", panel); });
  });
}

void TileStore::store_kept_beyond(const Extent& stages) {
  for (int panel : unroll(panels())) {
    const auto store = [&] { store_kept_panel("beyond", panel); };
    if (!stages.is_static())
      k_.if_("no_stage" + std::to_string(panel), stages <= panel, store);
    else if (stages.get() <= panel)
      store();
  }
}

void TileStore::store_kept() {
  for (int panel : unroll(panels())) store_kept_panel("last", panel);
}

void TileStore::drain() {
  const Pred stores = k_.tid_x() % warpgroup_threads == 0;
  k_.guard(stores, [&] { k_.cp_async_bulk_wait_group(0); });
  barrier_.reset();
  place_.reset();
  bias_.clear();
  kept_.clear();
  kept_row_.reset();
  kept_col_.reset();
}

}  // namespace ptxmill::kernels
