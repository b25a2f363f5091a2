// Names and texts of the result codes.
#pragma once

#include <optional>
#include <string_view>

#include "emulator/driver/api.hpp"

namespace ptxmill::emu::driver {

/// The code's name, as CUDA_ERROR_INVALID_VALUE; null where there is no such code.
const char* result_name(api::CUresult code);
/// A sentence that describes it; null where there is no such code.
const char* result_text(api::CUresult code);
/// The code of that name.
std::optional<api::CUresult> result_of(std::string_view name);
/// Whether the code, once a kernel caused it, is what every later call returns.
bool is_sticky(api::CUresult code);

}  // namespace ptxmill::emu::driver
