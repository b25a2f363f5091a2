// What every public function of the runtime throws.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace ptxmill::rt {

/// What kind of thing went wrong.
enum class ErrorCode {
  invalid_argument,  ///< the caller passed something that cannot be right; nothing was launched
  not_found,         ///< a kernel, plan, tensor, file or device of that name does not exist
  incompatible,      ///< GPU, driver or library do not go together
  corrupt,           ///< a file is not what its digest or its format says
  out_of_memory,     ///< the text carries the bytes requested, free and in total
  context_lost,      ///< a kernel faulted; the device context is gone for this process
  timeout,           ///< a kernel hung; the device context is gone for this process
  no_driver,         ///< there is no driver, no device, or the driver is not usable
  driver,            ///< any other failure that the driver reported
};

/// The code's name, as `invalid_argument`.
std::string_view name(ErrorCode code);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string what) : code_(code), what_(std::move(what)) {}

  ErrorCode code() const noexcept { return code_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  ErrorCode code_;
  std::string what_;
};

}  // namespace ptxmill::rt
