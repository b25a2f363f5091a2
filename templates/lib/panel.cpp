#include "templates/lib/panel.hpp"

#include <utility>

#include "templates/lib/access.hpp"

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

std::string numbered(const std::string& name, int i) { return name + std::to_string(i); }

/// Whether the tiles may reach beyond the matrix.
bool may_overhang(const PanelSource& source) {
  return !source.extent.is_static() || source.extent.get() % source.tile != 0;
}

/// The part that both layouts share: what was loaded, and how.
class Staged : public Panel {
 public:
  void fetch_first(Emitter& k) final {
    if (!stages_.padding.is(0))
      for (Var<ptx::f32>& v : staged_) v = 0;
    load(k, 0, !stages_.padding.is(0));
  }
  void fetch(Emitter& k, const Extent& at) final { load(k, at, false); }

 protected:
  Staged(Stages stages, PanelSource source, Shared to)
      : stages_(std::move(stages)), source_(std::move(source)), to_(std::move(to)) {}

  virtual void load(Emitter& k, const Extent& at, bool masked) = 0;

  /// `lines` times four values, numbered through.
  void reserve(Emitter& k, int lines) {
    for (int i : unroll(lines * 4))
      staged_.push_back(k.var<ptx::f32>(source_.name + "_next" + std::to_string(i)));
  }
  /// Loads one access's elements to staged values from the `first`-th on; where `masked`, only if
  /// `depth`, the place in the first stage, is not padding.
  void load_to(Emitter& k, int first, const ElementPtr& from, bool masked, const U32& depth,
               int more) {
    const auto load = [&] {
      std::vector<F32> v = k.load_vector(from, stages_.vector);
      for (int i : unroll(stages_.vector)) staged_[first + i] = std::move(v[i]);
    };
    if (masked)
      k.guard((more == 0 ? depth : depth + more) >= stages_.padding, load);
    else
      load();
  }

  Stages stages_;
  PanelSource source_;
  Shared to_;
  std::vector<Var<ptx::f32>> staged_;
};

// ---- [extent, k]

/// A thread reads quads along k, 8 apart, of rows that are half the CTA's threads apart. The lanes
/// of a pair read 32 neighbouring bytes; a warp's writes go to 16 neighbouring rows of two slices
/// that lie in different banks.
class RowPanel final : public Staged {
 public:
  RowPanel(Emitter& k, const Stages& stages, const PanelSource& source, const Shared& to);
  void deposit(Emitter& k, const Extent& offset) const override;

 private:
  void load(Emitter& k, const Extent& at, bool masked) override;

  int quads_, rows_, apart_;  ///< a row's quads, rows, and from one to the next
  U32 depth_;                 ///< the first quad's k
  std::vector<ElementPtr> lines_;
};

RowPanel::RowPanel(Emitter& k, const Stages& stages, const PanelSource& source, const Shared& to)
    : Staged(stages, source, to),
      quads_(stages.tile.depth / 8),
      rows_(source.tile * 2 / stages.tile.threads()),
      apart_(stages.tile.threads() / 2),
      depth_(k.let(source.name + "_depth", stages.tid % 2 * 4)) {
  const U32 row = k.let(source.name + "_row", stages.tid / 2);
  to_ = k.let(source.name + "_to", to + (depth_ * stages.tile.slice() + row));
  const ElementPtr start = go_back(k, source.base, stages.padding, 1);
  const U64 along = k.cvt<ptx::u64>(depth_);
  for (int i : unroll(rows_)) {
    U32 at = source.first + row;
    if (i > 0) at = at + i * apart_;
    // Beyond the last row, the last is read again: its products are not stored.
    if (may_overhang(source)) at = k.min(at, source.extent - 1);
    lines_.push_back(
        k.let(numbered(source.name + "_line", i), start + k.mad_wide(at, stages.depth, along)));
  }
  reserve(k, rows_ * quads_);
}

