// The second half of a launch: residency, the driver's call, and what is noted of it.
#include <cstdio>

#include "runtime/counting.hpp"
#include "runtime/launcher.hpp"
#include "runtime/storage.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

unsigned product(const std::array<unsigned, 3>& extents) {
  return extents[0] * extents[1] * extents[2];
}

std::string extents_text(const std::array<unsigned, 3>& extents) {
  return concat('(', extents[0], ", ", extents[1], ", ", extents[2], ')');
}

cu::LaunchConfig config_of(const std::array<unsigned, 3>& grid,
                           const std::array<unsigned, 3>& block, unsigned shared_bytes,
                           cu::Stream stream, std::span<cu::LaunchAttribute> attributes) {
  cu::LaunchConfig config{};
  config.grid_x = grid[0];
  config.grid_y = grid[1];
  config.grid_z = grid[2];
  config.block_x = block[0];
  config.block_y = block[1];
  config.block_z = block[2];
  config.shared_bytes = shared_bytes;
  config.stream = stream;
  config.attributes = attributes.data();
  config.attribute_count = static_cast<unsigned>(attributes.size());
  return config;
}

cu::LaunchAttribute cluster_attribute(const std::array<unsigned, 3>& cluster) {
  cu::LaunchAttribute attribute{};
  attribute.id = cu::LaunchAttributeId::cluster_dimension;
  attribute.value.cluster.x = cluster[0];
  attribute.value.cluster.y = cluster[1];
  attribute.value.cluster.z = cluster[2];
  return attribute;
}

}  // namespace

/// A cooperative grid waits for all of its blocks, so all must be resident at once.
void Launcher::check_resident(cu::Function function) const {
  const cu::Driver& driver = cu::driver();
  const DeviceInfo& device = library_.context().info();
  const LaunchInfo& launch = info_.launch;
  if (!device.cooperative_launch)
    throw Error(ErrorCode::incompatible, concat("kernel '", form_.label, "' is cooperative, and ",
                                                device_text(device), " has no such launches"));
  if (form_.resident_for_shared.load(std::memory_order_acquire) != shared_bytes_) {
    const ContextScope scope(library_.context());
    const unsigned cluster_blocks = product(launch.cluster);
    int count = 0;
    std::int64_t blocks = 0;
    if (cluster_blocks > 1) {
      cu::LaunchAttribute attribute = cluster_attribute(launch.cluster);
      const cu::LaunchConfig config =
          config_of(grid_, launch.block, shared_bytes_, stream_.handle(), {&attribute, 1});
      driver.occupancy_max_active_clusters(&count, function, &config);
      blocks = std::int64_t{count} * cluster_blocks;
    } else {
      driver.occupancy_max_active_blocks(&count, function, static_cast<int>(product(launch.block)),
                                         shared_bytes_);
      blocks = std::int64_t{count} * device.sm_count;
    }
    form_.resident_blocks.store(blocks, std::memory_order_relaxed);
    form_.resident_for_shared.store(shared_bytes_, std::memory_order_release);
  }
  const std::int64_t most = form_.resident_blocks.load(std::memory_order_relaxed);
  const std::int64_t wanted = std::int64_t{grid_[0]} * grid_[1] * grid_[2];
  if (wanted > most)
    throw Error(
        ErrorCode::incompatible,
        concat("kernel '", form_.label, "' is cooperative: its grid ", extents_text(grid_), " has ",
               wanted, " blocks of ", product(launch.block), " threads and ", shared_bytes_,
               " bytes of dynamic shared memory, and ", device_text(device), " keeps at most ",
               most, " of them resident on ", device.sm_count, " multiprocessors"));
}

/// A stream belongs to its context, whichever is current, so the launch is first made without
/// asking the driver which is. Where that is refused, it is made again under the stream's context.
/// The default streams (null, 1 and 2) are those of the current context.
template <class Call>
void Launcher::submit(const char* symbol, Call call) const {
  const bool default_stream = reinterpret_cast<std::uintptr_t>(stream_.handle()) <= 2;
  cu::Result result = default_stream ? cu::Result::success : call();
  if (!default_stream && result == cu::Result::success) return;
  const ContextScope scope(library_.context());
  if (default_stream || scope.pushed()) result = call();
  if (result != cu::Result::success) cu::fail(symbol, result, describe());
}

void Launcher::start(cu::Function function) {
  const cu::Driver& driver = cu::driver();
  const LaunchInfo& launch = info_.launch;
  if (shared_bytes_ > form_.most_dynamic_shared)
    refuse(concat("it needs ", shared_bytes_, " bytes of dynamic shared memory, and can have ",
                  form_.most_dynamic_shared));
  const bool clustered = product(launch.cluster) > 1;
  if (clustered || (launch.programmatic_dependent_launch && driver.launch_kernel_ex))
    return start_extended(function);
  if (launch.cooperative)
    return submit(driver.launch_cooperative_kernel.symbol(), [&] {
      return driver.launch_cooperative_kernel.raw(
          function, grid_[0], grid_[1], grid_[2], launch.block[0], launch.block[1], launch.block[2],
          shared_bytes_, stream_.handle(), pointers_.data());
    });
  submit(driver.launch_kernel.symbol(), [&] {
    return driver.launch_kernel.raw(function, grid_[0], grid_[1], grid_[2], launch.block[0],
                                    launch.block[1], launch.block[2], shared_bytes_,
                                    stream_.handle(), pointers_.data(), nullptr);
  });
}

/// Clusters and programmatic dependent launch need the extended call.
void Launcher::start_extended(cu::Function function) {
  const cu::Driver& driver = cu::driver();
  const LaunchInfo& launch = info_.launch;
  std::array<cu::LaunchAttribute, 3> attributes{};
  std::size_t used = 0;
  if (product(launch.cluster) > 1) attributes[used++] = cluster_attribute(launch.cluster);
  if (launch.cooperative) {
    attributes[used].id = cu::LaunchAttributeId::cooperative;
    attributes[used++].value.cooperative = 1;
  }
  if (launch.programmatic_dependent_launch) {
    attributes[used].id = cu::LaunchAttributeId::programmatic_stream_serialization;
    attributes[used++].value.programmatic_stream_serialization = 1;
  }
  const cu::LaunchConfig config = config_of(grid_, launch.block, shared_bytes_, stream_.handle(),
                                            std::span(attributes.data(), used));
  if (!driver.launch_kernel_ex) cu::fail_missing(driver.launch_kernel_ex.symbol());
  submit(driver.launch_kernel_ex.symbol(),
         [&] { return driver.launch_kernel_ex.raw(&config, function, pointers_.data(), nullptr); });
}

std::string Launcher::describe() const {
  std::string text = concat("kernel '", form_.label, "' (", library_.name(), '/', info_.file,
                            ") grid ", extents_text(grid_), " block ",
                            extents_text(info_.launch.block), " shared ", shared_bytes_, " B");
  for (std::size_t i = 0; i < variant_.kernel->dims.size(); ++i)
    text += concat(i == 0 ? " dims " : ", ", variant_.kernel->dims[i].name, " = ", values_[i]);
  return text;
}

void Launcher::count() const {
  counting::add(counting::cells().launches);
  counting::add(library_.launches);
  if (loaded_now_) {
    counting::add(counting::cells().loading_launches);
    counting::add(library_.loading_launches);
  }
  for (const Argument& argument : arguments_)
    if (argument.tensor_ != nullptr) counting::add(argument.tensor_->storage()->launches);
}

void Launcher::print() const { std::fprintf(stderr, "ptxmill: launch %s\n", describe().c_str()); }

}  // namespace ptxmill::rt
