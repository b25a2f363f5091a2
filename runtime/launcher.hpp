// One launch, from checked arguments to the driver's call. Private to the runtime.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "runtime/library_state.hpp"

namespace ptxmill::rt {

/// Places workspace parameters one after another; those that must hold zeros have a memory of their
/// own.
struct WorkspaceLayout {
  WorkspaceBytes bytes;
  /// The offset of `parameter` in the memory of its sort.
  std::size_t place(const ParameterInfo& parameter, std::span<const std::int64_t> values);
};

/// Lives on the stack of one launch and allocates nothing.
class Launcher {
 public:
  /// `values` are those of the kernel's dimensions in order, then the device's `sm_count`.
  Launcher(LibraryState& library, const VariantState& variant, const Stream& stream,
           std::span<const std::int64_t> values, std::span<const Argument> arguments);

  void run();

 private:
  static constexpr std::size_t most_maps = Manifest::most_tensor_maps;

  FormState& choose_form() const;
  std::span<const Argument> take_workspace_argument(std::span<const Argument> arguments);
  void check_count() const;

  void pack_parameter(std::size_t index);
  void pack_dim(std::size_t index, const ParameterInfo& parameter);
  void pack_scalar(std::size_t index, const ParameterInfo& parameter, const Argument& argument);
  void pack_bytes(std::size_t index, const ParameterInfo& parameter, const Argument& argument);
  void pack_tensor_map(std::size_t index, const ParameterInfo& parameter, const Argument& argument);
  /// The address that the kernel is given, after every check.
  cu::DevicePointer checked_pointer(const ParameterInfo& parameter, const Argument& argument,
                                    DType dtype, std::int64_t elements) const;
  void pack_workspaces();

  bool evaluate_grid();
  void check_resident(cu::Function function) const;
  void start(cu::Function function);
  void start_extended(cu::Function function);
  template <class Call>
  void submit(const char* symbol, Call call) const;
  void count() const;
  void print() const;
  /// Kernel, file, grid, block, shared memory and dimensions.
  std::string describe() const;

  [[noreturn]] void refuse(const std::string& why) const;
  [[noreturn]] void refuse(const ParameterInfo& parameter, const std::string& why) const;

  LibraryState& library_;
  const VariantState& variant_;
  const Stream& stream_;
  std::span<const std::int64_t> values_;
  const Argument* workspace_ = nullptr;
  std::span<const Argument> arguments_;
  FormState& form_;
  const FormInfo& info_;

  std::array<std::uint64_t, Manifest::most_parameters> words_;
  std::array<void*, Manifest::most_parameters> pointers_;
  std::array<cu::TensorMap, most_maps> maps_;
  std::size_t maps_used_ = 0;
  const ParameterInfo* zero_out_of_range_ = nullptr;
  std::array<unsigned, 3> grid_{};
  unsigned shared_bytes_ = 0;
  bool loaded_now_ = false;
};

}  // namespace ptxmill::rt
