#include "runtime/device.hpp"

#include "runtime/context.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {

int Device::count() {
  const cu::Driver& driver = cu::driver();
  if (driver.initialised == cu::Result::no_device) return 0;
  int count = 0;
  cu::ready_driver().device_get_count(&count);
  return count;
}

DeviceInfo Device::describe(int ordinal) {
  const cu::Driver& driver = cu::ready_driver();
  const int devices = count();
  if (ordinal < 0 || ordinal >= devices)
    throw Error(ErrorCode::not_found,
                concat("there is no device ", ordinal, ": the driver offers ", devices));
  cu::Device device = 0;
  driver.device_get(&device, ordinal);
  const auto attribute = [&](cu::DeviceAttribute which) {
    int value = 0;
    driver.device_get_attribute(&value, which, device);
    return value;
  };
  DeviceInfo info;
  info.ordinal = ordinal;
  char name[256] = {};
  driver.device_get_name(name, static_cast<int>(sizeof name) - 1, device);
  info.name = name;
  info.compute_capability = attribute(cu::DeviceAttribute::compute_capability_major) * 10 +
                            attribute(cu::DeviceAttribute::compute_capability_minor);
  info.sm_count = attribute(cu::DeviceAttribute::multiprocessor_count);
  info.driver_version = driver.version;
  driver.device_total_mem(&info.total_memory, device);
  info.max_threads_per_block = attribute(cu::DeviceAttribute::max_threads_per_block);
  info.max_shared_bytes = attribute(cu::DeviceAttribute::max_shared_memory_per_block_optin);
  info.cooperative_launch = attribute(cu::DeviceAttribute::cooperative_launch) != 0;
  // Drivers before 11.2 do not know this attribute.
  int pools = 0;
  if (driver.device_get_attribute.raw(&pools, cu::DeviceAttribute::memory_pools_supported,
                                      device) == cu::Result::success)
    info.memory_pools = pools != 0;
  return info;
}

Device Device::open(int ordinal) {
  describe(ordinal);  // refuses an ordinal that does not exist, in words
  Device device(Context::of_primary(ordinal));
  const cu::Driver& driver = cu::driver();
  cu::Context current = nullptr;
  driver.ctx_get_current(&current);
  if (current == nullptr) driver.ctx_set_current(device.handle());
  return device;
}

Device Device::from_context(cu::Context context) {
  if (context == nullptr)
    throw Error(ErrorCode::invalid_argument, "Device::from_context: the context is null");
  return Device(Context::of_handle(context));
}

const DeviceInfo& Device::info() const { return context_->info(); }

cu::Context Device::handle() const { return context_->handle(); }

MemoryInfo Device::memory() const {
  context_->check_alive();
  const ContextScope scope(*context_);
  MemoryInfo info;
  cu::driver().mem_get_info(&info.free, &info.total);
  return info;
}

void Device::synchronize() const {
  context_->check_alive();
  const ContextScope scope(*context_);
  cu::driver().ctx_synchronize();
  context_->note_all_settled();
}

}  // namespace ptxmill::rt
