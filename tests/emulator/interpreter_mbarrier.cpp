// Barriers in shared memory: counts, phases, states.
#include "hopper_ptx.hpp"
#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// Runs one thread, or 64, over `code` with the barrier's address in %b; %v<16> are the words that
/// it leaves behind.
std::vector<std::uint32_t> words_after(std::string_view code, std::uint32_t threads = 1,
                                       Schedule schedule = Schedule::earliest) {
  Device device(module_text(
      ".param .u64 r",
      ".reg .b64 %r, %s<8>, %g;\n.reg .b32 %b, %t, %v<16>;\n.reg .pred %k<8>;\n"
      ".shared .align 8 .b64 bar[2];\nld.param.u64 %r, [r];\nmov.u32 %b, bar;\n"
      "mov.u32 %t, %tid.x;\ncvta.shared.u64 %g, bar;\n" +
          [] {
            std::string zeros;
            for (int k = 0; k < 16; ++k) zeros += "mov.u32 %v" + std::to_string(k) + ", 0;\n";
            return zeros;
          }() +
          std::string(code) + "\nsetp.ne.u32 %k7, %t, 0;\n@%k7 ret;\n" +
          [] {
            std::string stores;
            for (int k = 0; k < 16; ++k)
              stores += "st.global.u32 [%r+" + std::to_string(4 * k) + "], %v" + std::to_string(k) +
                        ";\n";
            return stores;
          }() +
          "ret;\n",
      hopper));
  device.options.schedule = schedule;
  const DeviceAddress r = device.reserve(64);
  check_clean(device.run({.block = {threads, 1, 1}}, r));
  return device.download<std::uint32_t>(r, 16);
}

/// v = 1 where phase 0, by parity, is complete.
#define TEST_PHASE(parity, v) \
  "mbarrier.test_wait.parity.shared::cta.b64 %k0, [%b], " parity ";\nselp.u32 " v ", 1, 0, %k0;\n"

TEST_CASE("a phase is complete once all its arrivals have come") {
  const auto v = words_after("mbarrier.init.shared::cta.b64 [%b], 3;\n" TEST_PHASE("1", "%v0")
                                 TEST_PHASE("0", "%v1") "mbarrier.arrive.shared::cta.b64 _, [%b];\n"
                             "mbarrier.arrive.shared.b64 %s0, [%b], 1;\n" TEST_PHASE("0", "%v2")
                             "mbarrier.arrive.b64 %s1, [%g];\n" TEST_PHASE("0", "%v3")
                                 TEST_PHASE("1", "%v4")
                             "mbarrier.arrive.release.cluster.shared::cta.b64 _, [%b], 3;\n"
                                 TEST_PHASE("0", "%v5") TEST_PHASE("1", "%v6"));
  // The phase before the first counts as complete, with parity 1.
  CHECK(v[0] == 1);
  CHECK(v[1] == 0);
  CHECK(v[2] == 0);
  CHECK(v[3] == 1);
  CHECK(v[4] == 0);
  CHECK(v[5] == 0);
  CHECK(v[6] == 1);
}

TEST_CASE("an arrival returns the state before it, which a wait takes") {
  const auto v = words_after(
      "mbarrier.init.shared::cta.b64 [%b], 3;\n"
      "mbarrier.arrive.shared::cta.b64 %s0, [%b];\n"
      "mbarrier.arrive.noComplete.shared::cta.b64 %s1, [%b], 1;\n"
      "mbarrier.pending_count.b64 %v0, %s0;\nmbarrier.pending_count.b64 %v1, %s1;\n"
      "mbarrier.test_wait.shared::cta.b64 %k0, [%b], %s1;\nselp.u32 %v2, 1, 0, %k0;\n"
      "mbarrier.arrive.shared::cta.b64 %s2, [%b];\nmbarrier.pending_count.b64 %v3, %s2;\n"
      "mbarrier.try_wait.shared::cta.b64 %k0, [%b], %s1;\nselp.u32 %v4, 1, 0, %k0;\n"
      "mbarrier.try_wait.acquire.cta.shared::cta.b64 %k0, [%b], %s2, 100;\n"
      "selp.u32 %v5, 1, 0, %k0;\n"
      "mbarrier.arrive.shared::cta.b64 %s3, [%b];\n"
      "mbarrier.test_wait.b64 %k0, [%g], %s3;\nselp.u32 %v6, 1, 0, %k0;\n");
  CHECK(v[0] == 3);
  CHECK(v[1] == 2);
  CHECK(v[2] == 0);
  CHECK(v[3] == 1);
  CHECK(v[4] == 1);
  CHECK(v[5] == 1);
  CHECK(v[6] == 0);
}

