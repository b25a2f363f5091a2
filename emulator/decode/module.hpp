// A decoded PTX module.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/decode/instruction.hpp"
#include "emulator/program.hpp"

namespace ptxmill::emu {

/// Special registers whose value is fixed for a thread: filled in when a warp is set up.
enum class Special : std::uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  smid,
  nsmid,
  gridid,
  lanemask_eq,
  lanemask_lt,
  lanemask_le,
  lanemask_gt,
  lanemask_ge,
  dynamic_smem_size,
  total_smem_size,
  zero32,
  one32,
  zero64
};

/// A slot that holds the same value in all lanes for the whole launch.
struct ConstantSlot {
  Slot slot = 0;
  int bits = 32;  ///< 1, 32 or 64
  std::uint64_t value = 0;
  int variable = -1;  ///< index into Module::variables whose address is added; -1: none
};

struct SpecialSlot {
  Slot slot = 0;
  Special special = Special::tid_x;
};

/// Where an instruction stands in the text.
struct Origin {
  int line = 0;
  std::uint32_t phase = 0;  ///< index into Module::phases
};

/// A named stretch of a state space, for diagnostics.
struct NamedRange {
  std::string name;
  std::uint64_t offset = 0, size = 0;
};

struct Kernel {
  EntryInfo info;
  std::vector<Instruction> code;                   ///< closed by an exit
  std::vector<Origin> origins;                     ///< of `code`
  std::vector<std::vector<std::uint32_t>> tables;  ///< of indexed branches
  std::vector<Slot> operands;  ///< of instructions with more than an Instruction holds, from `imm`
  Slot slots = first_free_slot;  ///< how many slots a warp needs
  std::vector<ConstantSlot> constants;
  std::vector<SpecialSlot> specials;
  std::uint64_t dynamic_shared_offset = 0;
  std::vector<NamedRange> shared, local;
};

/// A number or an address in a variable's initial value.
struct InitialBytes {
  std::uint64_t offset = 0;
  int size = 0;  ///< bytes, little-endian, of `value`
  std::uint64_t value = 0;
  int variable = -1;  ///< whose address is added; -1: none
};

struct ModuleVariable {
  std::vector<InitialBytes> values;
};

struct Module {
  std::string source;
  std::vector<std::string_view> lines;  ///< of `source`
  std::vector<std::string> phases;      ///< phases[0] is empty: no phase
  std::vector<VariableInfo> variables;
  std::vector<ModuleVariable> initial;  ///< of `variables`
  std::vector<Kernel> kernels;
  Machine machine;
};

}  // namespace ptxmill::emu
