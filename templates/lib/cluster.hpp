// How the CTAs of a kernel that may run in clusters begin and end together.
#pragma once

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// All threads wait here for what one of them has set up, `clustered`: in every CTA of the cluster.
void begin_together(Emitter& k, bool clustered);
/// The same before the end: nobody leaves a cluster while another CTA may still write to or arrive
/// at its shared memory.
void end_together(Emitter& k, bool clustered);

}  // namespace ptxmill::kernels
