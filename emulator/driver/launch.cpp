// Kernel launches: checks of the shape, and the operation that runs the kernel.
#include <algorithm>
#include <array>
#include <cstring>

#include "emulator/driver/streams.hpp"
#include "emulator/execute.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

using Extent = std::array<std::uint32_t, 3>;

/// What a launch call asks for, whichever call it is.
struct Request {
  Extent grid, block;
  Extent cluster{0, 0, 0};  ///< zeros: none asked for
  std::uint32_t dynamic_shared = 0;
  bool cooperative = false;
  bool overlaps = false;  ///< programmatic dependent launch
  CUstream stream = nullptr;
  void** params = nullptr;
  void** extra = nullptr;
};

std::uint64_t volume(const Extent& e) { return std::uint64_t{e[0]} * e[1] * e[2]; }

bool within(const Extent& e, const Extent& most) {
  return std::equal(e.begin(), e.end(), most.begin(),
                    [](auto n, auto limit) { return n >= 1 && n <= limit; });
}

CUresult result_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok: return CUDA_SUCCESS;
    case Outcome::illegal_address: return CUDA_ERROR_ILLEGAL_ADDRESS;
    case Outcome::misaligned_address: return CUDA_ERROR_MISALIGNED_ADDRESS;
    case Outcome::launch_failed: return CUDA_ERROR_LAUNCH_FAILED;
    case Outcome::assertion_failed: return CUDA_ERROR_ASSERT;
    case Outcome::launch_timeout: return CUDA_ERROR_LAUNCH_TIMEOUT;
  }
  return CUDA_ERROR_LAUNCH_FAILED;
}

/// Runs one grid. Keeps the program alive after its module is unloaded.
class KernelLaunch final : public Operation {
 public:
  KernelLaunch(const Function& function, const Request& request, std::vector<std::byte> params)
      : program_(function.program),
        variables_(function.variables),
        entry_(function.entry),
        request_(request),
        params_(std::move(params)) {}

  std::string name() const override { return "kernel " + entry_->name; }
  StreamWatch::Start start() const override {
    return request_.overlaps ? StreamWatch::Start::overlapping_launch : StreamWatch::Start::launch;
  }

  CUresult run(Driver& driver, Lock&) const override {
    Launch launch;
    launch.grid = request_.grid;
    launch.block = request_.block;
    launch.explicit_cluster = volume(request_.cluster) != 0;
    if (launch.explicit_cluster) launch.cluster = request_.cluster;
    launch.dynamic_shared_bytes = request_.dynamic_shared;
    launch.cooperative = request_.cooperative;
    launch.overlaps = request_.overlaps;
    launch.params = params_;
    launch.variables = *variables_;
    launch.operation = driver.ordering.current();
    launch.order = &driver.ordering;
    launch.watch = driver.watch(*this);
    ExecuteOptions options = driver.settings.execute;
    options.seed += driver.launch_count++;  // launches differ, but a run can be repeated
    const ExecuteResult result = execute(*program_, *entry_, launch, driver.ledger->memory(),
                                         driver.settings.machine, options);
    if (!result.report.empty()) driver.report(result.report);
    if (result.counts) driver.count(program_, *entry_, *result.counts);
    return result_of(result.outcome);
  }

 private:
  std::shared_ptr<const Program> program_;
  std::shared_ptr<const std::vector<DeviceAddress>> variables_;
  const EntryInfo* entry_;
  Request request_;
  std::vector<std::byte> params_;
};

CUresult check_cluster(const Driver& driver, const Function& f, const Request& r) {
  const std::uint64_t blocks = volume(r.cluster);
  const Extent& required = f.entry->required_cluster;
  if (volume(required) != 0 && r.cluster != required) return CUDA_ERROR_INVALID_CLUSTER_SIZE;
  if (r.cluster == Extent{0, 0, 0}) return CUDA_SUCCESS;
  const std::uint64_t most = f.non_portable_cluster ? max_cluster_size : portable_cluster_size;
  bool ok = blocks != 0 && blocks <= most;
  ok = ok && (blocks == 1 || driver.settings.machine.compute_capability >= 90);
  for (std::size_t i = 0; ok && i < 3; ++i) ok = r.grid[i] % r.cluster[i] == 0;
  return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CLUSTER_SIZE;
}

CUresult check_shape(const Driver& driver, const Function& f, const Request& r) {
  const Machine& m = driver.settings.machine;
  const std::uint64_t threads = volume(r.block);
  const auto most =
      static_cast<std::uint64_t>(std::min(m.max_threads_per_block, f.entry->max_threads));
  if (!within(r.grid, max_grid_extent) || !within(r.block, max_block_extent) || threads > most ||
      r.dynamic_shared > static_cast<std::uint32_t>(f.max_dynamic_shared)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (volume(f.entry->required_block) != 0 && r.block != f.entry->required_block)
    return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult code = check_cluster(driver, f, r); code != CUDA_SUCCESS) return code;
  const auto resident = static_cast<std::uint64_t>(
      blocks_per_sm(*driver.limits, *f.entry, static_cast<int>(threads), r.dynamic_shared));
  if (resident == 0) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  const std::uint64_t capacity = resident * static_cast<std::uint64_t>(m.sm_count);
  const bool too_large = r.cooperative && volume(r.grid) > capacity;
  return too_large ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE : CUDA_SUCCESS;
}

