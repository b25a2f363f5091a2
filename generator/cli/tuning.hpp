// Choices of tiles and block sizes that were measured, by target: values of tunable fields that a
// spec leaves open.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "generator/spec/document.hpp"
#include "templates/template.hpp"

namespace ptxmill::cli {

/// Tuning files, read. A file is for one target and lists choices, the first that fits before the
/// others:
///
///   { "schema_version": 1, "target": "sm_90a", "choices": [
///     { "template": "softmax", "when": { "cols": { "min": 4096 } }, "set": { "block": 512 } } ] }
///
/// `when` names fields of the template, each with the value that fits, or a list of values; a
/// dimension also with `min`, `max` and `multiple_of`, which a dynamic one never fits. Without
/// `when` every kernel fits. `set` names fields that the template declares tunable; what the spec
/// itself says is never overruled. `measured`, of the file or of a choice, holds figures for those
/// who review it, and is not read.
class Tuning {
 public:
  /// What is compiled into this generator: specs/tuning/*.json.
  static const Tuning& shipped();

  /// Reads one file, in place of what is known for its target. What is wrong with it goes to
  /// `problems`; where there is anything, nothing changes.
  void read(std::string_view text, spec::Problems& problems);

  /// The members that tuning adds to an entry of this template for this target.
  std::vector<spec::Node::Member> additions(const std::string& family,
                                            const kernels::Template& declared,
                                            const ptx::Target& target) const;

 private:
  friend class TuningReader;
  struct Choice {
    std::string family;
    spec::Node when, set;
  };
  struct ForTarget {
    ptx::Target target;
    std::vector<Choice> choices;
  };
  std::vector<ForTarget> targets_;
};

}  // namespace ptxmill::cli
