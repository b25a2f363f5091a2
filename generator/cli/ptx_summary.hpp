// What a PTX file does, apart from how it is written: for `ptxmill diff`.
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
  /// The instructions with the file's registers renamed by first appearance, without comments,
  /// declarations and white space: equal for files that differ only in those.
  std::string code;
  /// The same with the registers renamed by first appearance in this phase: an edit before the
  /// phase does not change it.
  std::string own_code;

  friend bool operator==(const PhaseSummary& a, const PhaseSummary& b) {
    return a.name == b.name && a.code == b.code;
  }
};

struct PtxSummary {
  std::vector<PhaseSummary> phases;
  std::map<std::string, int> mix;   ///< instructions by their full opcode, such as fma.rn.f32
  std::string version, target;      ///< 7.0, sm_80
  std::vector<std::string> limits;  ///< .maxntid and its like, sorted
  std::vector<std::string> shared;  ///< declarations of shared memory, sorted
  long shared_bytes = 0;            ///< declared with a size
};

PtxSummary summarize(std::string_view ptx);

}  // namespace ptxmill::cli
