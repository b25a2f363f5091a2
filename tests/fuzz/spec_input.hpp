// What must hold for any bytes given to the spec reader, whoever made them up.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "generator/cli/spec_file.hpp"

namespace ptxmill::test {

/// What became of one text.
struct SpecVerdict {
  std::optional<cli::Library> library;  ///< where it was accepted
  std::string complaints;               ///< where it was not: a line each
  std::string broken;                   ///< what must not be, or empty
};

/// Reads the text, and checks that it is accepted or refused with complaints that are printable,
/// each with a position inside the text, in the order of the text.
SpecVerdict judge_spec(std::string_view text);

}  // namespace ptxmill::test
