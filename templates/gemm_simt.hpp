// The body of gemm on the FMA units.
#pragma once

#include "templates/lib/gemm_problem.hpp"
#include "templates/lib/simt_tile.hpp"

namespace ptxmill::kernels {

/// A CTA computes one tile of the result.
void emit_simt_gemm(Emitter& k, const GemmProblem& problem, const SimtTile& tile);

}  // namespace ptxmill::kernels
