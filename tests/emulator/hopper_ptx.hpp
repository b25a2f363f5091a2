// Pieces of PTX that the tests of asynchronous copies share. They use the registers of
// planted_kernel.hpp: %z is where shared memory begins, %t the thread; barriers lie at %z + 4032.
#pragma once

namespace ptxmill::emu::interpreter_test {

/// Thread 0 sets up the barrier at %z + 4032 for one arrival, and another behind it for `second`.
#define TWO_BARRIERS(second)                              \
  "// ---- set up\nsetp.eq.u32 %k6, %t, 0;\n"             \
  "@%k6 mbarrier.init.shared::cta.b64 [%z+4032], 1;\n"    \
  "@%k6 mbarrier.init.shared::cta.b64 [%z+4040], " second \
  ";\n"                                                   \
  "@%k6 fence.mbarrier_init.release.cluster;\nbar.sync 0;\n"
#define BARRIER TWO_BARRIERS("1")

/// Zeroes 16 bytes of shared memory a thread, visibly to copies.
#define CLEARED                                                     \
  "// ---- clear\nmov.u32 %v15, 0;\nmad.lo.u32 %v14, %t, 16, %z;\n" \
  "st.shared.v4.u32 [%v14], {%v15, %v15, %v15, %v15};\n"            \
  "fence.proxy.async.shared::cta;\nbar.sync 0;\n"

/// Waits for the phase of that parity of the barrier at %z + offset.
#define WAIT_AT(offset, label, parity)                                              \
  label ":\nmbarrier.try_wait.parity.shared::cta.b64 %k7, [%z+" offset "], " parity \
        ";\n@!%k7 bra " label ";\n"
#define WAIT(label, parity) WAIT_AT("4032", label, parity)

}  // namespace ptxmill::emu::interpreter_test
