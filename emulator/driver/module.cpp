// Modules: PTX text in, functions and variables out, with the compiler's log as the driver gives
// it.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "emulator/driver/capture.hpp"
#include "emulator/driver/entry.hpp"
#include "emulator/driver/image.hpp"
#include "isa/isa.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

/// A log buffer of the caller: an option for the buffer, one for its size, which returns what was
/// written.
struct LogBuffer {
  char* text = nullptr;
  void** size = nullptr;

  std::size_t capacity() const {
    return size == nullptr ? 0 : reinterpret_cast<std::uintptr_t>(*size);
  }

  /// Writes the text, cut to fit and terminated. The size counts the terminator; it is 0 where
  /// there is nothing to say.
  void write(std::string_view message) const {
    if (text == nullptr || size == nullptr) return;
    while (message.ends_with('\n')) message.remove_suffix(1);
    const std::size_t room = capacity();
    if (room == 0) return;
    const std::size_t n = std::min(message.size(), room - 1);
    std::memcpy(text, message.data(), n);
    text[n] = '\0';
    *size = reinterpret_cast<void*>(message.empty() ? std::uintptr_t{0} : std::uintptr_t{n + 1});
  }
};

struct JitOptions {
  LogBuffer info, error;
  bool verbose = false;
  void** wall_time = nullptr;
};

/// A 32-bit value in place of an option's pointer, as the API passes small values.
template <class T>
void store_in_value(void** value, T what) {
  static_assert(sizeof(T) <= sizeof(void*));
  std::memcpy(value, &what, sizeof(T));
}

CUresult read_options(unsigned count, const CUjit_option* options, void** values, JitOptions* out) {
  if (count != 0 && (options == nullptr || values == nullptr)) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < count; ++i) {
    void** value = &values[i];
    switch (options[i]) {
      case CU_JIT_INFO_LOG_BUFFER: out->info.text = static_cast<char*>(*value); break;
      case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES: out->info.size = value; break;
      case CU_JIT_ERROR_LOG_BUFFER: out->error.text = static_cast<char*>(*value); break;
      case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES: out->error.size = value; break;
      case CU_JIT_LOG_VERBOSE: out->verbose = *value != nullptr; break;
      case CU_JIT_WALL_TIME: out->wall_time = value; break;
      default:
        if (static_cast<unsigned>(options[i]) > last_jit_option) return CUDA_ERROR_INVALID_VALUE;
    }
  }
  const auto incomplete = [](const LogBuffer& b) { return b.text != nullptr && b.size == nullptr; };
  const bool bad = incomplete(out->info) || incomplete(out->error);
  return bad ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/// Parses the image. On failure `log` says why.
CUresult compile(const Driver& driver, const void* image, Module* module, std::string* log) {
  const Machine& machine = driver.settings.machine;
  if (is_binary(image)) {
    *log = "error   : the image is compiled code; the emulated device runs PTX only";
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  const std::string_view text = static_cast<const char*>(image);
  const auto header = read_ptx_header(text);
  if (!header) {
    *log = "error   : the image is no PTX text: it does not start with .version";
    return CUDA_ERROR_INVALID_IMAGE;
  }
  module->target = header->target;
  bool unsupported = false;
  module->program = Program::parse(text, machine, log, &unsupported);
  if (module->program) return CUDA_SUCCESS;
  const int needed = isa::driver_for_ptx(header->version);
  const bool known = header->version >= 10 && needed != 0 && needed <= machine.driver_version;
  return unsupported && !known ? CUDA_ERROR_UNSUPPORTED_PTX_VERSION : CUDA_ERROR_INVALID_PTX;
}

/// Allocates the module's variables. False where the memory is exhausted.
bool place_variables(Driver& driver, Module& module) {
  std::size_t bytes = 0;
  for (const VariableInfo& v : module.program->variables()) bytes += v.size;
  if (bytes > driver.ledger->free_bytes()) return false;
  auto addresses = module.program->place_variables(driver.ledger->memory());
  if (addresses.size() != module.program->variables().size()) return false;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    driver.ledger->adopt(addresses[i], module.program->variables()[i].size, BlockKind::module,
                         module.context->handle);
  }
  module.variables = std::make_shared<const std::vector<DeviceAddress>>(std::move(addresses));
  return true;
}

/// What the compiler says of a module when asked to.
std::string describe(const Module& module, const Machine& machine) {
  std::string text;
  for (const EntryInfo* e : module.program->entries()) {
    text += "ptxas info    : Compiling entry function '" + e->name + "' for 'sm_" +
            std::to_string(machine.compute_capability) + "'\nptxas info    : Used " +
            std::to_string(e->registers) + " registers, " + std::to_string(e->local_bytes) +
            " bytes local, " + std::to_string(e->static_shared_bytes) + " bytes smem, " +
            std::to_string(e->param_bytes) + " bytes of parameters\n";
  }
  return text;
}

