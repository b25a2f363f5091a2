#include "emulator/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace ptxmill::emu {
namespace {

constexpr std::size_t alignment = 512;
// Consecutive allocations keep this distance, so that an index a little beyond the end of one does
// not land in its neighbour.
constexpr std::size_t gap = 4096;
constexpr std::size_t remembered_frees = 4096;

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace

template <class T>
LazyBytes<T>::LazyBytes(std::size_t size) : data_(nullptr), size_(size) {
  static_assert(sizeof(T) == 1);
  if (size == 0) return;
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<T*>(p);
}

template <class T>
LazyBytes<T>::~LazyBytes() {
  if (data_ != nullptr) munmap(data_, size_);
}

template class LazyBytes<std::byte>;
template class LazyBytes<std::uint8_t>;

GlobalMemory::GlobalMemory(std::size_t capacity_bytes) : capacity_(capacity_bytes) {}

DeviceAddress GlobalMemory::allocate(std::size_t size) {
  const std::lock_guard lock(mutex_);
  if (size == 0 || size > capacity_ - used_) return 0;
  std::shared_ptr<Allocation> a;
  try {
    a = std::make_shared<Allocation>(next_, size);
  } catch (const std::bad_alloc&) {
    return 0;
  }
  live_.emplace(a->base, a);
  used_ += size;
  next_ += round_up(size, alignment) + gap;
  return a->base;
}

bool GlobalMemory::free(DeviceAddress base) {
  std::shared_ptr<Allocation> released;  // unmapped after the lock is given up
  const std::lock_guard lock(mutex_);
  const auto it = live_.find(base);
  if (it == live_.end()) return false;
  released = std::move(it->second);
  live_.erase(it);
  used_ -= released->bytes.size();
  freed_.push_back({base, released->bytes.size()});
  if (freed_.size() > remembered_frees) freed_.pop_front();
  return true;
}

std::shared_ptr<Allocation> GlobalMemory::find(DeviceAddress address, std::size_t size) const {
  std::shared_ptr<Allocation> a = nearest(address);
  if (!a) return nullptr;
  const std::uint64_t offset = address - a->base;
  const std::size_t have = a->bytes.size();
  return offset <= have && size <= have - offset && offset < have ? a : nullptr;
}

std::shared_ptr<Allocation> GlobalMemory::nearest(DeviceAddress address) const {
  const std::lock_guard lock(mutex_);
  auto it = live_.upper_bound(address);
  if (it == live_.begin()) return nullptr;
  return std::prev(it)->second;
}

FreedRange GlobalMemory::freed(DeviceAddress address) const {
  const std::lock_guard lock(mutex_);
  const auto holds = [&](const FreedRange& r) {
    return address >= r.base && address - r.base < r.size;
  };
  const auto it = std::find_if(freed_.rbegin(), freed_.rend(), holds);
  return it == freed_.rend() ? FreedRange{} : *it;
}

std::size_t GlobalMemory::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

History& GlobalMemory::history(unsigned number) {
  const std::lock_guard lock(mutex_);
  while (histories_.size() <= number) histories_.emplace_back();
  return histories_[number];
}

Shadow* GlobalMemory::shadow_of(Allocation& a, unsigned number) {
  const std::uint32_t generation = history(number).generation;
  const std::lock_guard lock(mutex_);
  if (a.watched.size() <= number) a.watched.resize(number + 1);
  Allocation::Watched& w = a.watched[number];
  if (w.shadow && w.generation == generation) return w.shadow.get();
  try {
    w.shadow = std::make_unique<Shadow>(a.bytes.size());
    w.generation = generation;
  } catch (const std::bad_alloc&) {
    w.shadow.reset();
  }
  return w.shadow.get();
}

}  // namespace ptxmill::emu
