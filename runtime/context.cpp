#include "runtime/context.hpp"

#include <cstdlib>
#include <limits>
#include <map>

#include "runtime/counting.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::size_t most_flights = 256;

struct Registry {
  // Recursive: what fails while a context is being made looks itself up, and is destroyed.
  std::recursive_mutex mutex;
  std::map<cu::Context, std::weak_ptr<Context>> contexts;
};

/// The first fault of the process. After one the driver refuses every context, also new ones, with
/// the same code; what is said then are the words of the fault.
struct FirstLoss {
  std::mutex mutex;
  std::optional<Error> error;
};

FirstLoss& first_loss() {
  static FirstLoss* instance = new FirstLoss;  // outlives objects with static storage
  return *instance;
}

Registry& registry() {
  static Registry* instance = new Registry;  // outlives objects with static storage
  return *instance;
}

bool flag_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::string_view(value) == "1";
}

TraceMode trace_from_environment() {
  const char* value = std::getenv("PTXMILL_TRACE");
  if (value == nullptr) return TraceMode::off;
  if (std::string_view(value) == "launches") return TraceMode::launches;
  return std::string_view(value) == "1" ? TraceMode::values : TraceMode::off;
}

}  // namespace

Context::Context(cu::Context handle, const DeviceInfo& info)
    : handle_(handle),
      info_(info),
      blocking_(flag_set("PTXMILL_BLOCKING")),
      trace_(trace_from_environment()) {
  flights_.reserve(most_flights);
}

std::shared_ptr<Context> Context::find_or_make(cu::Context handle, int ordinal) {
  std::weak_ptr<Context>& slot = registry().contexts[handle];
  if (std::shared_ptr<Context> existing = slot.lock()) return existing;
  std::shared_ptr<Context> made(new Context(handle, Device::describe(ordinal)));
  const ContextScope scope(*made);
  made->find_pool();
  slot = made;
  return made;
}

std::shared_ptr<Context> Context::of_primary(int ordinal) {
  const cu::Driver& driver = cu::ready_driver();
  cu::Device device = 0;
  driver.device_get(&device, ordinal);
  cu::Context handle = nullptr;
  driver.device_primary_ctx_retain(&handle, device);
  try {
    const std::lock_guard lock(registry().mutex);
    std::shared_ptr<Context> context = find_or_make(handle, ordinal);
    if (context->retained_)
      driver.device_primary_ctx_release.raw(device);  // one reference is enough
    else
      context->retained_ = true;
    return context;
  } catch (...) {
    driver.device_primary_ctx_release.raw(device);
    throw;
  }
}

std::shared_ptr<Context> Context::of_handle(cu::Context handle) {
  const cu::Driver& driver = cu::ready_driver();
  driver.ctx_push_current(handle);
  cu::Device device = 0;
  const cu::Result result = driver.ctx_get_device.raw(&device);
  cu::Context popped = nullptr;
  driver.ctx_pop_current.raw(&popped);
  if (result != cu::Result::success) cu::fail(driver.ctx_get_device.symbol(), result);
  const std::lock_guard lock(registry().mutex);
  return find_or_make(handle, device);  // a CUdevice is the device's ordinal
}

std::shared_ptr<Context> Context::current() {
  cu::Context handle = nullptr;
  if (cu::driver().ctx_get_current.raw(&handle) != cu::Result::success) return nullptr;
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().contexts.find(handle);
  return found == registry().contexts.end() ? nullptr : found->second.lock();
}

Context::~Context() {
  const cu::Driver& driver = cu::driver();
  {
    const std::lock_guard lock(registry().mutex);
    const auto found = registry().contexts.find(handle_);
    if (found != registry().contexts.end() && found->second.expired())
      registry().contexts.erase(found);
  }
  if (!retained_) return;
  cu::Context current = nullptr;
  if (driver.ctx_get_current.raw(&current) == cu::Result::success && current == handle_)
    driver.ctx_set_current.raw(nullptr);
  driver.device_primary_ctx_release.raw(info_.ordinal);
}

/// Lets the device's pool keep what is freed, rather than give it back at each synchronisation.
void Context::find_pool() {
  const cu::Driver& driver = cu::driver();
  if (!info_.memory_pools || !driver.mem_alloc_async || !driver.mem_free_async ||
      !driver.device_get_default_mem_pool || !driver.mem_pool_set_attribute)
    return;
  cu::MemoryPool pool = nullptr;
  driver.device_get_default_mem_pool(&pool, info_.ordinal);
  std::uint64_t keep_all = std::numeric_limits<std::uint64_t>::max();
  driver.mem_pool_set_attribute(pool, cu::MemoryPoolAttribute::release_threshold, &keep_all);
  pooled_ = true;
}

void Context::throw_lost() const {
  const std::lock_guard lock(mutex_);
  throw Error(*loss_);
}

Error Context::lost_before(Error otherwise) {
  const std::lock_guard lock(first_loss().mutex);
  return first_loss().error.value_or(std::move(otherwise));
}

Error Context::lose(ErrorCode code, const std::string& cause) {
  const std::lock_guard lock(mutex_);
  if (!loss_) {
    FirstLoss& first = first_loss();
    const std::lock_guard first_lock(first.mutex);
    if (first.error && flights_.empty())
      loss_ = first.error;  // not a fault of this context
    else
      loss_.emplace(code, concat("context lost: ", cause, "; ", flights_text()));
    if (!first.error) first.error = loss_;
    lost_.store(true, std::memory_order_release);
  }
  return *loss_;
}

