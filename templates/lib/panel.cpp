#include "templates/lib/panel.hpp"

#include <utility>

#include "templates/lib/access.hpp"

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

/// The part that both layouts share: a copy of one element, masked in the first stage.
class Copies : public Panel {
 public:
  void fetch_first(Emitter& k) final { copy_stage(k, 0, 0, nullptr, !stages_.padding.is(0)); }
  void fetch(Emitter& k, const Extent& at, const Extent& offset, const Pred* when) final {
    copy_stage(k, at, offset, when, false);
  }

 protected:
  Copies(Stages stages, PanelSource source, Shared to)
      : stages_(std::move(stages)), source_(std::move(source)), to_(std::move(to)) {}

  virtual void copy_stage(Emitter& k, const Extent& at, const Extent& offset, const Pred* when,
                          bool padded) = 0;

  /// The last row or column is copied in place of those beyond it: their products are not stored.
  U32 within(Emitter& k, const U32& at) const {
    const bool may_overhang =
        !source_.extent.is_static() || source_.extent.get() % source_.tile != 0;
    return may_overhang ? k.min(at, source_.extent - 1) : at;
  }
  /// Copies one element, `when` that holds; else writes zero where k is `padded`.
  static void copy(Emitter& k, const Shared& to, const ElementPtr& from, const Pred* when,
                   bool padded) {
    const auto from_memory = [&] { k.cp_async_ca(to, from.as<ptx::f32>(), 4); };
    if (when == nullptr) return from_memory();
    k.guard(*when, from_memory);
    if (padded) k.guard_not(*when, [&] { k.store(to, 0.f); });
  }

  Stages stages_;
  PanelSource source_;
  Shared to_;
};

// ---- [extent, k]

/// Eight neighbouring lanes copy eight neighbouring k, a sector of 32 bytes; a warp, four rows.
class RowPanel final : public Copies {
 public:
  RowPanel(Emitter& k, const Stages& stages, const PanelSource& source, const Shared& to);

 private:
  static constexpr int lanes = 8;
  void copy_stage(Emitter& k, const Extent& at, const Extent& offset, const Pred* when,
                  bool padded) override;

  int apart_;  ///< from one of the thread's rows to the next
  U32 depth_;  ///< its first k
  std::vector<ElementPtr> lines_;
};

RowPanel::RowPanel(Emitter& k, const Stages& stages, const PanelSource& source, const Shared& to)
    : Copies(stages, source, to),
      apart_(stages.tile.threads() / lanes),
      depth_(k.let(source.name + "_depth", stages.tid % lanes)) {
  const U32 row = k.let(source.name + "_row", stages.tid / lanes);
  to_ = k.let(source.name + "_to", to + (depth_ * stages.tile.pitch() + row));
  const ElementPtr start = go_back(k, source.base, stages.padding, 1);
  const U64 along = k.cvt<ptx::u64>(depth_);
  for (int i : unroll(source.tile / apart_)) {
    const U32 at = within(k, source.first + row + i * apart_);
    lines_.push_back(
        k.let(numbered(source.name + "_line", i), start + k.mad_wide(at, stages.depth, along)));
  }
}

void RowPanel::copy_stage(Emitter& k, const Extent& at, const Extent& offset, const Pred* when,
                          bool padded) {
  const Shared to = to_ + offset;
  std::vector<Pred> inside;
  for (int part = 0; padded && part < stages_.tile.depth; part += lanes)
    inside.push_back((part == 0 ? depth_ : depth_ + part) >= stages_.padding);
  for (int row : unroll(static_cast<int>(lines_.size()))) {
    const ElementPtr line = lines_[row] + at;
    for (int part : unroll(stages_.tile.depth / lanes))
      copy(k, to + (part * lanes * stages_.tile.pitch() + row * apart_), line + part * lanes,
           padded ? &inside[part] : when, padded);
  }
}

// ---- [k, extent]

/// A warp copies 32 neighbouring columns of one k.
class ColumnPanel final : public Copies {
 public:
  ColumnPanel(Emitter& k, const Stages& stages, const PanelSource& source, const Shared& to);

 private:
  static constexpr int lanes = 32;
  void copy_stage(Emitter& k, const Extent& at, const Extent& offset, const Pred* when,
                  bool padded) override;

  int apart_;  ///< from one of the thread's k to the next
  U32 depth_;  ///< its first k
  std::vector<ElementPtr> columns_;
};

ColumnPanel::ColumnPanel(Emitter& k, const Stages& stages, const PanelSource& source,
                         const Shared& to)
    : Copies(stages, source, to),
      apart_(stages.tile.threads() / lanes),
      depth_(k.let(source.name + "_depth", stages.tid / lanes)) {
  const U32 lane = k.let(source.name + "_copies", stages.tid % lanes);
  to_ = k.let(source.name + "_to", to + (depth_ * stages.tile.pitch() + lane));
  const ElementPtr start = go_back(k, source.base, stages.padding, source.extent);
  for (int i : unroll(source.tile / lanes)) {
    const U64 along = k.cvt<ptx::u64>(within(k, source.first + lane + i * lanes));
    columns_.push_back(k.let(numbered(source.name + "_column", i),
                             start + k.mad_wide(depth_, source.extent, along)));
  }
}

void ColumnPanel::copy_stage(Emitter& k, const Extent& at, const Extent& offset, const Pred* when,
                             bool padded) {
  const Shared to = to_ + offset;
  for (int part : unroll(stages_.tile.depth / apart_)) {
    std::optional<Pred> inside;
    if (padded) inside = (part == 0 ? depth_ : depth_ + part * apart_) >= stages_.padding;
    const Extent depth = at + part * apart_;
    for (int i : unroll(static_cast<int>(columns_.size())))
      copy(k, to + (part * apart_ * stages_.tile.pitch() + i * lanes),
           advance(k, columns_[i], depth, source_.extent), padded ? &*inside : when, padded);
  }
}

}  // namespace

Stages::Stages(Emitter& k, const SimtTile& t, const Extent& d)
    : tile(t),
      depth(d),
      count(k.let("stage_count", ceil_div(depth, tile.depth))),
      padding(k.let("padding", count * tile.depth - depth)),
      tid(k.let("tid", k.tid_x())) {}

std::unique_ptr<Panel> row_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                 const SharedPtr<ptx::f32>& to) {
  return std::make_unique<RowPanel>(k, stages, source, to);
}

std::unique_ptr<Panel> column_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                    const SharedPtr<ptx::f32>& to) {
  return std::make_unique<ColumnPanel>(k, stages, source, to);
}

}  // namespace ptxmill::kernels
