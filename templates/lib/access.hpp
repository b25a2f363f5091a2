// Addresses and accesses that several templates need.
#pragma once

#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// The pointer a * b elements after p, the product in 64 bits.
ElementPtr advance(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b);

/// The pointer a * b elements before p.
ElementPtr go_back(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b);

/// `n` neighbouring elements of shared memory (1 or 4) in one access.
std::vector<F32> load_shared(Emitter& k, const SharedPtr<ptx::f32>& p, int n);
void store_shared(Emitter& k, const SharedPtr<ptx::f32>& p, const std::vector<F32>& v);

}  // namespace ptxmill::kernels
