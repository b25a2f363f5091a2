// The body of gemm for few rows of 16-bit elements, on sm_80 and later.
#pragma once

#include "templates/lib/gemm_problem.hpp"
#include "templates/lib/stream_tile.hpp"

namespace ptxmill::kernels {

/// What a launch may do before the one ahead of it has ended.
struct StreamStart {
  bool overlaps;              ///< begin
  bool weights_are_resident;  ///< read w
};

Launch stream_launch(const StreamTile& tile, const Dim& m, const Dim& n, const StreamStart& start);
/// n and k are multiples of a 16-byte access.
void emit_stream_gemm(Emitter& k, const GemmProblem& problem, const StreamTile& tile,
                      const StreamStart& start);

}  // namespace ptxmill::kernels
