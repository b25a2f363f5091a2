// Sums and maxima over values, warps and CTAs, in a fixed order.
#pragma once

#include <string>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

enum class Reduction : std::uint8_t {
  sum,
  max  ///< NaN where any value is
};

/// The values of one thread, neighbours first, so that the depth is the logarithm of the count.
F32 reduce_values(Emitter& k, Reduction op, std::vector<F32> values);

/// The warp's lanes, the most distant first: each lane gets the same bits.
F32 reduce_warp(Emitter& k, Reduction op, const F32& value);

/// The CTA's threads: warps first, then the warps' results by every thread, which all get the same
/// bits. `name` names the result, and with "_of_warp" the shared array; each use takes its own, so
/// that one barrier suffices.
Var<ptx::f32> reduce_block(Emitter& k, const std::string& name, Reduction op, const F32& value,
                           int threads);

/// A long sum in f32 with the rounding errors of its additions summed beside it: its error does not
/// grow with the length (Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B).
class CompensatedSum {
 public:
  CompensatedSum(Emitter& k, const std::string& name)
      : sum_(k.var<ptx::f32>(name, 0.f)), errors_(k.var<ptx::f32>(name + "_errors", 0.f)) {}
  void add(const F32& term);
  void multiply(const F32& factor);
  F32 total() const { return sum_ + errors_; }

 private:
  Var<ptx::f32> sum_, errors_;
};

}  // namespace ptxmill::kernels
