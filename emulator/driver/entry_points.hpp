// Declarations of the exported functions, and an enumeration of them.
#pragma once

#include <cstddef>
#include <string_view>

#include "emulator/driver/api.hpp"

namespace ptxmill::emu::api {

#define PTXMILL_EMU_EXPORT __attribute__((visibility("default")))

extern "C" {
#define CU_ENTRY(base, name, since, params) PTXMILL_EMU_EXPORT CUresult name params;
#include "emulator/driver/entry_points.def"
#undef CU_ENTRY

/// Not part of the Driver API. Destroys every context, allocation, module and graph, forgets a
/// fault, and leaves the driver uninitialised: the next cuInit reads the environment again. For
/// tests.
PTXMILL_EMU_EXPORT void ptxmill_emu_reset(void);
}

}  // namespace ptxmill::emu::api

namespace ptxmill::emu::driver {

/// The entry points, by exported name.
enum class Call : unsigned {
#define CU_ENTRY(base, name, since, params) name,
#include "emulator/driver/entry_points.def"
#undef CU_ENTRY
};

inline constexpr std::string_view call_names[] = {
#define CU_ENTRY(base, name, since, params) #name,
#include "emulator/driver/entry_points.def"
#undef CU_ENTRY
};
inline constexpr std::size_t call_count = std::size(call_names);

}  // namespace ptxmill::emu::driver
