// What the bytes handed to cuModuleLoadData are.
#pragma once

#include <optional>
#include <string_view>

namespace ptxmill::emu::driver {

/// The leading directives of a PTX text.
struct PtxHeader {
  int version = 0;  ///< 70 for .version 7.0
  int target = 0;   ///< 80 for .target sm_80; 0 where there is none
};

/// Whether the image is a compiled one (ELF, or NVIDIA's container of several).
bool is_binary(const void* image);

/// The header of a PTX text; nothing where the text does not start with a .version directive, apart
/// from comments and white space.
std::optional<PtxHeader> read_ptx_header(std::string_view text);

}  // namespace ptxmill::emu::driver
