#include "templates/lib/row.hpp"

#include <limits>

#include "templates/lib/access.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::f32;
using ptx::u32;

constexpr int warp = 32;
constexpr std::int64_t short_row = 1024;
constexpr int kept_in_registers = 32;  // values a thread
constexpr int comfortable = 16;        // values a thread, where the CTA's size is ours to choose

constexpr std::int64_t middling_row = 4096;

/// Variants of forms: for short rows, for middling ones, for every width; 0 is for rows that are
/// not short.
constexpr int by_warp = 1, middling = 2, every_width = 3;

int choose_block(const Form& form, const Dim& cols) {
  if (form.variant == by_warp || form.variant == middling) return 256;
  if (!cols.is_static()) return form.variant == every_width ? 128 : 512;
  int block = 128;
  while (block < 1024 && cols.get() > std::int64_t{block} * comfortable) block *= 2;
  return block;
}

}  // namespace

RowPlan::RowPlan(const Form& form, const Dim& cols, int wanted_block, const ptx::Target& target)
    : team(warp),
      block(wanted_block != 0 ? wanted_block : choose_block(form, cols)),
      vector(form.vector),
      pieces(form.vector > 1               ? 8 / form.vector
             : form.variant == every_width ? 1
                                           : 4),
      keep(Keep::nothing) {
  if (form.variant != by_warp) team = block;
  if (!cols.is_static()) {
    narrowest = form.variant == by_warp || form.variant == every_width ? 1 : short_row + 1;
    if (form.variant == 0 || form.variant == every_width) return;
    widest = form.variant == by_warp ? short_row : middling_row;
    // Beyond this, too few CTAs would be resident to hide the latency of memory.
    constexpr std::int64_t most_shared = 32 * 1024;
    if (widest * 4 * rows_per_cta() <= most_shared)
      keep = Keep::shared;
    else
      widest = 0;
    return;
  }
  const std::int64_t all = ceil_div(cols.get(), std::int64_t{team} * vector);
  if (all * vector <= kept_in_registers) {
    keep = Keep::registers;
    pieces = static_cast<int>(all);
    return;
  }
  const int for_reductions = 3 * 4 * (1024 / warp);
  if (team == block && cols.get() * 4 + for_reductions <= target.max_shared_bytes()) {
    keep = Keep::shared;
    pieces *= 2;
  }
}

std::vector<Form> RowPlan::forms(const Dim& cols, Dtype dtype) {
  // Any width in 16 bits: as few as vector_widths gives.
  if (dtype != Dtype::f32 && !cols.is_static()) {
    std::vector<Form> two = vector_forms(cols, dtype);
    for (Form& form : two) form.variant = every_width;
    return two;
  }
  const std::vector<int> vectors = vector_widths(cols, dtype);
  std::vector<Form> all;
  const auto add = [&](const std::string& kind, int width, std::int64_t most, int variant) {
    all.push_back({.name = kind + "vec" + std::to_string(width),
                   .when = {{.dim = &cols, .max = most, .multiple_of = width}},
                   .vector = width,
                   .variant = variant});
  };
  for (const int v : vectors) add("short_", v, short_row, by_warp);
  all.push_back({.name = "short", .when = {{.dim = &cols, .max = short_row}}, .variant = by_warp});
  // With a fixed width, what is kept where follows from it.
  if (!cols.is_static()) add("middling_", 4, middling_row, middling);
  for (const int v : vectors)
    all.push_back({.name = "vec" + std::to_string(v),
                   .when = {{.dim = &cols, .multiple_of = v}},
                   .vector = v});
  all.push_back({.name = "scalar", .when = {}});
  return all;
}

Launch RowPlan::launch(const Form& form, const Dim& rows, const Dim& cols, int block) {
  const int threads = block != 0 ? block : choose_block(form, cols);
  const Expr all = form.variant == by_warp ? ceil_div(rows, threads / warp) : rows.expr();
  const Expr ctas = cols.is_static() ? all : all * min(cols, Expr(1));
  return {.grid = {ctas, 1, 1}, .block = {threads, 1, 1}};
}

