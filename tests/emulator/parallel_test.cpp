// Blocks on several threads of the host: nothing of a launch depends on how many there are.
#include <cstdio>
#include <map>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

constexpr std::uint32_t words = 8192;  ///< of each of the two arrays that kernels here work on

/// A kernel of the parameters p and r. Registers: %p, %r; %q and %o, this thread's word of p and of
/// r; %t thread, %b block, %n threads of a block, %g thread of the grid; %s this thread's word of
/// the shared array `s`; %v<16>, %w<8>, %f<8> and predicates %k<8> to use.
std::string kernel(const std::string& body, const ModuleTarget& target = {}) {
  return module_text(
      ".param .u64 p, .param .u64 r",
      ".reg .b64 %p, %r, %q, %o, %w<8>;\n.reg .b32 %t, %b, %n, %g, %s, %v<16>;\n.reg .f32 %f<8>;\n"
      ".reg .pred %k<8>;\n.shared .align 16 .b8 s[4096];\nld.param.u64 %p, [p];\n"
      "ld.param.u64 %r, [r];\nmov.u32 %t, %tid.x;\nmov.u32 %b, %ctaid.x;\nmov.u32 %n, %ntid.x;\n"
      "mad.lo.u32 %g, %b, %n, %t;\nmad.wide.u32 %q, %g, 4, %p;\nmad.wide.u32 %o, %g, 4, %r;\n"
      "mov.u32 %v15, s;\nmad.lo.u32 %s, %t, 4, %v15;\n" +
          body + "\nret;",
      target);
}

/// All that a launch leaves.
struct Trace {
  Outcome outcome = Outcome::ok;
  std::string report;
  std::uint64_t executed = 0;
  std::vector<std::uint32_t> p, r;
  std::vector<std::uint8_t> written;  ///< of r
  std::string counts;
  std::map<DeviceAddress, unsigned> touched;  ///< bytes: 1 read, 2 written
};

/// Remembers every byte, and has something against one of them.
class Witness final : public AccessWatch {
 public:
  std::string touch(DeviceAddress at, std::size_t bytes, AccessKind kind) override {
    std::string wrong;
    for (DeviceAddress b = at; b < at + bytes; ++b) {
      touched[b] |= kind == AccessKind::read ? 1u : 2u;
      if (b != forbidden || said) continue;
      wrong = "the forbidden byte";
      said = true;
    }
    return wrong;
  }
  bool objects(DeviceAddress at, std::size_t bytes, AccessKind) override {
    return !said && forbidden >= at && forbidden < at + bytes;
  }
  DeviceAddress forbidden = 0;
  bool said = false;
  std::map<DeviceAddress, unsigned> touched;
};

struct Setup {
  Shape shape{.grid = {61, 1, 1}, .block = {128, 1, 1}};
  Check check = Check::fail;
  Schedule schedule = Schedule::earliest;
  std::uint64_t seed = 0, budget = 50'000'000;
  bool fresh = true;   ///< nothing has written r
  int forbidden = -1;  ///< the word of p that the watch objects to
  bool watched = false;
};

/// Runs the kernel; `threads` becomes the number that did.
Trace traced(const std::string& text, const Setup& setup, unsigned* threads) {
  Device device(text);
  std::vector<std::uint32_t> values(words);
  for (std::uint32_t k = 0; k < words; ++k) values[k] = k * 2654435761u >> 7;
  const DeviceAddress p = device.upload(values);
  const DeviceAddress r =
      setup.fresh ? device.reserve(words * 4) : device.upload(std::vector<std::uint32_t>(words, 7));
  Witness witness;
  if (setup.forbidden >= 0) witness.forbidden = p + static_cast<unsigned>(setup.forbidden) * 4;
  const bool watched = setup.watched || setup.forbidden >= 0;
  Launch launch;
  launch.grid = setup.shape.grid;
  launch.block = setup.shape.block;
  launch.watch = watched ? &witness : nullptr;
  const std::uint64_t arguments[] = {p, r};
  launch.params = std::as_bytes(std::span(arguments));
  ExecuteOptions options;
  options.check = setup.check;
  options.schedule = setup.schedule;
  options.seed = setup.seed;
  options.instruction_budget = setup.budget;
  options.count = true;
  options.threads = *threads;
  const EntryInfo& entry = *device.program().find("k");
  const ExecuteResult result =
      execute(device.program(), entry, launch, device.memory, device.machine, options);
  *threads = result.threads;
  REQUIRE(result.counts != nullptr);
  const auto memory = device.memory.find(r, words * 4);
  return {result.outcome,
          result.report,
          result.warp_instructions,
          device.download<std::uint32_t>(p, words),
          device.download<std::uint32_t>(r, words),
          {memory->written.begin(), memory->written.end()},
          counts_json(device.program(), entry, *result.counts, 1),
          std::move(witness.touched)};
}

void check_equal(const Trace& a, const Trace& b) {
  CHECK(a.outcome == b.outcome);
  CHECK(a.report == b.report);
  CHECK(a.executed == b.executed);
  CHECK(a.p == b.p);
  CHECK(a.r == b.r);
  CHECK(a.written == b.written);
  CHECK(a.counts == b.counts);
  CHECK(a.touched == b.touched);
}

enum class Expect { parallel, in_order };

/// Runs the kernel with one, two and seven threads and finds no difference. Returns what it does.
Trace check_alike(const std::string& text, const Setup& setup, Expect expect) {
  unsigned one = 1;
  const Trace first = traced(text, setup, &one);
  CHECK(one == 1);
  for (const unsigned threads : {2u, 7u}) {
    CAPTURE(threads);
    unsigned ran = threads;
    check_equal(first, traced(text, setup, &ran));
    CHECK(ran == (expect == Expect::parallel ? threads : 1));
  }
  return first;
}

/// The same under every schedule and degree of checking.
void check_always_alike(const std::string& text, Expect expect, Setup setup = {}) {
  for (const Check check : {Check::fail, Check::warn, Check::off}) {
    for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
      CAPTURE(static_cast<int>(check));
      CAPTURE(static_cast<int>(schedule));
      setup.check = check;
      setup.schedule = schedule;
      setup.seed = 11;
      check_alike(text, setup, expect);
    }
  }
}

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
