// Launches that begin while the one before them still runs (CUDA Programming Guide, "Programmatic
// Dependent Launch"), and what such a kernel may read before that one has ended.
#pragma once

#include <optional>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// The spec field that says what the launch ahead cannot have written.
struct WeightsField : Choice {
  explicit WeightsField(spec::Declared& owner);
  bool are_resident() const { return is("resident"); }
};

/// Whether kernels for this target can wait for the launch ahead: sm_90 and later.
bool can_overlap(const std::optional<ptx::Target>& target);

}  // namespace ptxmill::kernels