void RowPanel::load(Emitter& k, const Extent& at, bool masked) {
  for (int row : unroll(rows_)) {
    const ElementPtr line = lines_[row] + at;
    for (int quad : unroll(quads_))
      for (int i = 0; i < 4; i += stages_.vector)
        load_to(k, (row * quads_ + quad) * 4 + i, line + (quad * 8 + i), masked, depth_,
                quad * 8 + i);
  }
}

void RowPanel::deposit(Emitter& k, const Extent& offset) const {
  const Shared at = to_ + offset;
  for (int row : unroll(rows_))
    for (int quad : unroll(quads_))
      for (int i : unroll(4))
        k.store(at + ((quad * 8 + i) * stages_.tile.slice() + row * apart_),
                staged_[(row * quads_ + quad) * 4 + i]);
}

// ---- [k, extent]

/// A thread reads quads along the extent, of every `apart`-th k.
class ColumnPanel final : public Staged {
 public:
  ColumnPanel(Emitter& k, const Stages& stages, const PanelSource& source, const Shared& to);
  void deposit(Emitter& k, const Extent& offset) const override;

 private:
  void load(Emitter& k, const Extent& at, bool masked) override;

  int lines_, apart_;
  U32 depth_;
  ElementPtr start_;
  std::vector<U32> columns_;  ///< of a quad's other elements, where each is its own access
};

ColumnPanel::ColumnPanel(Emitter& k, const Stages& stages, const PanelSource& source,
                         const Shared& to)
    : Staged(stages, source, to),
      lines_(source.tile * stages.tile.depth / 4 / stages.tile.threads()),
      apart_(stages.tile.depth / lines_),
      depth_(k.let(source.name + "_depth", stages.tid / (source.tile / 4))),
      start_(go_back(k, source.base, stages.padding, source.extent)) {
  const U32 col = k.let(source.name + "_col", stages.tid % (source.tile / 4) * 4);
  to_ = k.let(source.name + "_to", to + (depth_ * stages.tile.slice() + col));
  U32 at = source.first + col;
  if (may_overhang(source)) {
    // Beyond the last columns, the last are read again: their products are not stored.
    const Extent last = source.extent - stages.vector;
    at = k.min(at, last);
    if (stages.vector == 1)
      for (int i = 1; i < 4; ++i)
        columns_.push_back(
            k.let(numbered(source.name + "_column", i), k.min(last - Extent(at), i)));
  }
  const U64 along = k.cvt<ptx::u64>(at);
  start_ = k.let(source.name + "_start", start_ + k.mad_wide(depth_, source.extent, along));
  reserve(k, lines_);
}

void ColumnPanel::load(Emitter& k, const Extent& at, bool masked) {
  const ElementPtr first = advance(k, start_, at, source_.extent);
  for (int line : unroll(lines_)) {
    const ElementPtr start = advance(k, first, line * apart_, source_.extent);
    for (int i = 0; i < 4; i += stages_.vector) {
      const ElementPtr from = i == 0 || columns_.empty() ? start + i : start + columns_[i - 1];
      load_to(k, line * 4 + i, from, masked, depth_, line * apart_);
    }
  }
}

void ColumnPanel::deposit(Emitter& k, const Extent& offset) const {
  const Shared at = to_ + offset;
  for (int line : unroll(lines_)) {
    const Var<ptx::f32>* v = &staged_[line * 4];
    store_shared(k, at + line * apart_ * stages_.tile.slice(),
                 {present(v[0]), present(v[1]), present(v[2]), present(v[3])});
  }
}

}  // namespace

Stages::Stages(Emitter& k, const SimtTile& t, const Extent& d, int v)
    : tile(t),
      depth(d),
      vector(v),
      end(k.let("k_end", ceil_div(depth, tile.depth) * tile.depth)),
      padding(k.let("padding", end - depth)),
      tid(k.let("tid", k.tid_x())) {}

std::unique_ptr<Panel> row_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                 const Shared& to) {
  return std::make_unique<RowPanel>(k, stages, source, to);
}

std::unique_ptr<Panel> column_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                    const Shared& to) {
  return std::make_unique<ColumnPanel>(k, stages, source, to);
}

}  // namespace ptxmill::kernels