std::vector<std::pair<std::string, std::string>> RowPlan::division() const {
  constexpr const char* places[] = {"in registers", "in shared memory",
                                    "nowhere: it is read again"};
  return {{"row", std::to_string(team) + " threads, " + std::to_string(rows_per_cta()) + " a CTA"},
          {"access", std::to_string(vector) + " columns, " + std::to_string(pieces) + " in flight"},
          {"row is kept", places[static_cast<int>(keep)]}};
}

// ---- one row

Row::Row(Emitter& k, const RowPlan& plan, const Extent& rows, const Extent& cols)
    : k_(k), plan_(plan), cols_(cols) {
  const U32 tid = k.tid_x();
  U32 row = k.ctaid_x();
  U32 member = tid;
  if (plan.team == warp) {
    const U32 which = k.shfl_sync_idx(tid / warp, 0);
    if (plan.widest > 0) which_ = k.let("row_of_cta", which);
    row = k.let("row", row * plan.rows_per_cta() + which);
    k.exit_if(row >= rows);
    member = tid % warp;
  }
  own_ = k.let("own_column", plan.vector == 1 ? member : member * plan.vector);
  start_ = k.let("row_start", k.mul_wide(row, cols));
  const int last = (plan.pieces - 1) * plan.team * plan.vector;
  if (plan.keep == RowPlan::Keep::registers && cols.get() % (plan.team * plan.vector) != 0) {
    inside_ = k.let("inside", *own_ < cols.get() - last);
    last_column_ = k.let("last_column", k.select(*inside_, *own_ + last, 0));
  }
  if (plan.keep != RowPlan::Keep::registers && !exact() && !each_has_one())
    spare_ = k.let("spare_column", k.select(*own_ < cols, *own_, 0));
}

bool Row::exact() const { return cols_.is_static() && cols_.get() % plan_.step() == 0; }

bool Row::each_has_one() const {
  return (cols_.is_static() ? cols_.get() : plan_.narrowest) >= plan_.team * plan_.vector;
}

RowPointer Row::of_matrix(const std::string& name, const ElementPtr& p) const {
  const ElementPtr row = k_.let(name + "_row", p + *start_);
  return {row, k_.let(name + "_place", row + *own_)};
}

RowPointer Row::of_vector(const std::string& name, const ElementPtr& p) const {
  return {p, k_.let(name + "_place", p + *own_)};
}

RowChunk Row::chunk(const In<u32>& base) const {
  RowChunk c(k_, plan_.vector, base);
  const int apart = plan_.team * plan_.vector;
  c.rereads_ = plan_.team == warp && plan_.keep == RowPlan::Keep::nothing;
  if (plan_.keep == RowPlan::Keep::registers) {
    for (int i = 0; i < plan_.pieces; ++i) c.pieces_.push_back({i * apart, {}, {}});
    c.pieces_.back().inside = inside_;
    c.pieces_.back().column = last_column_;
    return c;
  }
  std::optional<U32> first;
  if (!exact()) first = base + *own_;
  for (int i = 0; i < plan_.pieces; ++i) {
    RowChunk::Piece piece{i * apart, {}, {}};
    if (!exact()) {
      const U32 column = i == 0 ? *first : *first + piece.offset;
      piece.inside = column < cols_;
      piece.column = k_.select(*piece.inside, column, spare_ ? *spare_ : *own_);
    }
    c.pieces_.push_back(piece);
  }
  return c;
}

void Row::each(const std::string& name, const std::string& phase, const Body& body) const {
  if (plan_.keep == RowPlan::Keep::registers) {
    k_.phase(phase, [&] { body(chunk(0)); });
    return;
  }
  k_.for_range(name + "_pass", 0, cols_, plan_.step(),
               [&](const U32& base) { k_.phase(phase, [&] { body(chunk(base)); }); });
}

