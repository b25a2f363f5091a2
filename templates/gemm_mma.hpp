// The body of gemm on the tensor cores of sm_80 and later, by mma.sync.
#pragma once

#include "templates/lib/gemm_problem.hpp"
#include "templates/lib/mma_tile.hpp"

namespace ptxmill::kernels {

/// A CTA computes one tile of the result. n and k are multiples of a 16-byte access.
void emit_mma_gemm(Emitter& k, const GemmProblem& problem, const MmaTile& tile, MmaMath math);

}  // namespace ptxmill::kernels
