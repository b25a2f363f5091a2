// SHA-256 of bytes (FIPS 180-4), by libmd.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace ptxmill::rt {

/// The digest of the parts one after another, as 64 lower-case hex digits.
std::string sha256(std::initializer_list<std::string_view> parts);

}  // namespace ptxmill::rt
