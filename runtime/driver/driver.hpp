// The Driver API, loaded at run time. Private to the runtime, except to tests.
#pragma once

#include <string>
#include <string_view>

#include "runtime/driver/types.hpp"

// The driver's side declares the same C functions with types of its own, which the
// undefined-behaviour sanitizer would take for other functions.
#if defined(__clang__)
#define PTXMILL_CALLS_C_ABI __attribute__((no_sanitize("function")))
#else
#define PTXMILL_CALLS_C_ABI
#endif

namespace ptxmill::rt::cu {

/// Throws the Error that belongs to `result` of `call`; `detail` says what it was called for (a
/// kernel, a path, a compiler's log). A result that ends the current context marks it as lost.
[[noreturn]] void fail(const char* call, Result result, std::string_view detail = {});
/// Throws `incompatible`: the loaded driver has no such entry point.
[[noreturn]] void fail_missing(const char* call);

template <class Signature>
class Entry;

/// One entry point. Calling it throws on failure; `raw` hands the result back.
template <class... A>
class Entry<Result(A...)> {
 public:
  explicit constexpr Entry(const char* symbol) : symbol_(symbol) {}

  PTXMILL_CALLS_C_ABI void operator()(A... arguments) const {
    if (pointer_ == nullptr) fail_missing(symbol_);
    if (const Result result = pointer_(arguments...); result != Result::success)
      fail(symbol_, result);
  }
  /// Never throws: `not_supported` where the driver lacks the entry point.
  PTXMILL_CALLS_C_ABI Result raw(A... arguments) const noexcept {
    return pointer_ == nullptr ? Result::not_supported : pointer_(arguments...);
  }
  explicit operator bool() const { return pointer_ != nullptr; }
  const char* symbol() const { return symbol_; }
  void bind(void* address) { pointer_ = reinterpret_cast<Result (*)(A...)>(address); }

 private:
  const char* symbol_;
  Result (*pointer_)(A...) = nullptr;
};

/// Every entry point of entry_points.def, and where they came from.
struct Driver {
#define PTXMILL_ENTRY(need, name, symbol, parameters) Entry<Result parameters> name{#symbol};
#include "runtime/driver/entry_points.def"
#undef PTXMILL_ENTRY

  std::string path;                      ///< what was loaded
  int version = 0;                       ///< as cuDriverGetVersion counts; 0 where that failed
  Result initialised = Result::success;  ///< what cuInit returned
};

/// The process's driver, loaded on first use from where PTXMILL_DRIVER says; kept until exit.
/// Throws `no_driver`, naming what was tried, and tries anew at the next call.
const Driver& driver();

/// driver(), with a cuInit that succeeded. Throws `no_driver` where there is no usable device.
const Driver& ready_driver();

}  // namespace ptxmill::rt::cu
