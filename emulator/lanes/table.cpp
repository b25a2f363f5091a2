#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {

const HandlerTable& table() {
  static constexpr HandlerTable functions{
      integer,      bit,      floating,    half,         setp,
      select,       test,     convert,     convert_pair, move,
      load,         store,    atomic,      copy_source,  copy_destination,
      cvta,         is_space, shuffle,     warp,         video,
      convert_tf32, multiply, matrix_move, cluster_move, warpgroup_multiply};
  return functions;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
