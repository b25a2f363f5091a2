#include "emulator/driver/entry.hpp"

#include "emulator/driver/errors.hpp"

namespace ptxmill::emu::driver {

using namespace api;

std::vector<std::shared_ptr<Context>>& context_stack(const Driver& driver) {
  thread_local std::uint64_t epoch = 0;
  thread_local std::vector<std::shared_ptr<Context>> stack;
  if (epoch != driver.epoch) stack.clear();
  epoch = driver.epoch;
  return stack;
}

CUresult admit(Call call, Needs needs, Session& session) {
  Driver& driver = session.driver;
  if (in_host_function()) return CUDA_ERROR_NOT_PERMITTED;
  if (!driver.initialised) {
    return needs == Needs::nothing ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
  }

  const auto& stack = context_stack(driver);
  if (!stack.empty()) session.context = stack.back();

  if (const CUresult code = driver.injected_failure(call); code != CUDA_SUCCESS) {
    if (is_sticky(code)) driver.lose(code);
    return code;
  }
  if (needs == Needs::nothing || needs == Needs::initialised) return CUDA_SUCCESS;
  if (needs == Needs::context && !session.context) return CUDA_ERROR_INVALID_CONTEXT;
  if (session.context && !session.context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  return driver.lost;
}

}  // namespace ptxmill::emu::driver
