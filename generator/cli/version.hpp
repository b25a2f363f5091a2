// The generator's version, as the manifest carries it.
#pragma once

namespace ptxmill::cli {

inline constexpr const char* version = "0.1.0";

}  // namespace ptxmill::cli
