#include "templates/lib/row_stream.hpp"

#include <algorithm>

#include "templates/lib/access.hpp"
#include "templates/lib/reduce.hpp"

namespace ptxmill::kernels {
namespace {

constexpr int vector = 8;  ///< elements of an access
constexpr int words = ThreadRing::words;
/// Sums of a thread for each row, so that multiplications need not wait for each other.
constexpr int chains = 4;
/// Warps with which the memory of a large GPU is busy.
constexpr std::int64_t enough_warps = 4224;

int open(int wanted, std::int64_t choice) {
  return wanted != 0 ? wanted : static_cast<int>(choice);
}

/// Warps for a row: where a warp for each would be few, and k gives more of them work.
int choose_split(const Dim& n, const Dim& k) {
  int split = 1;
  if (!n.is_static() || !k.is_static()) return split;
  while (split < 8 && n.get() * split < enough_warps && k.get() >= 32 * vector * 4 * split)
    split *= 2;
  return split;
}

}  // namespace

RowStream RowStream::chosen(RowStream wanted, const Dim& n, const Dim& k, int least) {
  RowStream plan = wanted;
  // Where each of four warps has a whole access of a row: the fastest, or within 1 %, for every
  // such matrix that was measured.
  const std::int64_t four_accesses = std::int64_t{4} * 32 * vector;
  if (k.is_static() && k.get() >= four_accesses) {
    plan.split = open(wanted.split, 4);
    plan.block = open(wanted.block, std::max(256, 32 * plan.split));
    plan.rows = open(wanted.rows, 2);
    const std::int64_t accesses = ptx::ceil_div(k.get(), plan.apart());
    plan.loads = static_cast<int>(std::min<std::int64_t>(accesses, open(wanted.loads, 2)));
    return plan;
  }
  plan.split = open(wanted.split, choose_split(n, k));
  plan.block = open(wanted.block, std::max(128, 32 * plan.split));
  const std::int64_t accesses = k.is_static() ? ptx::ceil_div(k.get(), plan.apart()) : 16;
  const std::int64_t choice = !k.is_static() || std::max(wanted.rows, least) > 1 ? 4 : 8;
  plan.loads = static_cast<int>(std::min<std::int64_t>(accesses, open(wanted.loads, choice)));
  // Rows that are taken together share what is read of the vector.
  const bool many = n.is_static() && n.get() * plan.split >= 2 * enough_warps;
  plan.rows = open(wanted.rows, many && plan.loads <= 4 ? 2 : least);
  return plan;
}

std::vector<std::pair<std::string, std::string>> RowStream::division() const {
  return {{"row", std::to_string(split) + " warps, " + std::to_string(rows) + " at a time, " +
                      std::to_string(rows_per_cta()) + " a CTA"},
          {"access",
           std::to_string(vector) + " weights, " + std::to_string(rows * loads) + " in flight"}};
}

void RowStreamBody::emit(const ElementPtr& w, const ElementPtr& x,
                         const std::function<void()>& before_vector, const Store& store) {
  locate(w, x);
  k_.phase("request the first weights", [&] {
    request_first();
    before_vector();
    k_.guard_if(inside(0, 0), [&] { load_x(0, 0); });
  });
  sum_rows();
  if (plan_.split == 1)
    store_own_rows(store);
  else
    store_shared_rows(store);
}

void RowStreamBody::locate(const ElementPtr& w, const ElementPtr& x) {
  const int team = 32 * plan_.split;
  tid_ = k_.let("tid", k_.tid_x());
  own_ = k_.let("own_k", *tid_ % team * vector);
  first_row_ = k_.let("first_row", k_.ctaid_x() * plan_.rows_per_cta() + *tid_ / team * plan_.rows);
  const U64 along = k_.cvt<ptx::u64>(*own_);
  for (int r : unroll(plan_.rows)) {
    // Rows beyond the last compute that one again, and are not stored.
    const U32 row = *first_row_ + r;
    const U32 source = epilogue_.row_of_sum(rows_are_whole() ? row : k_.min(row, n_ - 1));
    w_at_.push_back(k_.let("w_at" + std::to_string(r), w + k_.mad_wide(source, depth_, along)));
    sums_.push_back(k_.array<ptx::f32>("sum" + std::to_string(r) + "_", chains, 0));
  }
  x_at_ = k_.let("x_at", x + *own_);
  x_ = k_.array<ptx::b32>("x", words);
  ring_.emplace(k_, plan_.block, plan_.rows, plan_.loads, *tid_);
}

std::optional<Pred> RowStreamBody::inside(const Extent& at, int ahead) const {
  if (at.is_static() && depth_.is_static() && at.get() + ahead + plan_.apart() <= depth_.get())
    return std::nullopt;
  // With whole columns all threads have one or none.
  const U32 first = columns_are_whole() ? at.value() : at.is(0) ? *own_ : *own_ + at;
  return ahead == 0 ? first < depth_ : first + ahead < depth_;
}

/// Copies a vector of each row to its place in a stage of the ring.
void RowStreamBody::request(const ThreadRing::Place& stage, const Extent& at, int ahead) {
  for (int r : unroll(plan_.rows)) {
    const ElementPtr from = (at.is(0) ? w_at_[r] : w_at_[r] + at) + ahead;
    k_.cp_async_cg(ring_->piece(stage, r), from.as<ptx::b32>(), 16);
  }
}

void RowStreamBody::load_x(const Extent& at, int ahead) {
  const ElementPtr from = (at.is(0) ? *x_at_ : *x_at_ + at) + ahead;
  auto loaded = k_.load<words>(from.as<ptx::b32>());
  for (int j : unroll(words)) x_[j] = std::move(loaded[j]);
}

// The weights come before the vector: they take longest, and do not wait for whatever computes it.
void RowStreamBody::request_first() {
  for (int i : unroll(plan_.loads)) {
    k_.guard_if(inside(0, i * plan_.apart()),
                [&] { request(ring_->stage(i), 0, i * plan_.apart()); });
    k_.cp_async_commit_group();
  }
}

void RowStreamBody::sum_rows() {
  ring_->begin();
  k_.for_range("k_at", 0, depth_, plan_.apart(), [&](const U32& counter) {
    const Extent at(counter);
    k_.phase("multiply, request the next weights", [&] {
      k_.cp_async_wait_group(plan_.loads - 1);
      const ThreadRing::Place stage = ring_->present();
      // A branch: under a guard, ptxas unrolls the loop and runs out of registers.
      if (columns_are_whole())
        multiply(stage);
      else
        k_.if_("in_row", *inside(at, 0), [&] { multiply(stage); });
      k_.guard_if(inside(at, plan_.apart()), [&] { load_x(at, plan_.apart()); });
      if (!fits()) {
        const int ahead = plan_.loads * plan_.apart();
        k_.guard_if(inside(at, ahead), [&] { request(stage, at, ahead); });
      }
      k_.cp_async_commit_group();
      ring_->advance(!fits());
    });
  });
}

/// Adds the products of what lies in a stage of the ring with the present part of the vector.
void RowStreamBody::multiply(const ThreadRing::Place& stage) {
  const Dtype dtype = x_at_->dtype();
  std::vector<ptx::B32> of_x;
  for (const Var<ptx::b32>& word : x_) of_x.push_back(k_.present(word));
  std::vector<F32> x;
  k_.each_element(dtype, of_x, [&](F32&& v) { x.push_back(v); });
  for (int r : unroll(plan_.rows)) {
    const auto w = k_.load<words>(ring_->piece(stage, r));
    std::size_t j = 0;
    k_.each_element(dtype, {w.begin(), w.end()}, [&](F32&& v) {
      Var<ptx::f32>& sum = sums_[r][j % chains];
      sum = k_.fma(v, x[j], sum);
      ++j;
    });
  }
}

F32 RowStreamBody::sum_of_lanes(int row) const {
  std::vector<F32> values;
  for (const Var<ptx::f32>& v : sums_[row]) values.push_back(k_.present(v));
  return reduce_warp(k_, Reduction::sum, reduce_values(k_, Reduction::sum, values));
}

/// A warp has whole rows: its r-th lane finishes the r-th element of them.
void RowStreamBody::store_own_rows(const Store& store) {
  k_.phase("add up the lanes, apply the epilogue, store", [&] {
    const int per_element = epilogue_.sums();
    const U32 lane = *tid_ % 32;
    std::vector<F32> own;
    for (int s = 0; s < per_element; ++s) own.push_back(sum_of_lanes(s));
    for (int r = 1; r < elements(); ++r)
      for (int s = 0; s < per_element; ++s)
        own[s] = k_.select(lane == r, sum_of_lanes(r * per_element + s), own[s]);
    const U32 element = epilogue_.out_cols(*first_row_) + lane;
    const Extent count = epilogue_.out_cols(n_);
    const Pred has_row = lane < elements();
    k_.if_("stores", rows_are_whole() ? has_row : has_row && element < count,
           [&] { store(element, own); });
  });
}

/// Several warps share rows: a thread for each element adds up their sums.
void RowStreamBody::store_shared_rows(const Store& store) {
  const int warps = plan_.block / 32;
  const auto partials = k_.shared<ptx::f32>("partials", warps * plan_.rows);
  k_.phase("add up the lanes", [&] {
    std::vector<F32> of_warp;
    for (int r : unroll(plan_.rows)) of_warp.push_back(sum_of_lanes(r));
    const auto place = partials + *tid_ / 32 * plan_.rows;
    k_.guard(*tid_ % 32 == 0, [&] { store_shared(k_, place, of_warp); });
  });
  k_.sync();
  k_.phase("add up the warps, apply the epilogue, store", [&] {
    const int per_element = epilogue_.sums(), of_cta = plan_.rows_per_cta() / per_element;
    const U32 element = k_.ctaid_x() * of_cta + *tid_;
    const Extent count = epilogue_.out_cols(n_);
    const Pred has_row = *tid_ < of_cta;
    k_.if_("stores", rows_are_whole() ? has_row : has_row && element < count, [&] {
      const U32 team = *tid_ / elements();
      const U32 own = *tid_ % elements() * per_element;
      const U32 first = team * (plan_.split * plan_.rows) + own;
      const auto from = partials + first;
      std::vector<F32> sums;
      for (int s = 0; s < per_element; ++s) {
        std::vector<F32> values;
        for (int warp : unroll(plan_.split))
          values.push_back(k_.load(from + (warp * plan_.rows + s)));
        sums.push_back(reduce_values(k_, Reduction::sum, values));
      }
      store(element, sums);
    });
  });
}

}  // namespace ptxmill::kernels
