// One way to write an instruction, as a kernel that both drivers run on the same operands.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "isa/types.hpp"
#include "tests/support/random.hpp"

namespace ptxmill::test {

/// How far the emulator may be from hardware: the manual's bound for an approximation, counted from
/// a correctly rounded result. All zeros: not a bit.
struct Bound {
  double relative = 0;
  double absolute = 0;
  bool exact() const { return relative == 0 && absolute == 0; }
};

/// A kernel with the parameters (.u64 p_in, .u64 p_out, .u32 p_count, .b8 p_cell[16]) in which
/// thread i reads its operands from 8-byte cells p_in[i * from.size()] and up, and writes its
/// results to p_out[i * to.size()] and up.
struct Form {
  std::string group;  ///< a row of the table, or what the forms of a list have in common
  std::string name;   ///< the instruction, as "add.rz.f32"
  std::string entry = "k";
  std::string ptx;
  std::vector<isa::Type> from, to;
  Bound bound = {};
  std::size_t count = 0;        ///< threads, a multiple of 32
  std::uint32_t threads = 128;  ///< of a block
  /// Operands of its own; else those of `operands_for`.
  std::function<std::vector<std::uint64_t>(const Form&, Random&)> operands = {};
};

inline constexpr std::size_t usual_count = std::size_t{1} << 17;

/// Edge values crossed, then random ones: wide, near one another, near cancellation.
std::vector<std::uint64_t> operands_for(const Form& form, Random& random);

/// The whole module around `code`, which leaves results in %d0, %d1, ... and finds operands in
/// %a0, %a1, ...; %t0 to %t3 are b32, %q0 to %q3 predicates, %w0 to %w3 b64 for its use, and
/// `tile` is a shared array of 8 KiB. Where `code` writes its results to %out itself, `stores` is
/// false.
std::string module_around(const std::string& code, const std::vector<isa::Type>& from,
                          const std::vector<isa::Type>& to, const std::string& header,
                          bool stores = true);

inline constexpr const char* plain_header = ".version 8.3\n.target sm_90\n.address_size 64\n";

/// A form of one or a few instructions between operands and results.
Form plain_form(std::string group, std::string name, const std::string& code,
                std::vector<isa::Type> from, std::vector<isa::Type> to, Bound bound = {});
/// A form of one instruction with one result, %d0, of %a0, %a1, ...
Form plain_form(std::string group, const std::string& name, std::vector<isa::Type> from,
                isa::Type to, Bound bound = {});

/// The lists. Those of `table_forms` are generated from isa.def.
std::vector<Form> table_forms();
std::vector<Form> memory_forms();
std::vector<Form> float_forms();
std::vector<Form> integer_forms();
std::vector<Form> conversion_forms();
std::vector<Form> matrix_forms();
std::vector<Form> all_forms();

}  // namespace ptxmill::test
