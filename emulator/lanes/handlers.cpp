#include "emulator/lanes/handlers.hpp"

namespace ptxmill::emu {

namespace baseline {
const HandlerTable& table();
}
#ifdef PTXMILL_HAVE_AVX2
namespace avx2 {
const HandlerTable& table();
}
#endif

const HandlerTable& handlers() {
#ifdef PTXMILL_HAVE_AVX2
  static const bool wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (wide) return avx2::table();
#endif
  return baseline::table();
}

}  // namespace ptxmill::emu
