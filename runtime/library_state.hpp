// What the handles of a library share. Private to the runtime.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/context.hpp"
#include "runtime/library.hpp"
#include "runtime/manifest.hpp"
#include "runtime/variant.hpp"

namespace ptxmill::rt {

/// Tensor maps that were made already, by what they were made from.
class TensorMapCache {
 public:
  /// What identifies a map within one parameter: the address, the extents, then the strides.
  using Key = std::array<std::uint64_t, 10>;
  bool find(const Key& key, cu::TensorMap& map);
  void insert(const Key& key, const cu::TensorMap& map);

 private:
  static constexpr std::size_t most_entries = 64;
  std::mutex mutex_;
  std::vector<std::pair<Key, cu::TensorMap>> entries_;
  std::size_t next_ = 0;
};

/// One PTX entry: what the manifest says, worked out for launching, and the loaded function.
struct FormState {
  static constexpr std::size_t no_argument = static_cast<std::size_t>(-1);

  const FormInfo* info = nullptr;
  const char* label = nullptr;  ///< the kernel's name and the form's, interned
  /// For each parameter the position of the launch argument that it is made from.
  std::vector<std::size_t> argument_of_parameter;
  std::vector<std::unique_ptr<TensorMapCache>> maps;  ///< for each parameter that is one
  bool has_workspace = false;

  std::atomic<cu::Function> function{nullptr};
  std::mutex loading;  ///< guards what follows until `function` is set
  cu::Module module = nullptr;
  std::int64_t most_dynamic_shared = 0;
  std::atomic<std::int64_t> resident_for_shared{
      -1};  ///< the shared bytes that resident_blocks is of
  std::atomic<std::int64_t> resident_blocks{0};
};

/// The usable forms of a kernel for one target.
struct VariantState {
  const KernelInfo* kernel = nullptr;
  std::string target;
  std::vector<std::string> arguments;
  std::deque<FormState> forms;
};

struct KernelState {
  const KernelInfo* info = nullptr;
  std::deque<VariantState> variants;  ///< usable ones, best first
  std::vector<VariantVerdict> verdicts;
};

class LibraryState : public std::enable_shared_from_this<LibraryState> {
 public:
  /// Reads a file of the library. Throws `not_found`.
  using ReadFile = std::function<std::string(const std::string& path)>;

  LibraryState(std::shared_ptr<Context> context, std::string name, const std::string& manifest_file,
               std::string_view manifest_text, ReadFile read_file);
  ~LibraryState();

  const Manifest& manifest() const { return manifest_; }
  Context& context() const { return *context_; }
  const std::shared_ptr<Context>& shared_context() const { return context_; }
  const std::string& name() const { return name_; }

  const KernelState* find(std::string_view name) const;
  const std::deque<KernelState>& kernels() const { return kernels_; }
  Kernel handle(const KernelState& kernel, std::string_view target);
  /// The function of a form, loaded if need be, and then `*loaded_now` is set. `stream` is the one
  /// about to be used, or null.
  cu::Function function(FormState& form, const Stream* stream, bool* loaded_now = nullptr) {
    const cu::Function ready = form.function.load(std::memory_order_acquire);
    return ready != nullptr ? ready : load_once(form, stream, loaded_now);
  }
  void unload();

  /// Remembers which kernel a request of the op resolver led to.
  const KernelState* find_resolved(const std::string& request) const;
  void remember_resolved(const std::string& request, const KernelState* kernel);

  std::atomic<std::uint64_t> launches{0}, loading_launches{0}, misses{0};

 private:
  void add_kernel(const KernelInfo& info);
  void add_variant(KernelState& kernel, const TargetForms& target);
  cu::Function load_once(FormState& form, const Stream* stream, bool* loaded_now);
  cu::Function load(FormState& form);
  void prepare_shared_memory(FormState& form, cu::Function function);

  std::shared_ptr<Context> context_;
  std::string name_;
  ReadFile read_file_;
  Manifest manifest_;
  std::deque<KernelState> kernels_;  ///< by name, as in the manifest
  mutable std::shared_mutex resolved_mutex_;
  std::unordered_map<std::string, const KernelState*> resolved_;
};

}  // namespace ptxmill::rt
