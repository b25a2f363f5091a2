#include "templates/lib/activations.hpp"

namespace ptxmill::kernels {

F32 activation(Emitter& k, const std::string& name, const F32& x) {
  if (name == "relu") return k.max(x, 0.f);
  return x;
}

}  // namespace ptxmill::kernels
