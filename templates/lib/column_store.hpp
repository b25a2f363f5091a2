// Stores sums whose rows are the result's columns: few rows of many features each.
#pragma once

#include <vector>

#include "templates/lib/tile_store.hpp"

namespace ptxmill::kernels {

/// Accumulators of a thread that are stored together: two features, or one and its gate, for two of
/// eight rows.
inline constexpr int column_store_sums = 4;

/// Stores the accumulators `column_store_sums` * `panel` and on of a warpgroup, as wgmma leaves
/// them: 64 features of the result from `first_feature` on, eight rows from `first_row` + 8 *
/// `panel`.
void store_columns(Emitter& k, const StoredTensors& tensors, const std::vector<Var<ptx::f32>>& sums,
                   int panel, const U32& first_feature, const U32& first_row);

}  // namespace ptxmill::kernels
