// What becomes of the sums of a tile of gemm that streams: those over parts of k are added, and get
// the epilogue.
#pragma once

#include <vector>

#include "templates/lib/gemm_problem.hpp"
#include "templates/lib/stream_tile.hpp"

namespace ptxmill::kernels {

/// A thread's, as mma leaves them: [16 features][8 rows][4].
using StreamSums = std::vector<std::vector<std::vector<Var<ptx::f32>>>>;

struct StreamPlace {
  U32 tid;
  U32 first_row;      ///< of the CTA
  U32 first_feature;  ///< of the thread's team
  /// What the CTA's copies went through, once every thread has read its own.
  SharedPtr<ptx::f32> memory;
};

/// By every thread of the CTA.
void store_stream(Emitter& k, const GemmProblem& problem, const StreamTile& tile,
                  const StreamSums& sums, const StreamPlace& at);

}  // namespace ptxmill::kernels
