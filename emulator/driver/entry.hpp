// What every entry point goes through: lock, initialisation, fault injection, context, sticky
// error.
#pragma once

#include <memory>
#include <new>
#include <utility>

#include "emulator/driver/driver.hpp"

namespace ptxmill::emu::driver {

/// What must hold before an entry point's body runs. Which call needs what is as observed on
/// hardware.
enum class Needs {
  nothing,      ///< may come before cuInit
  initialised,  ///< cuInit; works even after a fault
  live,         ///< besides, no fault, and no destroyed context current; there may be none
  context,      ///< besides, a current context
};

/// What a body works with.
struct Session {
  Driver& driver;
  Lock& lock;
  std::shared_ptr<Context> context;  ///< the current one; may be null or destroyed, see Needs
};

/// The stack of current contexts of the calling thread, of this epoch.
std::vector<std::shared_ptr<Context>>& context_stack(const Driver& driver);

/// Checks what the call needs and fills in the session's context.
api::CUresult admit(Call call, Needs needs, Session& session);

/// Runs the body of an entry point. No exception leaves it.
template <class Body>
api::CUresult enter(Call call, Needs needs, Body&& body) noexcept {
  try {
    Driver& driver = Driver::instance();
    Lock lock(driver.mutex);
    Session session{driver, lock, nullptr};
    if (const auto code = admit(call, needs, session); code != api::CUDA_SUCCESS) return code;
    return std::forward<Body>(body)(session);
  } catch (const std::bad_alloc&) {
    return api::CUDA_ERROR_OUT_OF_MEMORY;
  } catch (...) {
    return api::CUDA_ERROR_UNKNOWN;
  }
}

}  // namespace ptxmill::emu::driver
