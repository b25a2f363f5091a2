// What a PTX file does, apart from how it is written: for `ptxmill diff` and `explain`.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ptxmill::cli {

/// One phase of a kernel: the instructions between its banner and the end of its block. What
/// stands outside all phases belongs to the phase named "".
struct PhaseSummary {
  std::string name;
  /// The instructions with registers renamed by first appearance, without comments, declarations
  /// and white space: equal for files that differ only in those.
  std::string code;
};

struct PtxSummary {
  std::vector<PhaseSummary> phases;
  std::map<std::string, int> mix;  ///< instructions by their full opcode, such as fma.rn.f32
  std::string version, target;     ///< 7.0, sm_80
  std::string block;               ///< .maxntid
  long shared_bytes = 0;           ///< declared statically
};

PtxSummary summarize(std::string_view ptx);

}  // namespace ptxmill::cli
