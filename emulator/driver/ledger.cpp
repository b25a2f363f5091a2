#include "emulator/driver/ledger.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

namespace ptxmill::emu::driver {

Ledger::Ledger(std::size_t capacity) : capacity_(capacity), memory_(2 * capacity) {}

Block* Ledger::allocate(BlockKind kind, std::size_t bytes, api::CUcontext owner) {
  const std::size_t used = kind == BlockKind::host ? host_used_ : device_used_;
  if (bytes > capacity_ - used) return nullptr;
  const DeviceAddress base = memory_.allocate(bytes);
  if (base == 0) return nullptr;
  Block block{base, bytes, kind, owner};
  if (kind == BlockKind::host) {
    const auto allocation = memory_.find(base, bytes);
    block.host = allocation->bytes.data();
    std::fill(allocation->written.begin(), allocation->written.end(), std::uint8_t{1});
  }
  return record(block);
}

void Ledger::adopt(DeviceAddress base, std::size_t bytes, BlockKind kind, api::CUcontext owner) {
  record(Block{base, bytes, kind, owner});
}

Block* Ledger::record(Block block) {
  block.id = ++last_id_;
  if (block.kind == BlockKind::host) {
    host_used_ += block.bytes;
    hosts_.emplace(block.host, block.base);
  } else {
    device_used_ += block.bytes;
  }
  if (block.kind == BlockKind::pool) {
    pool_used_ += block.bytes;
    pool_high_ = std::max(pool_high_, pool_used_);
  }
  return &blocks_.emplace(block.base, block).first->second;
}

void Ledger::release(DeviceAddress base) {
  const auto it = blocks_.find(base);
  if (it == blocks_.end()) return;
  const Block& block = it->second;
  if (block.kind == BlockKind::host) {
    host_used_ -= block.bytes;
    hosts_.erase(block.host);
  } else {
    device_used_ -= block.bytes;
  }
  if (block.kind == BlockKind::pool) pool_used_ -= block.bytes;
  blocks_.erase(it);
  memory_.free(base);
}

void Ledger::release_owned_by(api::CUcontext owner) {
  std::vector<DeviceAddress> gone;
  for (const auto& [base, block] : blocks_) {
    if (block.owner == owner && block.kind != BlockKind::pool) gone.push_back(base);
  }
  for (const DeviceAddress base : gone) release(base);
}

Place Ledger::locate(api::CUdeviceptr pointer, std::size_t bytes) {
  auto it = blocks_.upper_bound(pointer);
  if (it != blocks_.begin()) {
    Block& block = std::prev(it)->second;
    const std::size_t offset = pointer - block.base;
    if (offset < block.bytes && bytes <= block.bytes - offset) return {&block, pointer};
  }
  return locate_host(reinterpret_cast<const void*>(static_cast<std::uintptr_t>(pointer)), bytes);
}

Place Ledger::locate_host(const void* pointer, std::size_t bytes) {
  const auto* p = static_cast<const std::byte*>(pointer);
  auto it = hosts_.upper_bound(p);
  if (it == hosts_.begin()) return {};
  const auto& [host, base] = *std::prev(it);
  Block& block = blocks_.at(base);
  const auto offset = static_cast<std::size_t>(p - host);
  if (offset >= block.bytes || bytes > block.bytes - offset) return {};
  return {&block, base + offset};
}

}  // namespace ptxmill::emu::driver
