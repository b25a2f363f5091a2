// What PTXMILL_TRACE=1 prints. Private to the runtime.
#pragma once

#include <string>

#include "runtime/tensor.hpp"

namespace ptxmill::rt {

/// Prints `label`, the shape, and the mean, standard deviation, minimum and maximum of the elements
/// (and how many are not finite, which the others leave out) to stderr. Waits for the stream; not
/// counted as a transfer.
void trace_values(const Stream& stream, const std::string& label, const Tensor& tensor);

}  // namespace ptxmill::rt
