// Activation functions on f32 registers, shared by every template that has an epilogue.
#pragma once

#include <string>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// The names that `activation` knows, "none" first.
inline const std::vector<std::string> activation_names{"none", "relu", "gelu", "gelu_tanh", "silu"};

/// The activation of that name: none, relu, gelu (x/2 (1 + erf(x/sqrt 2))), gelu_tanh (its tanh
/// approximation: Hendrycks and Gimpel, "Gaussian Error Linear Units", section 2), silu
/// (x / (1 + exp(-x))).
F32 activation(Emitter& k, const std::string& name, const F32& x);

/// exp(x) within 2 units in the last place: 2^(x log2 e) with the product's rounding error carried
/// along, since ex2 alone would magnify it for large |x|.
F32 exp(Emitter& k, const F32& x);

}  // namespace ptxmill::kernels
