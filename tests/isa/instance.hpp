// Every way to write a row of the instruction table, and the PTX of a kernel around each: written
// from the operand shapes alone, without the builder, so that the two can be held against each
// other.
#pragma once

#include <string>
#include <vector>

#include "isa/isa.hpp"

namespace ptxmill::test {

/// A row with a type suffix, where it has suffixes, and a source type, where it converts.
struct Instance {
  isa::Op op{};
  isa::Type type = isa::Type::b32;
  isa::Type from = isa::Type::b32;
  int immediate = 0;  ///< what stands for each immediate operand

  const isa::Row& row() const { return isa::row(op); }
  /// As `cvt_rn_f32_s64`: the name of its kernel.
  std::string name() const;
  /// As `cvt.rn.f32.s64`.
  std::string spelling() const;
};

/// Every row that runs alone, with each of its types.
std::vector<Instance> instances();
/// Those of one row.
std::vector<Instance> instances(isa::Op op);

/// The type of an operand that the shape gives as `is`.
isa::Type type_of(isa::Is is, const Instance& instance);
/// The registers that the instruction reads and writes, in written order.
std::vector<isa::Type> sources(const Instance& instance);
std::vector<isa::Type> results(const Instance& instance);

/// A `.target` with the lowest `.version` that a text needs.
struct Header {
  std::string target;  ///< as sm_80
  int ptx = 0;         ///< 70 for 7.0
  friend bool operator<(const Header& a, const Header& b) {
    return a.target != b.target ? a.target < b.target : a.ptx < b.ptx;
  }
};

/// The lowest header for a row: sm_80 at least, since nothing is generated for less.
Header lowest_header(isa::TargetRule target, int ptx);
std::string text(const Header& header);

/// An entry that executes the instruction once a case:
/// (.u64 p_in, .u64 p_out, .u32 p_count, .b8 p_cell[16]). Case i reads source k from the 8-byte
/// cell p_in[i * sources + k], and writes result k to p_out[i * results + k]; a predicate travels
/// as a 32-bit 0 or 1. Where the instruction has an address, it is that of p_out, or of a shared
/// array.
std::string kernel_text(const Instance& instance);

/// An entry of the same form that reads a special register.
std::string kernel_text(const isa::SpecialRegister& special);
std::string name(const isa::SpecialRegister& special);

}  // namespace ptxmill::test
