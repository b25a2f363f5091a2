#include "templates/lib/reduce.hpp"

namespace ptxmill::kernels {
namespace {

F32 combine(Emitter& k, Reduction op, const F32& a, const F32& b) {
  return op == Reduction::sum ? a + b : k.max_nan(a, b);
}

}  // namespace

F32 reduce_values(Emitter& k, Reduction op, std::vector<F32> values) {
  while (values.size() > 1) {
    std::vector<F32> half;
    for (std::size_t i = 0; i + 1 < values.size(); i += 2)
      half.push_back(combine(k, op, values[i], values[i + 1]));
    if (values.size() % 2 == 1) half.push_back(values.back());
    values = std::move(half);
  }
  return values.front();
}

F32 reduce_warp(Emitter& k, Reduction op, const F32& value) {
  F32 result = value;
  for (const std::uint32_t distance : {16u, 8u, 4u, 2u, 1u}) {
    const F32 other = k.shfl_sync_bfly(result, distance);
    result = combine(k, op, result, other);
  }
  return result;
}

Var<ptx::f32> reduce_block(Emitter& k, const std::string& name, Reduction op, const F32& value,
                           int threads) {
  const int warps = threads / 32;
  const auto of_warp = k.shared<ptx::f32>(name + "_of_warp", warps);
  auto result = k.var<ptx::f32>(name, Level::cta);
  k.phase(name + ": over each warp", [&] {
    const F32 sum = reduce_warp(k, op, value);
    const U32 tid = k.tid_x();
    const auto place = of_warp + tid / 32;
    k.guard(tid % 32 == 0, [&] { k.store(place, sum); });
  });
  k.sync();
  k.phase(name + ": over the CTA", [&] {
    std::vector<F32> values;
    while (static_cast<int>(values.size()) + 4 <= warps)
      for (const F32& v : k.load<4>(of_warp + static_cast<int>(values.size()))) values.push_back(v);
    while (static_cast<int>(values.size()) < warps)
      values.push_back(k.load(of_warp + static_cast<int>(values.size())));
    result = reduce_values(k, op, std::move(values));
  });
  return result;
}

void CompensatedSum::add(const F32& term) {
  const F32 sum = sum_ + term;
  const F32 added = sum - sum_;
  const F32 error_of_sum = sum_ - (sum - added);
  const F32 error_of_term = term - added;
  errors_ += error_of_sum + error_of_term;
  sum_ = In<ptx::f32>(sum);
}

void CompensatedSum::multiply(const F32& factor) {
  sum_ *= factor;
  errors_ *= factor;
}

}  // namespace ptxmill::kernels
