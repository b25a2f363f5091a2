// Every entry point that the runtime asks for, returning success and nothing else. Weak, so that
// answers.cpp can say more.
#include "tests/runtime/stub_driver/entries.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wattribute-alias"  // one function answers calls of every signature
#endif

PTXMILL_STUB Result ptxmill_stub_success() { return Result::success; }

#ifdef PTXMILL_STUB_WITHOUT_OPTIONAL
#define PTXMILL_STUB_ENTRY_optional(symbol, parameters)
#else
#define PTXMILL_STUB_ENTRY_optional(symbol, parameters) \
  PTXMILL_STUB_ENTRY_required(symbol, parameters)
#endif
#define PTXMILL_STUB_ENTRY_required(symbol, parameters) \
  PTXMILL_STUB Result symbol parameters __attribute__((weak, alias("ptxmill_stub_success")));
#define PTXMILL_ENTRY(need, name, symbol, parameters) PTXMILL_STUB_ENTRY_##need(symbol, parameters)
#include "runtime/driver/entry_points.def"