void Row::each_last(const std::string& name, const std::string& phase, const Body& body) const {
  const bool several_warps_reread = plan_.team > warp && plan_.keep == RowPlan::Keep::nothing;
  if (several_warps_reread && plan_.narrowest == 1 && spare_) k_.exit_if(*own_ >= cols_);
  each(name, phase, body);
}

Var<f32> Row::sum(const std::string& name, const std::string& phase, const Terms& terms) const {
  const auto partial = [&](const RowChunk& c) {
    return reduce_values(k_, Reduction::sum, c.masked(terms(c), 0.f));
  };
  if (plan_.keep == RowPlan::Keep::registers) {
    auto own = k_.var<f32>("own_" + name);
    each(name, phase, [&](const RowChunk& c) { own = partial(c); });
    return across_team(name, Reduction::sum, k_.present(own));
  }
  CompensatedSum own(k_, "own_" + name);
  each(name, phase, [&](const RowChunk& c) { own.add(partial(c)); });
  return across_team(name, Reduction::sum, k_.let("total_" + name, own.total()));
}

Var<f32> Row::max(const std::string& name, const std::string& phase, const Terms& terms) const {
  const bool once = plan_.keep == RowPlan::Keep::registers;
  auto own = once ? k_.var<f32>("own_" + name)
                  : k_.var<f32>("own_" + name, -std::numeric_limits<float>::infinity());
  each(name, phase, [&](const RowChunk& c) {
    const F32 largest = reduce_values(k_, Reduction::max, terms(c));
    if (once)
      own = F32(largest);
    else
      own = k_.max_nan(own, largest);
  });
  return across_team(name, Reduction::max, k_.present(own));
}

F32 Row::average(const Var<f32>& total) const {
  if (cols_.is_static()) return total / cols_.get();
  return total / k_.cvt_rn<f32>(cols_);
}

void Row::sync_team() const {
  if (plan_.team == warp) k_.bar_warp_sync(0xffffffffu);
}

Var<f32> Row::across_team(const std::string& name, Reduction op, const F32& value) const {
  if (plan_.team > warp) return reduce_block(k_, name, op, value, plan_.block);
  auto result = k_.var<f32>(name);
  k_.phase(name + ": over the warp", [&] {
    result = reduce_warp(k_, op, value);
    sync_team();
  });
  return result;
}

// ---- a chunk of it

ElementPtr RowChunk::at(const RowPointer& p, const Piece& piece) const {
  if (piece.column) return p.row + *piece.column;
  if (base_.is_literal()) return p.place + piece.offset;
  return p.place + base_ + piece.offset;
}

RowChunk::Values RowChunk::load(const RowPointer& from) const {
  Values values;
  for (const Piece& piece : pieces_)
    for (const F32& v : k_->load_vector(at(from, piece), vector_)) values.push_back(v);
  return values;
}

void RowChunk::store(const RowPointer& to, const Values& values) const {
  if (rereads_) k_->bar_warp_sync(0xffffffffu);
  auto next = values.begin();
  for (const Piece& piece : pieces_) {
    const ElementPtr p = at(to, piece);
    const Values here(next, next + vector_);
    next += vector_;
    if (piece.inside)
      k_->guard(*piece.inside, [&] { k_->store_vector(p, here); });
    else
      k_->store_vector(p, here);
  }
}

RowChunk::Values RowChunk::masked(Values values, float neutral) const {
  auto next = values.begin();
  for (const Piece& piece : pieces_)
    for (int i = 0; i < vector_; ++i, ++next)
      if (piece.inside) *next = k_->select(*piece.inside, *next, neutral);
  return values;
}

// ---- its values between passes

