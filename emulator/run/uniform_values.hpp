// What was seen at uniformity notes.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

namespace ptxmill::emu {

/// What the threads of a set held at a uniformity note, by the note's pc, how often the thread had
/// passed it, and the number of the set within the block, cluster or grid.
using UniformValues =
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::uint64_t>;

}  // namespace ptxmill::emu
