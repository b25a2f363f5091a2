// Prints a recorded kernel as PTX: the same recording gives the same bytes everywhere.
#pragma once

#include <string>
#include <vector>

#include "generator/ptx/kernel.hpp"

namespace ptxmill::ptx {

/// The whole file: `header` as comment lines, directives, shared memory, the entry.
std::string print(const Recorder& recorder, const EntryShape& shape,
                  const std::vector<std::string>& header);

/// A constant as PTX spells it: decimal integers, 0f3F800000 for 1.0.
std::string print_literal(const Operand& operand);
/// The shortest decimal that reads back as the same value.
std::string decimal(double value, isa::Type type);

}  // namespace ptxmill::ptx