KeptRow::KeptRow(Emitter& k, const Row& row, const std::string& name, const RowPointer& source)
    : k_(k), row_(row), source_(source) {
  const RowPlan& plan = row.plan();
  if (plan.keep == RowPlan::Keep::registers)
    registers_ = k.array<f32>(name, plan.pieces * plan.vector);
  if (plan.keep == RowPlan::Keep::shared) {
    const std::int64_t width = plan.widest > 0 ? plan.widest : row.cols().get();
    const auto rows =
        k.shared<f32>(name + "_of_row", static_cast<int>(width) * plan.rows_per_cta());
    shared_ =
        k.let(name + "_kept", row.which_ ? rows + *row.which_ * static_cast<int>(width) : rows);
    parts_ = plan.vector > 4 ? plan.vector / 4 : 1;
    part_apart_ = static_cast<int>(width) / parts_;
  }
}

RowChunk::Values KeptRow::first(const RowChunk& c) {
  if (row_.plan().keep == RowPlan::Keep::registers) {
    auto kept = registers_.begin();
    for (const auto& piece : c.pieces_)
      k_.load_each(c.at(source_, piece), c.vector_, [&](F32&& v) { *kept++ = std::move(v); });
    return again(c);
  }
  RowChunk::Values values = c.load(source_);
  if (is_kept()) store_shared(c, values);
  return values;
}

RowChunk::Values KeptRow::again(const RowChunk& c) const {
  if (!is_kept()) return c.load(source_);
  RowChunk::Values values;
  for (const Var<f32>& v : registers_) values.push_back(k_.present(v));
  if (!shared_) return values;
  for (int i = 0; i < static_cast<int>(c.pieces_.size()); ++i) {
    const SharedPtr<f32> from = place(c, i);
    for (int part = 0; part < parts_; ++part)
      for (const F32& v : load_shared(k_, from + part * part_apart_, c.vector_ / parts_))
        values.push_back(v);
  }
  return values;
}

RowChunk::Values KeptRow::map(const RowChunk& c, const std::function<F32(const F32&)>& f) {
  RowChunk::Values values = again(c);
  if (row_.plan().keep == RowPlan::Keep::registers) {
    for (std::size_t i = 0; i < values.size(); ++i) registers_[i] = f(values[i]);
    return again(c);
  }
  for (F32& v : values) v = f(v);
  if (is_kept()) store_shared(c, values);
  return values;
}

SharedPtr<f32> KeptRow::place(const RowChunk& c, int i) const {
  const RowChunk::Piece& piece = c.pieces_[static_cast<std::size_t>(i)];
  // Beyond the row's end, a place that no other thread writes.
  if (piece.inside && row_.plan().widest > 0) {
    const U32 column = *row_.own_ + c.base_ + piece.offset;
    return *shared_ + in_part(k_.select(*piece.inside, column, *row_.own_));
  }
  if (piece.column) return *shared_ + in_part(*piece.column);
  if (parts_ == 1) return *shared_ + (*row_.own_ + c.base_) + piece.offset;
  return *shared_ + in_part(*row_.own_ + c.base_) + piece.offset / parts_;
}

U32 KeptRow::in_part(const U32& column) const {
  return parts_ == 1 ? column : k_.assume_multiple(column / parts_, 4);
}

void KeptRow::store_shared(const RowChunk& c, const RowChunk::Values& values) const {
  auto v = values.begin();
  for (int i = 0; i < static_cast<int>(c.pieces_.size()); ++i) {
    const SharedPtr<f32> to = place(c, i);
    const auto store = [&] {
      for (int part = 0; part < parts_; ++part, v += c.vector_ / parts_)
        kernels::store_shared(k_, to + part * part_apart_, {v, v + c.vector_ / parts_});
    };
    const RowChunk::Piece& piece = c.pieces_[static_cast<std::size_t>(i)];
    if (piece.inside)
      k_.guard(*piece.inside, store);
    else
      store();
  }
}

}  // namespace ptxmill::kernels