TEST_CASE("a phase waits for bytes as well, expected before or after they come") {
  const auto v = words_after(
      "mbarrier.init.shared::cta.b64 [%b], 1;\n"
      "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%b], 64;\n"
      "mbarrier.arrive.shared::cta.b64 _, [%b];\n" TEST_PHASE("0", "%v0")
      "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%b], 48;\n" TEST_PHASE("0", "%v1")
      "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%b], 16;\n" TEST_PHASE("0", "%v2")
      "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%b], 16;\n" TEST_PHASE("1", "%v3")
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%b], 16;\n" TEST_PHASE("1", "%v4"));
  CHECK(v[0] == 0);
  CHECK(v[1] == 0);
  CHECK(v[2] == 1);
  CHECK(v[3] == 0);
  CHECK(v[4] == 1);
}

TEST_CASE("who drops out is not awaited any more") {
  const auto v = words_after(
      "mbarrier.init.shared::cta.b64 [%b], 3;\n"
      "mbarrier.arrive_drop.shared::cta.b64 %s0, [%b];\n"
      "mbarrier.pending_count.b64 %v0, %s0;\n"
      "mbarrier.arrive.shared::cta.b64 _, [%b], 2;\n" TEST_PHASE("0", "%v1")
      "mbarrier.arrive.shared::cta.b64 %s1, [%b];\n"
      "mbarrier.pending_count.b64 %v2, %s1;\n" TEST_PHASE("1", "%v3")
      "mbarrier.arrive.shared::cta.b64 _, [%b];\n" TEST_PHASE("1", "%v4"));
  CHECK(v[0] == 3);
  CHECK(v[1] == 1);
  CHECK(v[2] == 2);
  CHECK(v[3] == 0);
  CHECK(v[4] == 1);
}

TEST_CASE("a barrier's place can be used again behind mbarrier.inval") {
  const auto v = words_after(
      "mbarrier.init.shared::cta.b64 [%b], 1;\nmbarrier.arrive.shared::cta.b64 _, [%b];\n"
      "mbarrier.inval.shared::cta.b64 [%b];\nst.shared.u32 [%b], 7;\nld.shared.u32 %v0, [%b];\n"
      "mbarrier.init.shared::cta.b64 [%b], 1;\n" TEST_PHASE("0", "%v1") TEST_PHASE("1", "%v2"));
  CHECK(v[0] == 7);
  CHECK(v[1] == 0);
  CHECK(v[2] == 1);
}

TEST_CASE("two warps hand a word to and fro") {
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    const auto v = words_after(
        R"(
.shared .align 4 .u32 word;
setp.eq.u32 %k1, %t, 0;
setp.lt.u32 %k2, %t, 32;
@%k1 mbarrier.init.shared::cta.b64 [%b], 1;
@%k1 mbarrier.init.shared::cta.b64 [%b+8], 1;
@%k1 st.shared.u32 [word], 1;
bar.sync 0;
setp.eq.u32 %k3, %t, 32;
mov.u32 %v1, 0;
LOOP:
and.b32 %v2, %v1, 1;
@!%k2 bra SECOND;
@!%k1 bra NEXT;
ld.shared.u32 %v0, [word];
mad.lo.u32 %v0, %v0, 3, 1;
st.shared.u32 [word], %v0;
mbarrier.arrive.shared::cta.b64 _, [%b];
A:
mbarrier.try_wait.parity.shared::cta.b64 %k0, [%b+8], %v2;
@!%k0 bra A;
bra NEXT;
SECOND:
@!%k3 bra NEXT;
B:
mbarrier.try_wait.parity.shared::cta.b64 %k0, [%b], %v2;
@!%k0 bra B;
ld.shared.u32 %v0, [word];
add.u32 %v0, %v0, 5;
st.shared.u32 [word], %v0;
mbarrier.arrive.shared::cta.b64 _, [%b+8];
NEXT:
add.u32 %v1, %v1, 1;
setp.lt.u32 %k4, %v1, 9;
@%k4 bra LOOP;
@%k1 ld.shared.u32 %v0, [word];
)",
        64, schedule);
    std::uint32_t word = 1;
    for (int k = 0; k < 9; ++k) word = word * 3 + 1 + 5;
    CHECK(v[0] == word);
  }
}

