// Addresses and accesses that several templates need.
#pragma once

#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// Elements of the vectors that forms for an extent are made for, the widest of 16 bytes first; a
/// fixed extent of 16-bit elements gets narrower ones too.
std::vector<int> vector_widths(const Dim& dim, Dtype dtype);
/// A form for each width, where `dim` is a multiple of it, and one for single elements.
std::vector<Form> vector_forms(const Dim& dim, Dtype dtype);

/// The pointer a * b elements after p, the product in 64 bits.
ElementPtr advance(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b);

/// The pointer a * b elements before p.
ElementPtr go_back(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b);

/// `n` neighbouring elements of shared memory: 1, 2 or 4 in one access; 8 are stored in two.
std::vector<F32> load_shared(Emitter& k, const SharedPtr<ptx::f32>& p, int n);
/// The sums of `parts` such accesses, `apart` from one to the next, in their order.
std::vector<F32> add_shared(Emitter& k, const SharedPtr<ptx::f32>& p, int n, int parts, int apart);
void store_shared(Emitter& k, const SharedPtr<ptx::f32>& p, const std::vector<F32>& v);

}  // namespace ptxmill::kernels
