// Blocks on several threads of the host: nothing of a launch depends on how many there are.
#include <cstdio>

#include "parallel_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

// Each block reverses its words in shared memory; each thread has some work that depends on its
// number, so that lanes part.
const char* const sound_body = R"(
ld.global.u32 %v0, [%q];
and.b32 %v2, %v0, 31;
MORE:
setp.eq.u32 %k0, %v2, 0;
@%k0 bra ENOUGH;
mad.lo.u32 %v0, %v0, 5, %v2;
sub.u32 %v2, %v2, 1;
bra MORE;
ENOUGH:
st.shared.u32 [%s], %v0;
bar.sync 0;
sub.u32 %v1, %n, %t;
sub.u32 %v1, %v1, 1;
mad.lo.u32 %v1, %v1, 4, %v15;
ld.shared.u32 %v3, [%v1];
ld.global.u32 %v4, [%p];
xor.b32 %v3, %v3, %v4;
st.global.u32 [%o], %v3;
)";

std::uint32_t worked(std::uint32_t value) {
  for (std::uint32_t n = value & 31u; n != 0; --n) value = value * 5 + n;
  return value;
}

}  // namespace

TEST_CASE("sound blocks run at the same time, and leave what they leave in order") {
  const std::string text = kernel(sound_body);
  check_always_alike(text, Expect::parallel);
  Setup setup;
  setup.fresh = false;
  const Trace t = check_alike(text, setup, Expect::parallel);
  CHECK(t.outcome == Outcome::ok);
  const std::uint32_t first = 0;  // word 0 of p
  for (std::uint32_t g = 0; g < words; ++g) {
    CAPTURE(g);
    const std::uint32_t mirrored = g / 128 * 128 + 127 - g % 128;
    const std::uint32_t expected = worked(mirrored * 2654435761u >> 7) ^ first;
    CHECK(t.r[g] == (g < 61 * 128 ? expected : 7));
  }
}

TEST_CASE("a block that touches what another writes is as in order") {
  // Block 60 writes a word that every block has read.
  check_always_alike(kernel(R"(
ld.global.u32 %v0, [%p+64];
add.u32 %v0, %v0, %g;
st.global.u32 [%o], %v0;
setp.ne.u32 %k0, %b, 60;
@%k0 bra DONE;
st.global.u32 [%p+64], %g;
DONE:
)"),
                     Expect::in_order);
  // All blocks write one word.
  const std::string one_word = kernel("setp.eq.u32 %k0, %t, 0;\n@%k0 st.global.u32 [%r+32], %g;");
  check_always_alike(one_word, Expect::in_order);
  // Each reads its right neighbour's result.
  check_always_alike(kernel("st.global.u32 [%o], %g;\nld.global.u32 %v0, [%o+512];\n"
                            "st.global.u32 [%q], %v0;"),
                     Expect::in_order, {.fresh = false});
  Setup setup;
  setup.fresh = false;
  const Trace t = check_alike(one_word, setup, Expect::in_order);
  CHECK(t.outcome == Outcome::launch_failed);
  check_contains(t.report, {"data race on global memory", "the blocks run in any order"});
}

TEST_CASE("what blocks did to memory is undone before they run again") {
  // Each word is counted up in place; the last block then reads the first one's.
  const std::string text = kernel(R"(
ld.global.u32 %v0, [%q];
add.u32 %v0, %v0, 1;
st.global.u32 [%q], %v0;
ld.global.u32 %v1, [%o];
add.u32 %v1, %v1, %v0;
st.global.u32 [%o], %v1;
setp.ne.u32 %k0, %b, 60;
@%k0 bra DONE;
ld.global.u32 %v2, [%p];
st.global.u32 [%o], %v2;
DONE:
)");
  Setup setup;
  setup.fresh = false;
  setup.check = Check::off;
  const Trace t = check_alike(text, setup, Expect::in_order);
  CHECK(t.outcome == Outcome::ok);
  for (std::uint32_t g = 0; g < 61 * 128; ++g) {
    CAPTURE(g);
    const std::uint32_t up = (g * 2654435761u >> 7) + 1;
    CHECK(t.p[g] == up);
    CHECK(t.r[g] == (g < 60 * 128 ? up + 7 : 1));
  }
}

TEST_CASE("bytes of one word may belong to different blocks") {
  const std::string text = kernel(R"(
mov.u32 %v1, 250;
mad.lo.u32 %v0, %b, %v1, %t;
cvt.u64.u32 %w0, %v0;
add.u64 %w0, %w0, %r;
setp.ge.u32 %k0, %t, %v1;
@!%k0 st.global.u8 [%w0], %v0;
)");
  const Setup setup{.shape = {.grid = {64, 1, 1}, .block = {256, 1, 1}}, .fresh = false};
  const Trace t = check_alike(text, setup, Expect::parallel);
  CHECK(t.report.empty());
  for (std::uint32_t byte = 0; byte < 64 * 250; ++byte)
    REQUIRE((t.r[byte / 4] >> byte % 4 * 8 & 255u) == (byte & 255u));
}

TEST_CASE("findings within a block are those of the run in order") {
  const char* const late = "setp.lt.u32 %k0, %b, 40;\n@%k0 bra FINE;\n";
  const std::pair<const char*, Outcome> bugs[] = {
      {"ld.global.u32 %v0, [%q+1048576];", Outcome::illegal_address},
      {"ld.global.u32 %v0, [%q+2];", Outcome::misaligned_address},
      {"trap;", Outcome::launch_failed},
      {"st.shared.u32 [%v15], %t;", Outcome::launch_failed},
      {"st.global.u32 [%o], %v5;", Outcome::launch_failed},
      {"setp.eq.u32 %k1, %t, 3;\n@%k1 bar.sync 1;", Outcome::launch_failed},
      {"//@ uniform cta %t", Outcome::launch_failed}};
  for (const auto& planted : bugs) {
    const std::string bug = planted.first;
    const Outcome outcome = planted.second;
    CAPTURE(bug);
    const std::string text =
        kernel(std::string("st.global.u32 [%o], %g;\n") + late + bug + "\nFINE:\n");
    for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
      Setup setup;
      setup.schedule = schedule;
      const Trace t = check_alike(text, setup, Expect::in_order);
      CHECK(t.outcome == outcome);
      check_contains(t.report, {"block (40, 0, 0)"});
      setup.check = Check::warn;
      check_alike(text, setup, Expect::in_order);
    }
  }
}

