#include "runtime/resolve.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "runtime/library_state.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

std::string text_of(const Option& option) {
  if (const bool* flag = std::get_if<bool>(&option)) return *flag ? "true" : "false";
  if (const double* number = std::get_if<double>(&option)) return concat(*number);
  if (const std::string* text = std::get_if<std::string>(&option)) return *text;
  return "a list";
}

bool equal(const Option& option, const RequestedOption& requested) {
  if (const bool* flag = std::get_if<bool>(&option)) {
    const bool* wanted = std::get_if<bool>(&requested.value);
    return wanted != nullptr && *wanted == *flag;
  }
  if (const double* number = std::get_if<double>(&option)) {
    const double* wanted = std::get_if<double>(&requested.value);
    return wanted != nullptr && *wanted == *number;
  }
  const std::string* text = std::get_if<std::string>(&option);
  const std::string_view* wanted = std::get_if<std::string_view>(&requested.value);
  return text != nullptr && wanted != nullptr && *text == *wanted;
}

void append_number(std::string& key, double value) {
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof digits, value);
  key.append(digits, end.ptr);
}

/// The request as one line, in a buffer that keeps its memory from call to call.
const std::string& request_key(const OpRequest& request) {
  thread_local std::string key;
  key.assign(request.template_name);
  for (const RequestedDType& entry : request.dtypes)
    key.append(" ").append(entry.name).append("=").append(name(entry.dtype));
  for (const RequestedOption& option : request.options) {
    key.append(" ").append(option.name).append("=");
    if (const double* number = std::get_if<double>(&option.value))
      append_number(key, *number);
    else if (const bool* flag = std::get_if<bool>(&option.value))
      key.append(*flag ? "true" : "false");
    else
      key.append(std::get<std::string_view>(option.value));
  }
  for (const Dim& dim : request.dims) {
    key.append(" ").append(dim.name).append("=");
    char digits[24];
    key.append(digits, std::to_chars(digits, digits + sizeof digits, dim.value).ptr);
  }
  return key;
}

/// The dtype that a kernel has, or is asked to have, under `name`.
std::optional<DType> kernel_dtype(const KernelInfo& kernel, std::string_view name) {
  auto found = kernel.dtypes.find(name);
  if (found == kernel.dtypes.end()) found = kernel.dtypes.find("dtype");
  if (found == kernel.dtypes.end()) return std::nullopt;
  return found->second;
}

std::optional<DType> requested_dtype(const OpRequest& request, std::string_view name) {
  std::optional<DType> plain;
  for (const RequestedDType& entry : request.dtypes) {
    if (entry.name == name) return entry.dtype;
    if (entry.name == "dtype") plain = entry.dtype;
  }
  return plain;
}

/// Why the kernel's dtypes or options do not meet the request; empty where they do.
std::string fixed_mismatch(const KernelInfo& kernel, const OpRequest& request) {
  const auto differs = [&](std::string_view key) {
    return kernel_dtype(kernel, key) != requested_dtype(request, key);
  };
  for (const auto& [key, dtype] : kernel.dtypes)
    if (differs(key)) return concat(key, " is ", name(dtype));
  for (const RequestedDType& entry : request.dtypes)
    if (differs(entry.name)) return concat(entry.name, " is not ", name(entry.dtype));
  for (const RequestedOption& option : request.options) {
    const auto found = kernel.options.find(option.name);
    if (found == kernel.options.end() && option.is_usual) continue;
    if (found == kernel.options.end()) return concat("it has no option ", option.name);
    if (!equal(found->second, option)) return concat(option.name, " is ", text_of(found->second));
  }
  return "";
}

/// Whether one of the forms of the kernel's best variant takes these dimensions.
bool form_takes(const KernelState& kernel, std::span<const std::int64_t> values) {
  const auto& forms = kernel.variants.front().forms;
  return std::any_of(forms.begin(), forms.end(), [&](const FormState& form) {
    return std::all_of(form.info->when.begin(), form.info->when.end(),
                       [&](const DimCondition& c) {
                         return values[c.dim] == 0 || c.range.holds(values[c.dim]);
                       }) &&
           std::all_of(form.info->params.begin(), form.info->params.end(),
                       [&](const ParameterInfo& p) {
                         return p.kind != ParameterKind::dim || values[p.dim] == 0 ||
                                p.range.holds(values[p.dim]);
                       });
  });
}

