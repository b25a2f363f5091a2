#include "templates/lib/online_softmax.hpp"

#include <limits>
#include <utility>

namespace ptxmill::kernels {
namespace {

constexpr double log2_e = 1.4426950408889634074;
constexpr double ln_2 = 0.69314718055994530942;
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

OnlineSoftmax::OnlineSoftmax(Emitter& k, int rows, double scale, std::vector<int> shared_by)
    : k_(k), exponent_scale_(scale * log2_e), shared_by_(std::move(shared_by)) {
  maxima_ = k.array<ptx::f32>("row_max", rows, -infinity);
  sums_ = k.array<ptx::f32>("row_sum", rows, 0);
}

std::vector<OnlineSoftmax::Step> OnlineSoftmax::update(
    const std::vector<std::vector<Var<ptx::f32>>>& scores) {
  const std::size_t rows = scores.size();
  std::vector<F32> tile_max;
  for (const auto& row : scores) {
    F32 largest = row.size() > 1 ? k_.max(row[0], row[1]) : k_.mov(row[0]);
    for (std::size_t c = 2; c < row.size(); ++c) largest = F32(k_.max(largest, row[c]));
    tile_max.push_back(largest);
  }
  // Bit by bit over all rows: the shuffles of different rows overlap.
  for (const int bit : shared_by_)
    for (F32& largest : tile_max)
      largest = k_.max(largest, k_.shfl_sync_bfly(largest, static_cast<std::uint32_t>(bit)));

  std::vector<Step> steps;
  for (std::size_t r = 0; r < rows; ++r) {
    const F32 maximum = k_.max(maxima_[r], tile_max[r] * exponent_scale_);
    // -inf - -inf would be NaN; with 0 in its place the weights are 2^-inf = 0.
    const F32 base = k_.select(maximum == -infinity, 0, maximum);
    const F32 rescale = k_.ex2_approx_ftz(maxima_[r] - base);
    const F32 minus_base = -base;
    Step step{{}, rescale};
    for (const Var<ptx::f32>& score : scores[r])
      step.weights.push_back(k_.ex2_approx_ftz(k_.fma(score, exponent_scale_, minus_base)));
    F32 sum = step.weights[0];
    for (std::size_t c = 1; c < step.weights.size(); ++c) sum = sum + step.weights[c];
    sums_[r] = k_.fma(sums_[r], rescale, sum);
    maxima_[r] = In<ptx::f32>(maximum);
    steps.push_back(std::move(step));
  }
  return steps;
}

void OnlineSoftmax::finish() {
  for (const int bit : shared_by_)
    for (Var<ptx::f32>& sum : sums_) sum += k_.shfl_sync_bfly(sum, static_cast<std::uint32_t>(bit));
}

F32 OnlineSoftmax::normaliser(int row) const {
  const auto& sum = sums_[static_cast<std::size_t>(row)];
  const Pred none = sum == 0;
  return k_.select(none, 0, k_.rcp_rn(sum));
}

F32 OnlineSoftmax::log_sum_exp(int row) const {
  const auto r = static_cast<std::size_t>(row);
  const F32 log_sum = k_.lg2_approx(sums_[r]) * ln_2;
  return k_.fma(maxima_[r], ln_2, log_sum);
}

}  // namespace ptxmill::kernels