TEST_CASE("a promise about the whole grid is kept across threads") {
  const std::string broken = kernel("//@ uniform grid %b\nst.global.u32 [%o], %b;");
  const Trace t = check_alike(broken, {}, Expect::in_order);
  check_contains(t.report, {"broken promise", "uniform across the grid"});
  CHECK(check_alike(kernel("//@ uniform grid %n\nst.global.u32 [%o], %b;"), {}, Expect::parallel)
            .outcome == Outcome::ok);
}

TEST_CASE("a seed is one course of each block, whatever runs beside it") {
  // Unless checks forbid it, the last warp to come leaves its number.
  const std::string text = kernel(R"(
and.b32 %v1, %g, 63;
MORE:
setp.eq.u32 %k0, %v1, 0;
@%k0 bra ENOUGH;
sub.u32 %v1, %v1, 1;
bra MORE;
ENOUGH:
st.shared.u32 [%v15], %t;
st.shared.u32 [%v15+4], %t;
bar.sync 0;
ld.shared.u32 %v0, [%v15];
st.global.u32 [%o], %v0;
)");
  std::vector<std::vector<std::uint32_t>> seen;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    Setup setup;
    setup.check = Check::off;
    setup.schedule = Schedule::random;
    setup.seed = seed;
    const Trace t = check_alike(text, setup, Expect::parallel);
    seen.push_back(t.r);
    bool blocks_differ = false;
    for (std::uint32_t b = 1; b < 61; ++b) blocks_differ |= t.r[b * 128] != t.r[0];
    CHECK(blocks_differ);
  }
  CHECK(seen[0] != seen[1]);
  CHECK(seen[1] != seen[2]);
}

TEST_CASE("no block finds another's registers") {
  // %v7 is read before it is written.
  Setup setup;
  setup.check = Check::off;
  const Trace t = check_alike(kernel("add.u32 %v7, %v7, %g;\nst.global.u32 [%o], %v7;"), setup,
                              Expect::parallel);
  for (std::uint32_t g = 0; g < 61 * 128; ++g) REQUIRE(t.r[g] == g);
}

TEST_CASE("copies in flight are noted") {
  const std::string copy =
      "mov.u32 %v1, <count>;\ncp.async.ca.shared.global [%s], [%q], 4, %v1;\n"
      "cp.async.wait_all;\nld.shared.u32 %v0, [%s];\n";
  const auto with = [&](const char* count, const std::string& rest) {
    std::string body = copy + rest;
    return kernel(body.replace(body.find("<count>"), 7, count));
  };
  const std::string own = "st.global.u32 [%o], %v0;", other = "st.global.u32 [%q+512], %v0;";
  const Setup watched{.fresh = false, .watched = true};
  check_always_alike(with("4", own), Expect::parallel, watched);
  check_always_alike(with("2", own), Expect::parallel, watched);
  check_always_alike(with("4", other), Expect::in_order, watched);
  check_always_alike(with("0", other), Expect::parallel, watched);
}

TEST_CASE("a watch over streams is told the same, and its findings are those of the run in order") {
  check_always_alike(kernel(sound_body), Expect::parallel, {.watched = true});
  Setup setup;
  setup.forbidden = 45 * 128 + 5;
  const Trace t = check_alike(kernel(sound_body), setup, Expect::in_order);
  check_contains(t.report, {"the forbidden byte", "block (45, 0, 0) thread (0, 0, 0)"});
  setup.check = Check::warn;
  check_alike(kernel(sound_body), setup, Expect::in_order);
}

TEST_CASE("a launch that hangs says the same") {
  Setup setup;
  setup.budget = 400'000;
  const Trace t =
      check_alike(kernel("setp.ne.u32 %k0, %b, 50;\n@%k0 bra DONE;\nSPIN:\nbra SPIN;\nDONE:\n"),
                  setup, Expect::in_order);
  CHECK(t.outcome == Outcome::launch_timeout);
  check_contains(t.report, {"hang", "block (50, 0, 0)"});
}

TEST_CASE("launches that end early leave the next one's watch as it was") {
  // The second launch touches what the first one's blocks did, in both of its runs.
  const std::string text = kernel(
      "st.global.u32 [%r], %g;\nld.global.u32 %v0, [%q];\n"
      "st.global.u32 [%q], %v0;");
  Device device(text);
  device.options.threads = 3;
  device.options.check = Check::warn;
  const auto p = device.upload(std::vector<std::uint32_t>(words, 1));
  const auto r = device.upload(std::vector<std::uint32_t>(words, 2));
  const Shape shape{.grid = {61, 1, 1}, .block = {128, 1, 1}};
  const std::string first = device.run(shape, p, r).report;
  CHECK(!first.empty());
  CHECK(device.run(shape, p, r).report == first);
}

}  // namespace ptxmill::emu::interpreter_test

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Blocks that race, race in the host's memory as well, until they are found out and what they did
// is undone. What the emulator has besides that memory stays under watch.
extern "C" const char* __tsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "race_top:emulator/lanes/memory.cpp\n";
}
#endif
#endif
