// A decoded PTX module.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/decode/classify.hpp"
#include "emulator/decode/instruction.hpp"
#include "emulator/decode/transfer.hpp"
#include "emulator/lanes/handlers.hpp"
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
  stack_frame,
  stack_top,
  workspace_low,  ///< of a cooperative grid's own memory, which its barriers use
  workspace_high,
  lanemask_eq,
  lanemask_lt,
  lanemask_le,
  lanemask_gt,
  lanemask_ge,
  cluster_ctaid_x,
  cluster_ctaid_y,
  cluster_ctaid_z,
  cluster_nctaid_x,
  cluster_nctaid_y,
  cluster_nctaid_z,
  cluster_ctarank,
  cluster_nctarank,
  clusterid_x,
  clusterid_y,
  clusterid_z,
  nclusterid_x,
  nclusterid_y,
  nclusterid_z,
  explicit_cluster,  ///< a predicate
  dynamic_smem_size,
  total_smem_size,
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

/// A named register's place.
struct RegisterSlot {
  Slot slot = 0;
  int bits = 32;  ///< 1, 32 or 64
};

/// A function that a kernel can call. Its frame in local memory begins with its parameters, then
/// its results.
struct Callee {
  std::string name;
  std::uint32_t entry = 0;
  std::uint64_t frame_bytes = 0;  ///< a multiple of Kernel::stack_align
  std::uint64_t param_bytes = 0;  ///< of its parameters alone
  std::uint32_t interface = 0;    ///< index into Kernel::interfaces
  std::vector<RegisterSlot> registers;
};

/// What the emulator itself does where a program calls a function of the device's runtime.
enum class Builtin : std::uint8_t { none, vprintf, malloc, free, assertfail };

/// Bytes between a caller's frame and a callee's.
struct FrameCopy {
  std::uint64_t caller = 0, callee = 0, bytes = 0;
};

struct CallSite {
  static constexpr int indirect = -1;
  int callee = indirect;        ///< index into Kernel::callees
  int caller = indirect;        ///< likewise; `indirect`: the entry
  std::uint32_t interface = 0;  ///< that an indirect callee must have
  Builtin builtin = Builtin::none;
  std::vector<FrameCopy> arguments, results;
};

/// The slots that an instruction names beyond those that it holds: in Kernel::operands, those of
/// results first.
struct OperandList {
  std::uint32_t pc = 0, first = 0, results = 0, total = 0;
};

/// A product of a warpgroup. Its descriptors and its scale-d are sources of the instruction; the
/// registers of d, then of a, stand in Kernel::operands.
struct ProductForm {
  MatrixElement a{}, b{}, d{};
  int n = 0;
  std::uint32_t operands = 0, d_count = 0;
  bool a_in_registers = false;
  bool a_along_k = true, b_along_k = true;
  bool negate = false, saturate = false;
};

struct Kernel {
  EntryInfo info;
  std::vector<Instruction> code;  ///< closed by an exit
  std::vector<Origin> origins;    ///< of `code`
  /// Accesses to memory by number, from 1 on, and the number of each instruction, 0 where it has
  /// none. A kernel with more than can be numbered has its later ones under one.
  std::vector<std::uint32_t> accesses;
  std::vector<std::uint16_t> access_numbers;
  std::vector<InstructionTraits> traits;           ///< of `code`
  std::vector<std::vector<std::uint32_t>> tables;  ///< of indexed branches
  std::vector<Slot> operands;  ///< of instructions with more than an Instruction holds, from `imm`
  std::vector<TransferForm> transfers;     ///< of bulk copies, from `imm`
  std::vector<OperandList> operand_lists;  ///< in the order of `code`
  bool has_cluster_barrier = false;
  bool has_warpgroups = false;        ///< instructions of theirs
  std::uint32_t start_registers = 0;  ///< of a thread; 0: setmaxnreg has no effect
  std::vector<ProductForm> products;
  std::map<Slot, std::string> fragments;  ///< registers of products, and their names
  std::vector<bool> names_fragment;       ///< of `code`: other instructions with one of these
  Slot slots = first_free_slot;           ///< how many slots a warp needs
  std::vector<ConstantSlot> constants;
  std::vector<SpecialSlot> specials;
  std::uint64_t dynamic_shared_offset = 0;
  std::vector<NamedRange> shared, local;

  // Calls.
  std::vector<Callee> callees;
  std::vector<CallSite> calls;
  std::vector<std::string> interfaces;
  std::vector<int> callee_of_function;  ///< by index into Module::functions; -1: never called here
  Slot frame = 0, top = 0;              ///< 64 bits: where the frame, and free local memory, begin
  std::uint64_t stack_align = 16;
  std::uint64_t entry_frame_bytes = 0;
  std::uint64_t outgoing_bytes = 0;  ///< the most that any call passes
};

/// Where pointers to functions lie: the n-th of Module::functions at `function_window + n *
/// function_step`.
inline constexpr std::uint64_t function_window = 0x0400'0000'0000'0000;
inline constexpr std::uint64_t function_step = 16;

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
  std::vector<std::string> functions;   ///< those that can be pointed to
  std::vector<Kernel> kernels;
  Machine machine;
};

}  // namespace ptxmill::emu
