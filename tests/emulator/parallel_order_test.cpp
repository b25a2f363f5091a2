// Launches whose blocks run in order, whatever the number of threads.
#include "parallel_fixture.hpp"

namespace ptxmill::emu::interpreter_test {

TEST_CASE("blocks that talk, or look at the clock, run in order") {
  const char* const bodies[] = {
      "atom.global.add.u32 %v0, [%p], 1;\nst.global.u32 [%o], %v0;",
      "atom.add.u32 %v0, [%p], 1;\nst.global.u32 [%o], %v0;",
      "red.global.add.u32 [%p], 3;\nst.global.u32 [%o], %g;",
      "cvt.rn.f32.u32 %f0, %g;\nred.global.add.f32 [%p], %f0;",
      "ld.volatile.global.u32 %v0, [%p];\nst.global.u32 [%o], %v0;",
      "ld.relaxed.gpu.global.u32 %v0, [%p];\nst.global.u32 [%o], %v0;",
      "mov.u32 %v0, %clock;\nst.global.u32 [%o], %v0;",
      "mov.u64 %w0, %globaltimer;\ncvt.u32.u64 %v0, %w0;\nst.global.u32 [%o], %v0;",
      "mov.u32 %v0, %smid;\nst.global.u32 [%o], %v0;",
      "nanosleep.u32 20;\nst.global.u32 [%o], %g;"};
  for (const char* body : bodies) {
    CAPTURE(std::string(body));
    check_always_alike(kernel(body), Expect::in_order);
  }
  // Atomics and strong accesses within the block keep nobody waiting.
  check_always_alike(kernel("st.shared.u32 [%s], %t;\nbar.sync 0;\n"
                            "atom.shared.add.u32 %v0, [%v15], 1;\nbar.sync 0;\n"
                            "ld.shared.u32 %v0, [%s];\nst.global.u32 [%o], %v0;"),
                     Expect::parallel);
}

TEST_CASE("asynchronous kernels, and those of clusters, run in order") {
  const char* const bodies[] = {
      "setp.eq.u32 %k0, %t, 0;\n@%k0 mbarrier.init.shared::cta.b64 [%v15], 1;\n"
      "bar.sync 0;\n@%k0 mbarrier.arrive.shared::cta.b64 %w0, [%v15];\n"
      "W:\nmbarrier.try_wait.parity.shared::cta.b64 %k1, [%v15], 0;\n@!%k1 bra W;\n",
      "setp.eq.u32 %k0, %t, 0;\nst.shared.u32 [%s], %t;\n"
      "fence.proxy.async.shared::cta;\nbar.sync 0;\n"
      "mul.lo.u32 %v1, %b, %n;\nmad.wide.u32 %w0, %v1, 4, %p;\n"
      "@%k0 cp.async.bulk.global.shared::cta.bulk_group [%w0], [%v15], 512;\n"
      "@%k0 cp.async.bulk.commit_group;\n@%k0 cp.async.bulk.wait_group 0;\n",
      "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n",
      "fence.proxy.async;\n",
      "barrier.cluster.arrive;\nbarrier.cluster.wait;\n",
      "wgmma.fence.sync.aligned;\n"
      "wgmma.commit_group.sync.aligned;\n"
      "wgmma.wait_group.sync.aligned 0;\n"};
  for (const char* body : bodies) {
    CAPTURE(std::string(body));
    const std::string text = kernel(std::string(body) + "st.global.u32 [%o], %g;", hopper);
    check_always_alike(text, Expect::in_order);
    CHECK(check_alike(text, {}, Expect::in_order).report.empty());
  }
}

TEST_CASE("under a watch, launches that overlap run in order") {
  const std::string text = kernel("griddepcontrol.wait;\nst.global.u32 [%o], %g;", hopper);
  check_alike(text, {.watched = true, .overlaps = true}, Expect::in_order);
  check_alike(text, {.watched = true}, Expect::parallel);
  check_alike(text, {.overlaps = true}, Expect::parallel);
}

}  // namespace ptxmill::emu::interpreter_test
