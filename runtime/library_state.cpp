#include "runtime/library_state.hpp"

#include <algorithm>
#include <array>

#include "runtime/counting.hpp"
#include "runtime/sha256.hpp"
#include "runtime/stream_state.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

/// Dynamic shared memory that every device grants without being asked.
constexpr std::int64_t plain_shared_bytes = 48 * 1024;
constexpr unsigned portable_cluster = 8;

/// Whether a launch is given an argument for the parameter, and its name.
const std::string* argument_name(const ParameterInfo& parameter) {
  if (parameter.kind == ParameterKind::dim || parameter.kind == ParameterKind::workspace)
    return nullptr;
  return parameter.map ? &parameter.map->tensor : &parameter.name;
}

/// The arguments of a form's launch in order; a tensor that several parameters describe stands
/// once.
std::vector<std::string> argument_names(const FormInfo& form) {
  std::vector<std::string> names;
  for (const ParameterInfo& parameter : form.params) {
    const std::string* name = argument_name(parameter);
    if (name != nullptr && std::find(names.begin(), names.end(), *name) == names.end())
      names.push_back(*name);
  }
  return names;
}

}  // namespace

LibraryState::LibraryState(std::shared_ptr<Context> context, std::string name,
                           const std::string& manifest_file, std::string_view manifest_text,
                           ReadFile read_file)
    : context_(std::move(context)),
      name_(std::move(name)),
      read_file_(std::move(read_file)),
      manifest_(Manifest::read(manifest_text, manifest_file)) {
  context_->check_alive();
  for (const KernelInfo& info : manifest_.kernels) add_kernel(info);
  const bool any = std::any_of(kernels_.begin(), kernels_.end(),
                               [](const KernelState& kernel) { return !kernel.variants.empty(); });
  if (!any && !kernels_.empty())
    throw Error(ErrorCode::incompatible,
                concat("no kernel of the library ", manifest_.library, " (", name_, ") runs on ",
                       device_text(context_->info()), "; of '", kernels_.front().info->name,
                       "': ", reasons_text(kernels_.front().verdicts)));
}

LibraryState::~LibraryState() { unload(); }

void LibraryState::add_kernel(const KernelInfo& info) {
  KernelState& kernel = kernels_.emplace_back();
  kernel.info = &info;
  kernel.verdicts = judge_variants(info, context_->info());
  for (const VariantVerdict& verdict : kernel.verdicts) {
    if (!verdict.usable) continue;
    const auto target =
        std::find_if(info.targets.begin(), info.targets.end(),
                     [&](const TargetForms& forms) { return forms.target == verdict.target; });
    add_variant(kernel, *target);
  }
}

void LibraryState::add_variant(KernelState& kernel, const TargetForms& target) {
  VariantState& variant = kernel.variants.emplace_back();
  variant.kernel = kernel.info;
  variant.target = target.target;
  variant.arguments = argument_names(target.forms.front());
  std::string unused;
  for (const FormInfo& info : target.forms) {
    if (argument_names(info) != variant.arguments)
      throw Error(ErrorCode::corrupt,
                  concat(name_, ": the forms of kernel '", kernel.info->name, "' for ",
                         target.target, " do not take the same arguments"));
    if (!form_usable(info, context_->info(), &unused)) continue;
    FormState& form = variant.forms.emplace_back();
    form.info = &info;
    form.label = context_->intern(info.form.empty() ? kernel.info->name
                                                    : kernel.info->name + "__" + info.form);
    for (const ParameterInfo& parameter : info.params) {
      const std::string* name = argument_name(parameter);
      form.argument_of_parameter.push_back(
          name == nullptr ? FormState::no_argument
                          : static_cast<std::size_t>(std::find(variant.arguments.begin(),
                                                               variant.arguments.end(), *name) -
                                                     variant.arguments.begin()));
      form.has_workspace |= parameter.kind == ParameterKind::workspace;
      form.maps.push_back(parameter.map ? std::make_unique<TensorMapCache>() : nullptr);
    }
  }
}

const KernelState* LibraryState::find(std::string_view name) const {
  const auto found = std::lower_bound(kernels_.begin(), kernels_.end(), name,
                                      [](const KernelState& kernel, std::string_view wanted) {
                                        return kernel.info->name < wanted;
                                      });
  return found != kernels_.end() && found->info->name == name ? &*found : nullptr;
}

Kernel LibraryState::handle(const KernelState& kernel, std::string_view target) {
  for (const VariantState& variant : kernel.variants)
    if (target.empty() || variant.target == target)
      return Kernel(shared_from_this(), const_cast<VariantState*>(&variant));
  throw Error(ErrorCode::incompatible,
              concat("kernel '", kernel.info->name, "' of ", name_, " has no variant ",
                     target.empty() ? "" : concat("for ", target, " "), "that runs on ",
                     device_text(context_->info()), ": ", reasons_text(kernel.verdicts)));
}

