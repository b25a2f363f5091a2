#include "templates/lib/epilogue.hpp"

#include <limits>

#include "templates/lib/activations.hpp"

namespace ptxmill::kernels {
namespace {

constexpr double largest = std::numeric_limits<float>::max();

std::vector<std::string> epilogue_names() {
  std::vector<std::string> names = activation_names;
  names.emplace_back("silu_multiply");
  return names;
}

}  // namespace

EpilogueFields::EpilogueFields(spec::Declared& owner)
    : activation(owner, "activation",
                 "what is applied to alpha x + bias; silu_multiply: rows 16 j to 16 j + 7 of w are "
                 "gates of the eight that follow, and out is silu(gate) * x, n / 2 wide",
                 epilogue_names(), "none"),
      bias(owner, "bias", "whether a value for each output feature is added", false),
      residual(owner, "residual", "whether a tensor shaped as the output is added last", false),
      alpha(owner, "alpha", "what the product is multiplied by", 1, -largest, largest) {}

void EpilogueFields::check(const spec::Declared& owner, const Dim& n) const {
  if (is_gated() && n.is_static() && n.get() % n_multiple() != 0)
    owner.refuse(n, std::to_string(n.get()) + " is no multiple of " + std::to_string(n_multiple()) +
                        ", which silu_multiply needs");
}

MatrixEpilogueFields::MatrixEpilogueFields(spec::Declared& owner)
    : EpilogueFields(owner),
      out_layout(owner, "out_layout",
                 "how out is stored: rows is [m, n], heads is [n / head_dim, m, head_dim]",
                 {"rows", "heads"}, "rows", true),
      head_dim(owner, "head_dim", "columns of a head; 0 for an out_layout of rows", 0,
               {.min = 0, .max = 65535, .implied = true}) {}

std::int64_t MatrixEpilogueFields::n_multiple() const {
  return has_heads() ? head_dim : EpilogueFields::n_multiple();
}

void MatrixEpilogueFields::check(const spec::Declared& owner, const Dim& n) const {
  if (!has_heads()) {
    if (head_dim != 0) owner.refuse(head_dim, "is for an out_layout of heads");
    return EpilogueFields::check(owner, n);
  }
  if (is_gated()) owner.refuse(activation, "silu_multiply takes an out_layout of rows");
  if (residual) owner.refuse(residual, "a residual takes an out_layout of rows");
  if (head_dim == 0)
    owner.refuse(out_layout, "heads needs a head_dim");
  else if (n.is_static() && n.get() % head_dim != 0)
    owner.refuse(
        n, std::to_string(n.get()) + " is no multiple of head_dim, " + std::to_string(head_dim));
}

std::vector<F32> apply(Emitter& k, const EpilogueFields& fields, const std::vector<F32>& sums,
                       const std::vector<F32>& bias, const std::vector<F32>& residual,
                       Precision precision) {
  const auto alpha = static_cast<float>(fields.alpha.get());
  const auto scaled = [&](std::size_t i) {
    if (alpha != 1 && fields.bias) return k.fma(sums[i], alpha, bias[i]);
    if (alpha != 1) return sums[i] * alpha;
    return fields.bias ? sums[i] + bias[i] : sums[i];
  };
  const std::string& name = fields.is_gated() ? "silu" : fields.activation.get();
  const std::size_t count = sums.size() / static_cast<std::size_t>(fields.sums());
  std::vector<F32> values;
  for (std::size_t i = 0; i < count; ++i) {
    F32 v = activation(k, name, scaled(i), precision);
    if (fields.is_gated()) v = v * scaled(i + count);
    if (fields.residual) v = v + residual[i];
    values.push_back(v);
  }
  return values;
}

}  // namespace ptxmill::kernels