/// Called with the mutex held.
std::string Context::flights_text() const {
  if (flights_.empty()) return "no launch was in flight since the last synchronisation";
  std::string text = "launches in flight since the last synchronisation: ";
  if (forgotten_ > 0) text += concat(forgotten_, " older ones, ");
  for (std::size_t i = 0; i < flights_.size();) {
    std::size_t run = 1;
    while (i + run < flights_.size() && flights_[i + run].kernel == flights_[i].kernel) ++run;
    if (i > 0) text += ", ";
    text += flights_[i].kernel;
    if (run > 1) text += concat(" (", run, " times)");
    i += run;
  }
  return text;
}

const char* Context::intern(std::string_view text) {
  const std::lock_guard lock(mutex_);
  auto found = names_.find(text);
  if (found == names_.end()) found = names_.emplace(text).first;
  return found->c_str();
}

void Context::note_launch(const char* kernel, cu::Stream stream) {
  const std::lock_guard lock(mutex_);
  if (flights_.size() == most_flights) {
    flights_.erase(flights_.begin(), flights_.begin() + most_flights / 2);
    forgotten_ += most_flights / 2;
  }
  flights_.push_back({kernel, stream, next_flight_++});
}

void Context::note_settled(cu::Stream stream) {
  const std::lock_guard lock(mutex_);
  std::erase_if(flights_, [stream](const Flight& flight) { return flight.stream == stream; });
  if (flights_.empty()) forgotten_ = 0;
}

void Context::note_all_settled() {
  const std::lock_guard lock(mutex_);
  flights_.clear();
  forgotten_ = 0;
}

std::size_t Context::launch_mark() const {
  const std::lock_guard lock(mutex_);
  return next_flight_;
}

std::vector<const char*> Context::take_launches(cu::Stream stream, std::size_t mark) {
  const std::lock_guard lock(mutex_);
  std::vector<const char*> taken;
  std::erase_if(flights_, [&](const Flight& flight) {
    const bool mine = flight.stream == stream && flight.number >= mark;
    if (mine) taken.push_back(flight.kernel);
    return mine;
  });
  return taken;
}

cu::DevicePointer Context::allocate(std::size_t bytes, cu::Stream stream) {
  const cu::Driver& driver = cu::driver();
  const ContextScope scope(*this);
  cu::DevicePointer pointer = 0;
  const cu::Result result = pooled_ ? driver.mem_alloc_async.raw(&pointer, bytes, stream)
                                    : driver.mem_alloc.raw(&pointer, bytes);
  if (result != cu::Result::success)
    cu::fail(pooled_ ? driver.mem_alloc_async.symbol() : driver.mem_alloc.symbol(), result,
             concat(bytes, " bytes requested"));
  counting::add(counting::cells().allocations);
  counting::add(counting::cells().bytes_allocated, bytes);
  return pointer;
}

void Context::release(cu::DevicePointer pointer, cu::Stream stream) noexcept {
  if (pointer == 0) return;
  const cu::Driver& driver = cu::driver();
  const ContextScope scope(*this);
  if (pooled_)
    driver.mem_free_async.raw(pointer, stream);
  else
    driver.mem_free.raw(pointer);
  counting::add(counting::cells().frees);
}

ContextScope::ContextScope(const Context& context) {
  const cu::Driver& driver = cu::driver();
  cu::Context current = nullptr;
  if (driver.ctx_get_current.raw(&current) == cu::Result::success && current == context.handle())
    return;
  pushed_ = driver.ctx_push_current.raw(context.handle()) == cu::Result::success;
}

ContextScope::~ContextScope() {
  cu::Context popped = nullptr;
  if (pushed_) cu::driver().ctx_pop_current.raw(&popped);
}

namespace cu {
namespace {

/// The code of the results that end a context, if `result` is one of them.
std::optional<ErrorCode> context_ending(Result result) {
  switch (result) {
    case Result::launch_timeout: return ErrorCode::timeout;
    case Result::illegal_address:
    case Result::context_is_destroyed:
    case Result::assert_failed:
    case Result::hardware_stack_error:
    case Result::illegal_instruction:
    case Result::misaligned_address:
    case Result::invalid_address_space:
    case Result::invalid_pc:
    case Result::launch_failed: return ErrorCode::context_lost;
    default: return std::nullopt;
  }
}

ErrorCode code_of(Result result) {
  switch (result) {
    case Result::out_of_memory: return ErrorCode::out_of_memory;
    case Result::stub_library:
    case Result::no_device: return ErrorCode::no_driver;
    case Result::no_binary_for_gpu:
    case Result::unsupported_ptx_version:
    case Result::cooperative_launch_too_large:
    case Result::not_supported: return ErrorCode::incompatible;
    default: return ErrorCode::driver;
  }
}

}  // namespace

void fail(const char* call, Result result, std::string_view detail) {
  const Driver& driver = cu::driver();
  const char* name = nullptr;
  const char* words = nullptr;
  if (driver.get_error_name.raw(result, &name) != Result::success) name = nullptr;
  if (driver.get_error_string.raw(result, &words) != Result::success) words = nullptr;
  std::string text = concat(call, " failed with ", name == nullptr ? "an unknown code" : name, " (",
                            static_cast<int>(result), words == nullptr ? "" : ": ",
                            words == nullptr ? "" : words, ")");
  if (!detail.empty()) text += concat(": ", detail);
  if (const std::optional<ErrorCode> ending = context_ending(result)) {
    const std::shared_ptr<rt::Context> context = rt::Context::current();
    throw context ? context->lose(*ending, text) : rt::Context::lost_before(Error(*ending, text));
  }
  if (result == Result::out_of_memory) {
    std::size_t free = 0, total = 0;
    if (driver.mem_get_info.raw(&free, &total) == Result::success)
      text += concat("; ", free, " bytes are free of ", total);
  }
  throw Error(code_of(result), text);
}

}  // namespace cu
}  // namespace ptxmill::rt
