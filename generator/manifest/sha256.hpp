// SHA-256 (FIPS 180-4) of a text, as lower-case hex digits.
#pragma once

#include <string>
#include <string_view>

namespace ptxmill::manifest {

std::string sha256(std::string_view bytes);

}  // namespace ptxmill::manifest
