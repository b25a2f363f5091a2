#include "templates/lib/epilogue.hpp"

#include <limits>

#include "templates/lib/activations.hpp"

namespace ptxmill::kernels {
namespace {

constexpr double largest = std::numeric_limits<float>::max();

}  // namespace

EpilogueFields::EpilogueFields(spec::Declared& owner)
    : activation(owner, "activation", "what is applied to alpha x + bias", activation_names,
                 "none"),
      bias(owner, "bias", "whether a value for each output feature is added", false),
      residual(owner, "residual", "whether a tensor shaped as the output is added last", false),
      alpha(owner, "alpha", "what the product is multiplied by", 1, -largest, largest) {}

std::vector<F32> apply(Emitter& k, const EpilogueFields& fields, std::vector<F32> sums,
                       const std::vector<F32>& bias, const std::vector<F32>& residual,
                       Precision precision) {
  const auto alpha = static_cast<float>(fields.alpha.get());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    F32& v = sums[i];
    if (alpha != 1 && fields.bias)
      v = k.fma(v, alpha, bias[i]);
    else if (alpha != 1)
      v = v * alpha;
    else if (fields.bias)
      v = v + bias[i];
    v = activation(k, fields.activation.get(), v, precision);
    if (fields.residual) v = v + residual[i];
  }
  return sums;
}

}  // namespace ptxmill::kernels
