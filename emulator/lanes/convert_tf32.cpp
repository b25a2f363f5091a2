// Conversion to tf32 (PTX ISA, "cvt"), as an H200 does it.
#include "emulator/lanes/floats.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

/// Rounds to the 10 fraction bits of tf32. Of a NaN, .rna keeps what there is room for.
template <Rounding rounding, bool relu>
void to_tf32(Warp& w, const Instruction& i, LaneMask m) {
  constexpr std::uint32_t fraction = ~0x1fffu;
  map1<std::uint32_t, float>(w, i, m, [=](float v) -> std::uint32_t {
    const std::uint32_t b = bits_of(v);
    if (v != v) return rounding == Rounding::rna ? b & fraction : canonical_nan<float> & fraction;
    if (relu && !(v > 0)) return 0;
    if ((b & 0x7fffffffu) == infinity_bits<float>) return b;
    const std::uint32_t half = rounding == Rounding::rna  ? 0x1000u
                               : rounding == Rounding::rn ? 0xfffu + (b >> 13 & 1u)
                                                          : 0u;
    return (b + half) & fraction;
  });
}

}  // namespace

Handler convert_tf32(FloatMode mode) {
  switch (mode.rounding) {
    case Rounding::rna: return mode.relu ? nullptr : to_tf32<Rounding::rna, false>;
    case Rounding::rn:
      return mode.relu ? to_tf32<Rounding::rn, true> : to_tf32<Rounding::rn, false>;
    case Rounding::rz:
      return mode.relu ? to_tf32<Rounding::rz, true> : to_tf32<Rounding::rz, false>;
    default: return nullptr;
  }
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
