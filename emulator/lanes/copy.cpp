// The sides of asynchronous copies (PTX ISA, "cp.async"): where they go is resolved here, when
// they are done is the business of watch/async.
#include "emulator/lanes/access.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"
#include "emulator/watch/async.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

LaneMask lanes_that_read(Warp& w, const Instruction& i, LaneMask m, std::uint32_t bytes) {
  const auto* read = w.lanes<std::uint32_t>(i.s[2]);
  LaneMask r = 0;
  for (int l = 0; l < lane_count; ++l) r |= static_cast<LaneMask>(read[l] >= bytes) << l;
  return r & m;
}

/// Lanes that read less than a whole copy are looked at as lanes that read its first word.
template <int bytes>
void source_op(Warp& w, const Instruction& i, LaneMask m) {
  if (w.checked) m = with_defined_address(w, i, m);
  const LaneMask whole = lanes_that_read(w, i, m, bytes);
  const LaneMask some = lanes_that_read(w, i, m, 1) & ~whole;
  for_resolved<bytes, bytes>(w, i, whole, [&](LaneMask lanes, const Target& t) {
    if (w.footprint != nullptr) note_global(w, i.aux, lanes, t, bytes);
    if (t.shadow != nullptr) watch_copy_source(w, i, lanes, t, bytes);
  });
  for_resolved<4, bytes>(w, i, some, [&](LaneMask lanes, const Target& t) {
    for (LaneMask left = w.footprint != nullptr ? lanes : 0; left != 0; left &= left - 1) {
      const int l = std::countr_zero(left);
      const auto read = static_cast<int>(w.lanes<std::uint32_t>(i.s[2])[l]);
      note_global(w, i.aux, LaneMask{1} << l, t, read);
    }
    if (t.shadow != nullptr) watch_copy_source(w, i, lanes, t, 4);
  });
}

template <int bytes>
void destination_op(Warp& w, const Instruction& i, LaneMask m) {
  if (w.checked) m = with_defined_address(w, i, m);
  for_resolved<bytes, bytes>(
      w, i, m, [&](LaneMask lanes, const Target& t) { start_copies(w, i, lanes, t, bytes); });
}

}  // namespace

Handler copy_source(int bytes) {
  return bytes == 16 ? source_op<16> : bytes == 8 ? source_op<8> : source_op<4>;
}

Handler copy_destination(int bytes) {
  return bytes == 16 ? destination_op<16> : bytes == 8 ? destination_op<8> : destination_op<4>;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