struct Match {
  std::string mismatch;  ///< empty where the kernel meets the request
  int fixed = 0;         ///< dimensions that it fixes
  int constrained = 0;   ///< dynamic ones that it asks to be multiples

  bool better_than(const Match& other) const {
    return fixed != other.fixed ? fixed > other.fixed : constrained > other.constrained;
  }
};

Match match(const KernelState& kernel, const OpRequest& request) {
  Match result;
  const KernelInfo& info = *kernel.info;
  result.mismatch = fixed_mismatch(info, request);
  if (!result.mismatch.empty()) return result;
  for (const Dim& dim : request.dims)
    if (std::none_of(info.dims.begin(), info.dims.end(),
                     [&](const DimInfo& known) { return known.name == dim.name; })) {
      result.mismatch = concat("it has no dimension ", dim.name);
      return result;
    }
  std::array<std::int64_t, Manifest::most_dims> values{};
  for (std::size_t i = 0; i < info.dims.size(); ++i) {
    const DimInfo& dim = info.dims[i];
    const auto given = std::find_if(request.dims.begin(), request.dims.end(),
                                    [&](const Dim& d) { return d.name == dim.name; });
    if (given == request.dims.end()) {
      result.mismatch = concat("it has a dimension ", dim.name);
      return result;
    }
    values[i] = given->value;
    result.fixed += dim.dynamic ? 0 : 1;
    if (!dim.dynamic && dim.value != given->value) {
      result.mismatch = concat(dim.name, " is fixed to ", dim.value);
      return result;
    }
  }
  if (kernel.variants.empty()) {
    result.mismatch = concat("no variant runs on the device: ", reasons_text(kernel.verdicts));
  } else if (!form_takes(kernel, values)) {
    result.mismatch = "no form takes the dimensions";
  } else {
    for (const ParameterInfo& parameter : kernel.variants.front().forms.front().info->params)
      result.constrained +=
          parameter.kind == ParameterKind::dim && parameter.range.multiple_of > 1 ? 1 : 0;
  }
  return result;
}

}  // namespace

std::optional<Kernel> find_kernel(const KernelLibrary& library, const OpRequest& request,
                                  std::string* why) {
  constexpr int most_reasons = 12;
  LibraryState& state = *library.state();
  const std::string& key = request_key(request);
  if (const KernelState* known = state.find_resolved(key)) return state.handle(*known, {});
  const KernelState* best = nullptr;
  Match best_match;
  std::string reasons;
  int passed_over = 0;
  for (const KernelState& kernel : state.kernels()) {
    if (kernel.info->template_name != request.template_name) continue;
    Match found = match(kernel, request);
    if (!found.mismatch.empty()) {
      if (++passed_over <= most_reasons)
        reasons += concat("\n  ", kernel.info->name, ": ", found.mismatch);
      continue;
    }
    if (best != nullptr && !found.better_than(best_match)) continue;
    best = &kernel;
    best_match = std::move(found);
  }
  if (best != nullptr) {
    state.remember_resolved(key, best);
    return state.handle(*best, {});
  }
  if (passed_over > most_reasons)
    reasons += concat("\n  and ", passed_over - most_reasons, " more");
  if (why != nullptr)
    *why = concat(key, reasons.empty() ? "; it has none of this template" : "; it has", reasons);
  return std::nullopt;
}

Kernel resolve(const KernelLibrary& library, const OpRequest& request) {
  std::string why;
  if (std::optional<Kernel> found = find_kernel(library, request, &why)) return *std::move(found);
  throw Error(ErrorCode::not_found,
              concat("the library ", library.manifest().library, " has no kernel for: ", why));
}

}  // namespace ptxmill::rt
