#include "templates/lib/overlap.hpp"

namespace ptxmill::kernels {

WeightsField::WeightsField(spec::Declared& owner)
    : Choice(owner, "weights",
             "resident: w was written before the launch ahead of this one began, so that from "
             "sm_90 on a launch may read it while that one still runs",
             {"any", "resident"}, "any", true) {}

bool can_overlap(const std::optional<ptx::Target>& target) { return target && target->sm >= 90; }

}  // namespace ptxmill::kernels
