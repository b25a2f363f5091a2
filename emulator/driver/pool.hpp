// The device's one memory pool.
#pragma once

#include "emulator/driver/api.hpp"

namespace ptxmill::emu::driver {

/// The pool that cuMemAllocAsync allocates from. Not an address: nothing may follow it.
inline api::CUmemoryPool default_pool() {
  return reinterpret_cast<api::CUmemoryPool>(std::uintptr_t{0x58} << 40);
}

}  // namespace ptxmill::emu::driver