TEST_CASE("a barrier tracks copies, and counts their arrival or adds it") {
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    for (const bool counted : {false, true}) {
      const std::string arrive = counted ? ".arrive.shared" : ".arrive.noinc.shared::cta";
      Device device(module_text(
          ".param .u64 p, .param .u64 r",
          ".reg .b64 %p, %r;\n.reg .b32 %t, %o, %v, %at;\n.reg .pred %k0, %k1;\n"
          ".shared .align 8 .b64 bar;\n.shared .align 16 .b8 s[256];\nld.param.u64 %p, [p];\n"
          "ld.param.u64 %r, [r];\nmov.u32 %t, %tid.x;\nsetp.eq.u32 %k1, %t, 0;\n"
          "@%k1 mbarrier.init.shared::cta.b64 [bar], 64;\nbar.sync 0;\n"
          "mov.u32 %at, s;\nmad.lo.u32 %o, %t, 4, %at;\nmad.wide.u32 %p, %t, 4, %p;\n"
          "mad.wide.u32 %r, %t, 4, %r;\ncp.async.ca.shared.global [%o], [%p], 4;\n"
          "cp.async.mbarrier" +
              arrive + ".b64 [bar];\n" +
              (counted ? "mbarrier.arrive.shared::cta.b64 _, [bar];\n" : "") +
              "W:\nmbarrier.try_wait.parity.shared::cta.b64 %k0, [bar], 0;\n@!%k0 bra W;\n"
              "xor.b32 %o, %t, 63;\nmad.lo.u32 %o, %o, 4, %at;\nld.shared.u32 %v, [%o];\n"
              "st.global.u32 [%r], %v;\nret;\n",
          hopper));
      device.options.schedule = schedule;
      std::vector<std::uint32_t> words(64);
      for (std::uint32_t i = 0; i < 64; ++i) words[i] = 100 + i;
      const DeviceAddress r = device.reserve(256);
      check_clean(device.run({.block = {64, 1, 1}}, device.upload(words), r));
      const auto got = device.download<std::uint32_t>(r, 64);
      for (std::uint32_t i = 0; i < 64; ++i) CHECK(got[i] == 100 + (i ^ 63));
    }
  }
}

TEST_CASE("a wait whose time is over goes on, and may do what it waited for") {
  const auto v = words_after(
      "mbarrier.init.shared::cta.b64 [%b], 1;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 %k0, [%b], 0;\nselp.u32 %v0, 1, 0, %k0;\n"
      "mbarrier.arrive.shared::cta.b64 _, [%b];\n"
      "mbarrier.try_wait.parity.shared::cta.b64 %k0, [%b], 0, 1000;\nselp.u32 %v1, 1, 0, %k0;\n");
  CHECK(v[0] == 0);
  CHECK(v[1] == 1);
}

TEST_CASE("forms that the manual does not have are refused") {
  const auto complaint = [](const char* code) {
    return refusal(module_text("",
                               std::string(".reg .b64 %s;\n.reg .b32 %b;\n.reg .pred %k;\n"
                                           ".shared .align 8 .b64 bar;\n") +
                                   code + "\nret;\n",
                               hopper));
  };
  for (const char* code : {"mbarrier.init.shared::cta.u64 [bar], 1;", "mbarrier.b64 [bar];",
                           "mbarrier.arrive.shared::cluster.b64 %s, [bar];",
                           "mbarrier.test_wait.shared::cluster.b64 %k, [bar], %s;",
                           "mbarrier.arrive.relaxed.shared.b64 _, [bar];",
                           "mbarrier.arrive.expect_tx.shared.b64 _, [bar];",
                           "mbarrier.try_wait.parity.shared.b64 %k, [bar], %s;"})
    check_contains(complaint(code), {"error"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
