// The Driver API entry points as the stub driver exports them.
#pragma once

#include "runtime/driver/types.hpp"

// The runtime's table names the parameters' types without their namespace.
using namespace ptxmill::rt::cu;  // NOLINT(google-global-names-in-headers): C symbols, two files

#define PTXMILL_STUB extern "C" __attribute__((visibility("default")))