CUresult load(Session& s, CUmodule* out, const void* image, const JitOptions& options) {
  if (out == nullptr || image == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const auto start = std::chrono::steady_clock::now();
  auto module = std::make_shared<Module>();
  module->context = s.context;
  std::string log;
  CUresult code = compile(s.driver, image, module.get(), &log);
  if (code == CUDA_SUCCESS && !place_variables(s.driver, *module)) code = CUDA_ERROR_OUT_OF_MEMORY;
  const std::chrono::duration<float, std::milli> took = std::chrono::steady_clock::now() - start;
  if (options.wall_time != nullptr) store_in_value(options.wall_time, took.count());
  options.error.write(code == CUDA_SUCCESS ? std::string() : log);
  const bool informs = code == CUDA_SUCCESS && options.verbose;
  options.info.write(informs ? describe(*module, s.driver.settings.machine) : std::string());
  if (code == CUDA_SUCCESS) *out = s.driver.modules.add(module);
  return code;
}

CUresult unload(Session& s, CUmodule handle) {
  if (const CUresult code = refuse_unsafe_call(s.driver); code != CUDA_SUCCESS) return code;
  if (!s.driver.modules.find(handle)) return CUDA_ERROR_INVALID_HANDLE;
  const CUresult code = s.driver.wait_for_streams(s.lock, [](const Stream&) { return true; });
  if (code != CUDA_SUCCESS) return code;
  s.driver.host_waited_for(nullptr);
  const auto module = s.driver.modules.find(handle);  // another thread may have unloaded it
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  for (const auto& [name, function] : module->functions) s.driver.functions.erase(function->handle);
  for (const DeviceAddress address : *module->variables) s.driver.ledger->release(address);
  s.driver.modules.erase(handle);
  return CUDA_SUCCESS;
}

CUresult get_function(Session& s, CUfunction* out, CUmodule handle, const char* name) {
  const auto module = s.driver.modules.find(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  if (out == nullptr || name == nullptr || *name == '\0') return CUDA_ERROR_INVALID_VALUE;
  auto known = module->functions.find(std::string_view(name));
  if (known == module->functions.end()) {
    const EntryInfo* entry = module->program->find(name);
    if (entry == nullptr) return CUDA_ERROR_NOT_FOUND;
    auto function = std::make_shared<Function>();
    function->context = module->context;
    function->module = handle;
    function->program = module->program;
    function->variables = module->variables;
    function->entry = entry;
    std::copy(entry->required_cluster.begin(), entry->required_cluster.end(),
              function->required_cluster);
    function->target = module->target;
    const auto shared = static_cast<int>(entry->static_shared_bytes);
    function->max_dynamic_shared = std::max(0, shared_without_optin - shared);
    s.driver.functions.add(function);
    known = module->functions.emplace(name, function).first;
  }
  *out = known->second->handle;
  return CUDA_SUCCESS;
}

CUresult get_global(Session& s, CUdeviceptr* pointer, std::size_t* bytes, CUmodule handle,
                    const char* name) {
  const auto module = s.driver.modules.find(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  if (name == nullptr || (pointer == nullptr && bytes == nullptr)) return CUDA_ERROR_INVALID_VALUE;
  const auto& variables = module->program->variables();
  const auto it = std::find_if(variables.begin(), variables.end(),
                               [&](const VariableInfo& v) { return v.name == name; });
  if (it == variables.end()) return CUDA_ERROR_NOT_FOUND;
  const auto index = static_cast<std::size_t>(it - variables.begin());
  if (pointer != nullptr) *pointer = (*module->variables)[index];
  if (bytes != nullptr) *bytes = it->size;
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return enter(Call::cuModuleLoadData, Needs::context,
               [&](Session& s) { return load(s, module, image, {}); });
}

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned option_count,
                            CUjit_option* options, void** values) {
  return enter(Call::cuModuleLoadDataEx, Needs::context, [&](Session& s) -> CUresult {
    JitOptions jit;
    if (const CUresult code = read_options(option_count, options, values, &jit);
        code != CUDA_SUCCESS) {
      return code;
    }
    return load(s, module, image, jit);
  });
}

CUresult cuModuleUnload(CUmodule module) {
  return enter(Call::cuModuleUnload, Needs::live, [&](Session& s) { return unload(s, module); });
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  return enter(Call::cuModuleGetFunction, Needs::live,
               [&](Session& s) { return get_function(s, function, module, name); });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* pointer, std::size_t* bytes, CUmodule module,
                              const char* name) {
  return enter(Call::cuModuleGetGlobal_v2, Needs::live,
               [&](Session& s) { return get_global(s, pointer, bytes, module, name); });
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  return enter(Call::cuModuleGetLoadingMode, Needs::initialised, [&](Session&) -> CUresult {
    if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *mode = CU_MODULE_EAGER_LOADING;
    return CUDA_SUCCESS;
  });
}

}  // namespace ptxmill::emu::api