cu::Function LibraryState::load_once(FormState& form, const Stream* stream, bool* loaded_now) {
  const std::lock_guard lock(form.loading);
  if (const cu::Function ready = form.function.load(std::memory_order_relaxed)) return ready;
  if (recordings_on_this_thread() > 0 || (stream != nullptr && stream->capturing()))
    throw Error(ErrorCode::invalid_argument,
                concat("kernel '", form.label, "' of ", name_,
                       " is not loaded, and cannot be while "
                       "a graph is recorded; call preload() on the library, or launch the kernel "
                       "once, before the recording"));
  const cu::Function loaded = load(form);
  misses.fetch_add(1, std::memory_order_relaxed);
  counting::add(counting::cells().kernel_misses);
  if (loaded_now != nullptr) *loaded_now = true;
  form.function.store(loaded, std::memory_order_release);
  return loaded;
}

/// Reads the file, checks its digest, and only then hands it to the driver.
cu::Function LibraryState::load(FormState& form) {
  const FormInfo& info = *form.info;
  const std::string where = concat(name_, "/", info.file);
  const std::string ptx = read_file_(info.file);
  const std::string actual = sha256({ptx});
  if (actual != info.sha256)
    throw Error(ErrorCode::corrupt, concat(where,
                                           " is not the file that the manifest names: "
                                           "expected SHA-256 ",
                                           info.sha256, ", actual ", actual));
  context_->check_alive();
  const ContextScope scope(*context_);
  const cu::Driver& driver = cu::driver();
  std::array<char, 16384> log{};
  std::array options{cu::JitOption::error_log_buffer, cu::JitOption::error_log_buffer_size_bytes};
  std::array<void*, 2> values{log.data(), reinterpret_cast<void*>(log.size() - 1)};
  const cu::Result result = driver.module_load_data_ex.raw(&form.module, ptx.c_str(),
                                                           static_cast<unsigned>(options.size()),
                                                           options.data(), values.data());
  if (result != cu::Result::success) {
    form.module = nullptr;
    cu::fail(driver.module_load_data_ex.symbol(), result,
             concat("loading ", where, " for ", device_text(context_->info()), "; its log:\n",
                    log[0] == '\0' ? "(empty)" : log.data()));
  }
  try {
    cu::Function function = nullptr;
    const cu::Result found =
        driver.module_get_function.raw(&function, form.module, info.entry.c_str());
    if (found != cu::Result::success)
      cu::fail(driver.module_get_function.symbol(), found,
               concat("entry '", info.entry, "' of ", where));
    prepare_shared_memory(form, function);
    return function;
  } catch (...) {
    driver.module_unload.raw(form.module);
    form.module = nullptr;
    throw;
  }
}

/// Raises the limit of dynamic shared memory, once, to what the form may ask for.
void LibraryState::prepare_shared_memory(FormState& form, cu::Function function) {
  const cu::Driver& driver = cu::driver();
  const LaunchInfo& launch = form.info->launch;
  int static_shared = 0;
  driver.func_get_attribute(&static_shared, cu::FunctionAttribute::shared_size_bytes, function);
  const std::int64_t most = context_->info().max_shared_bytes - static_shared;
  const std::array<std::int64_t, 1> nothing{};
  const bool constant = launch.shared_bytes.constant();
  const std::int64_t wanted = constant ? launch.shared_bytes.evaluate(nothing) : most;
  if (wanted > most)
    throw Error(ErrorCode::incompatible,
                concat("kernel '", form.label, "' needs ", wanted + static_shared,
                       " bytes of shared memory; ", device_text(context_->info()), " offers ",
                       context_->info().max_shared_bytes));
  form.most_dynamic_shared = wanted;
  if (wanted + static_shared > plain_shared_bytes)
    driver.func_set_attribute(function, cu::FunctionAttribute::max_dynamic_shared_size_bytes,
                              static_cast<int>(wanted));
  if (launch.cluster[0] * launch.cluster[1] * launch.cluster[2] > portable_cluster)
    driver.func_set_attribute(function, cu::FunctionAttribute::non_portable_cluster_size_allowed,
                              1);
}

void LibraryState::unload() {
  const ContextScope scope(*context_);
  for (KernelState& kernel : kernels_)
    for (VariantState& variant : kernel.variants)
      for (FormState& form : variant.forms) {
        const std::lock_guard lock(form.loading);
        form.function.store(nullptr, std::memory_order_release);
        form.resident_for_shared.store(-1);
        if (form.module != nullptr) cu::driver().module_unload.raw(form.module);
        form.module = nullptr;
      }
}

const KernelState* LibraryState::find_resolved(const std::string& request) const {
  const std::shared_lock lock(resolved_mutex_);
  const auto found = resolved_.find(request);
  return found == resolved_.end() ? nullptr : found->second;
}

void LibraryState::remember_resolved(const std::string& request, const KernelState* kernel) {
  const std::unique_lock lock(resolved_mutex_);
  resolved_.emplace(request, kernel);
}

bool TensorMapCache::find(const Key& key, cu::TensorMap& map) {
  const std::lock_guard lock(mutex_);
  for (const auto& [held, value] : entries_)
    if (held == key) {
      map = value;
      return true;
    }
  return false;
}

void TensorMapCache::insert(const Key& key, const cu::TensorMap& map) {
  const std::lock_guard lock(mutex_);
  if (entries_.size() < most_entries) {
    entries_.emplace_back(key, map);
  } else {
    entries_[next_] = {key, map};
    next_ = (next_ + 1) % most_entries;
  }
}

}  // namespace ptxmill::rt
