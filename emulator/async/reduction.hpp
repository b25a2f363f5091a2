// The arithmetic of bulk reductions (PTX ISA, "cp.reduce.async.bulk").
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/async/tensor_map.hpp"
#include "emulator/decode/transfer.hpp"

namespace ptxmill::emu {

/// The type that a reduction by a tensor map computes in.
isa::Type type_of(TensorElement e);
/// Whether there is such a reduction.
bool has_reduction(TransferReduction r, isa::Type type);
/// Combines the elements of `to` with those of `from`.
void reduce(TransferReduction r, isa::Type type, std::byte* to, const std::byte* from,
            std::uint64_t bytes);

}  // namespace ptxmill::emu
