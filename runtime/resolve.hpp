// Finding the kernel of a library that computes an op.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "runtime/library.hpp"

namespace ptxmill::rt {

struct RequestedDType {
  std::string_view name;  ///< `dtype`, `weight_dtype`, ...
  DType dtype;
};

struct RequestedOption {
  std::string_view name;
  std::variant<bool, double, std::string_view> value;
  bool is_usual = false;  ///< a kernel that does not name the option has this value
};

/// What an op needs of a kernel.
struct OpRequest {
  std::string_view template_name;
  std::span<const RequestedDType> dtypes;  ///< one not listed is as `dtype`
  std::span<const RequestedOption> options;
  std::span<const Dim> dims;
};

/// The most specific kernel of `library` that meets the request on the library's device: of its
/// template, with its dtypes, with every option that is named having that value, and with every
/// dimension either fixed to the requested value or dynamic and taking it. More matching fixed
/// dimensions are preferred, then more constrained dynamic ones, then the earlier name. Remembered
/// for the next request alike. Nothing where there is none; then `why`, if given, says what keeps
/// the kernels of the template from it.
std::optional<Kernel> find_kernel(const KernelLibrary& library, const OpRequest& request,
                                  std::string* why = nullptr);

/// As find_kernel, but throws `not_found` with the reasons where there is none.
Kernel resolve(const KernelLibrary& library, const OpRequest& request);

}  // namespace ptxmill::rt
