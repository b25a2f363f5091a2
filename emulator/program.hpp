// A parsed PTX module: what the emulated driver needs to know of it to load and launch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/memory.hpp"

namespace ptxmill::emu {

/// What the emulated device is. The defaults describe an H200.
struct Machine {
  int compute_capability = 90;  ///< as major * 10 + minor
  int driver_version = 13000;   ///< as cuDriverGetVersion counts
  int sm_count = 132;
  std::size_t memory_bytes = std::size_t{2} << 30;
  int max_shared_optin_bytes = 232448;
  int max_threads_per_block = 1024;
  int warp_size = 32;
};

/// A kernel parameter: its place in the parameter buffer.
struct ParamInfo {
  std::string name;
  std::size_t offset = 0, size = 0, align = 1;
};

/// What `cuFuncGetAttribute` and the launch checks ask of an entry.
struct EntryInfo {
  std::string name;
  std::vector<ParamInfo> params;
  std::size_t param_bytes = 0;
  std::size_t static_shared_bytes = 0;
  std::size_t local_bytes = 0;
  int max_threads = 1024;                                  ///< from .maxntid / .reqntid
  std::array<std::uint32_t, 3> required_block{0, 0, 0};    ///< .reqntid; zeros where not given
  std::array<std::uint32_t, 3> required_cluster{0, 0, 0};  ///< .reqnctapercluster; likewise
  int registers = 32;  ///< an estimate: the emulator has no register allocator
};

/// A module-scope `.global` or `.const` variable.
struct VariableInfo {
  std::string name;
  std::size_t size = 0, align = 1;
  bool constant = false;  ///< in the `.const` space
};

struct Module;  // the decoded program; private to the interpreter

/// An immutable module, shared by every function handle that came out of it.
class Program {
 public:
  /// Parses and checks one PTX module for `machine`: syntax, unknown instructions, undeclared
  /// names, type and operand-count errors, `.target` and `.version` against the machine.
  /// On failure returns null and writes ptxas-like lines into `log`
  /// ("ptxas application ptx input, line 12; error   : ..."), with `*unsupported` set where the
  /// text is sound but names a target or version that the machine cannot run.
  static std::shared_ptr<const Program> parse(std::string_view ptx, const Machine& machine,
                                              std::string* log, bool* unsupported);
  ~Program();

  /// Null where there is no such entry.
  const EntryInfo* find(std::string_view entry) const;
  /// Every entry, in the order of the text.
  std::vector<const EntryInfo*> entries() const;
  /// The module-scope `.global` and `.const` variables, in the order of the text.
  const std::vector<VariableInfo>& variables() const;
  /// Allocates and initialises the variables; the addresses are in the order of `variables()`, and
  /// are the caller's to free. Empty where the memory is exhausted.
  std::vector<DeviceAddress> place_variables(GlobalMemory& memory) const;

  const Module& module() const { return *module_; }

 private:
  explicit Program(std::unique_ptr<Module> module);
  std::unique_ptr<Module> module_;
};

}  // namespace ptxmill::emu
