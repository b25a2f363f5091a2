// Four consecutive warps that compute together: their products in flight, and their registers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/decode/module.hpp"
#include "emulator/lanes/warpgroup_product.hpp"

namespace ptxmill::emu {

struct Cta;
struct Grid;
struct Warp;
struct WarpState;

/// A product from its issue to the wait that joins it.
struct PendingProduct {
  WarpgroupProduct product;
  std::uint32_t pc = 0;
  std::uint32_t group = 0;  ///< how many groups had been committed before it
  std::uint32_t serial = 0;
  bool done = false;  ///< computed already
};

/// What a register of a fragment was last used for.
struct FragmentUse {
  std::uint32_t serial = 0;      ///< of the product in flight that holds it; 0: none
  std::uint32_t pc = 0;          ///< of that product
  bool accumulator = false;      ///< else of a
  std::uint32_t touched = 0;     ///< the number of fences when another instruction used it last
  std::uint32_t touched_pc = 0;  ///< that instruction
};

struct Warpgroup {
  std::vector<PendingProduct> pending;  ///< oldest first
  /// Of what the products of a group read of shared memory, while they are in flight.
  struct Reads {
    std::uint32_t group = 0, segment = 0;
  };
  std::vector<Reads> reads;
  std::uint32_t committed = 0;
  std::uint32_t issued = 0;
  std::uint32_t fences = 0;
  std::vector<FragmentUse> uses;  ///< by slot, where these are watched
  std::uint32_t registers = 0;    ///< of each thread
};

/// What a block has of warpgroups.
struct Warpgroups {
  std::vector<Warpgroup> groups;
  std::uint32_t spare_registers = 0;  ///< that no thread has: what setmaxnreg.dec released
};

/// Nothing is in flight in the block, and its threads have the registers that they start with.
void start_warpgroups(Grid& grid, Cta& cta);
/// The current split arrives at an instruction of its warpgroup.
void arrive_at_warpgroup(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m);
/// Reports a warpgroup that waits while nothing in the block can go on. False where there is none.
bool report_stuck_warpgroup(Grid& grid, Cta& cta);
/// What a split that waits for its warpgroup waits for.
std::string waiting_for_warpgroup(const Cta& cta, const Instruction& i);

/// The chunks of a factor of `count` rows or columns whose elements have `element_bytes`, as a
/// descriptor says (PTX ISA, "Shared Memory Matrix Layout", "Matrix Descriptor Format").
TensorTile tensor_tile(std::uint64_t descriptor, bool along_k, int count, int element_bytes);

}  // namespace ptxmill::emu
