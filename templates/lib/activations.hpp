// Activation functions on f32 registers, shared by every template that has an epilogue.
#pragma once

#include <string>
#include <vector>

#include "templates/lib/elementary.hpp"

namespace ptxmill::kernels {

/// The names that `activation` knows, "none" first.
inline const std::vector<std::string> activation_names{"none", "relu", "gelu", "gelu_tanh", "silu"};

/// The activation of that name: none, relu, gelu (x/2 (1 + erf(x/sqrt 2))), gelu_tanh (its tanh
/// approximation: Hendrycks and Gimpel, "Gaussian Error Linear Units", section 2), silu
/// (x / (1 + exp(-x))). Within 2.6 units in the last place of the result, tails included; gelu 5 in
/// its negative tail; in half precision with a relative error of at most 2^-14. NaN gives NaN;
/// infinity gives infinity, and minus infinity what the formula does: NaN, but 0 for relu.
F32 activation(Emitter& k, const std::string& name, const F32& x,
               Precision precision = Precision::full);

}  // namespace ptxmill::kernels