/// Copies the parameters out of a buffer that `extra` describes.
CUresult read_buffer(void* const* extra, std::vector<std::byte>* params) {
  const void* buffer = nullptr;
  const std::size_t* bytes = nullptr;
  for (std::size_t i = 0;; i += 2) {
    const auto what = reinterpret_cast<std::uintptr_t>(extra[i]);
    if (what == launch_param_end) break;
    if (what == launch_param_buffer_pointer) {
      buffer = extra[i + 1];
    } else if (what == launch_param_buffer_size) {
      bytes = static_cast<const std::size_t*>(extra[i + 1]);
    } else {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  if (buffer == nullptr || bytes == nullptr || *bytes < params->size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (*bytes > params->size()) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  std::memcpy(params->data(), buffer, params->size());
  return CUDA_SUCCESS;
}

CUresult read_params(const EntryInfo& entry, const Request& r, std::vector<std::byte>* params) {
  if (r.params != nullptr && r.extra != nullptr) return CUDA_ERROR_INVALID_VALUE;
  params->resize(entry.param_bytes);
  if (r.extra != nullptr) return read_buffer(r.extra, params);
  if (entry.params.empty()) return CUDA_SUCCESS;
  if (r.params == nullptr) return CUDA_ERROR_INVALID_VALUE;
  for (std::size_t i = 0; i < entry.params.size(); ++i) {
    if (r.params[i] == nullptr) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(params->data() + entry.params[i].offset, r.params[i], entry.params[i].size);
  }
  return CUDA_SUCCESS;
}

CUresult launch(Session& s, CUfunction handle, Request r) {
  return enqueue(s, r.stream, [&](Stream& stream, auto* operation) -> CUresult {
    const auto function = s.driver.functions.find(handle);
    if (!function || function->context != stream.context) return CUDA_ERROR_INVALID_HANDLE;
    if (r.cluster == Extent{0, 0, 0}) {
      std::copy_n(function->required_cluster, 3, r.cluster.begin());
    }
    if (const CUresult code = check_shape(s.driver, *function, r); code != CUDA_SUCCESS)
      return code;
    std::vector<std::byte> params;
    if (const CUresult code = read_params(*function->entry, r, &params); code != CUDA_SUCCESS) {
      return code;
    }
    *operation = std::make_shared<KernelLaunch>(*function, r, std::move(params));
    return CUDA_SUCCESS;
  });
}

CUresult apply_attribute(const CUlaunchAttribute& attribute, Request* r) {
  switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      r->cooperative = attribute.value.cooperative != 0;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
      r->cluster = {attribute.value.clusterDim.x, attribute.value.clusterDim.y,
                    attribute.value.clusterDim.z};
      return CUDA_SUCCESS;
    // Work in a stream runs in order here all the same; the watch knows that it need not.
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
      r->overlaps = attribute.value.programmaticStreamSerializationAllowed != 0;
      return CUDA_SUCCESS;
    // Hints.
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY: return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult read_config(const CUlaunchConfig* config, Request* r) {
  if (config == nullptr || (config->numAttrs != 0 && config->attrs == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  r->grid = {config->gridDimX, config->gridDimY, config->gridDimZ};
  r->block = {config->blockDimX, config->blockDimY, config->blockDimZ};
  r->dynamic_shared = config->sharedMemBytes;
  r->stream = config->hStream;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    const CUresult code = apply_attribute(config->attrs[i], r);
    if (code != CUDA_SUCCESS) return code;
  }
  return CUDA_SUCCESS;
}

/// How many clusters of a launch run at a time: the domains hold whole clusters only.
CUresult count_clusters(const Driver& driver, const Function& f, const Request& r, int* clusters) {
  if (const CUresult code = check_shape(driver, f, r); code != CUDA_SUCCESS) return code;
  const auto size = static_cast<int>(std::max<std::uint64_t>(1, volume(r.cluster)));
  const int per_sm =
      blocks_per_sm(*driver.limits, *f.entry, static_cast<int>(volume(r.block)), r.dynamic_shared);
  *clusters = 0;
  for (int left = driver.settings.machine.sm_count; left > 0; left -= sms_per_cluster_domain) {
    *clusters += std::min(left, sms_per_cluster_domain) * per_sm / size;
  }
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z,
                        unsigned dynamic_shared_bytes, CUstream stream, void** params,
                        void** extra) {
  return enter(Call::cuLaunchKernel, Needs::live, [&](Session& s) {
    Request r;
    r.grid = {grid_x, grid_y, grid_z};
    r.block = {block_x, block_y, block_z};
    r.dynamic_shared = dynamic_shared_bytes;
    r.stream = stream;
    r.params = params;
    r.extra = extra;
    return launch(s, function, r);
  });
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                   unsigned grid_z, unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned dynamic_shared_bytes, CUstream stream,
                                   void** params) {
  return enter(Call::cuLaunchCooperativeKernel, Needs::live, [&](Session& s) {
    Request r;
    r.grid = {grid_x, grid_y, grid_z};
    r.block = {block_x, block_y, block_z};
    r.dynamic_shared = dynamic_shared_bytes;
    r.cooperative = true;
    r.stream = stream;
    r.params = params;
    return launch(s, function, r);
  });
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** params,
                          void** extra) {
  return enter(Call::cuLaunchKernelEx, Needs::live, [&](Session& s) -> CUresult {
    Request r;
    if (const CUresult code = read_config(config, &r); code != CUDA_SUCCESS) return code;
    r.params = params;
    r.extra = extra;
    return launch(s, function, r);
  });
}

CUresult cuOccupancyMaxActiveClusters(int* clusters, CUfunction function,
                                      const CUlaunchConfig* config) {
  return enter(Call::cuOccupancyMaxActiveClusters, Needs::live, [&](Session& s) -> CUresult {
    const auto found = s.driver.functions.find(function);
    if (!found) return CUDA_ERROR_INVALID_HANDLE;
    Request r;
    if (clusters == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult code = read_config(config, &r); code != CUDA_SUCCESS) return code;
    return count_clusters(s.driver, *found, r, clusters);
  });
}

}  // namespace ptxmill::emu::api
