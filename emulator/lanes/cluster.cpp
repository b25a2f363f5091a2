// Addresses of the shared memory of other blocks (PTX ISA, "mapa", "getctarank").
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

template <class T>
void map_address(Warp& w, const Instruction& i, LaneMask m) {
  map2<T, T, std::uint32_t>(w, i, m, [](T address, std::uint32_t rank) {
    constexpr T offset = (T{1} << cluster_rank_shift) - 1;
    // What is no rank stays none.
    const std::uint32_t place = rank < max_cluster_blocks ? rank + 1 : 0xffu;
    const T window = sizeof(T) == 8 ? address & ~(T{0xff} << cluster_rank_shift | offset) : T{0};
    return static_cast<T>(window | static_cast<T>(place) << cluster_rank_shift |
                          (address & offset));
  });
}

template <class T>
void rank_of_address(Warp& w, const Instruction& i, LaneMask m) {
  const std::uint32_t own = own_cluster_rank(w);
  map1<std::uint32_t, T>(w, i, m, [=](T address) {
    const auto place = static_cast<std::uint32_t>(address >> cluster_rank_shift & 0xffu);
    return place == 0 ? own : place - 1;
  });
}

}  // namespace

Handler cluster_move(ClusterMove kind, int bits) {
  if (kind == ClusterMove::map)
    return bits == 64 ? map_address<std::uint64_t> : map_address<std::uint32_t>;
  return bits == 64 ? rank_of_address<std::uint64_t> : rank_of_address<std::uint32_t>;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
