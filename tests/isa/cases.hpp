// Operands that reveal mistakes, and the combinations of them that a row is run with.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/types.hpp"
#include "tests/isa/instance.hpp"
#include "tests/support/random.hpp"

namespace ptxmill::test {

/// The bits of interesting values of a type: ends of the range, powers of two, zeros of both signs,
/// subnormals, infinities, NaN, ties.
const std::vector<std::uint64_t>& edge_values(isa::Type type);

/// Source bits, `sources(instance).size()` words a case: every combination of edge values where
/// that is at most `most` cases, else a random choice of them mixed with random bits. A single
/// 16-bit source takes all of its values.
std::vector<std::uint64_t> cases(const Instance& instance, Random& random, std::size_t most);

}  // namespace ptxmill::test
