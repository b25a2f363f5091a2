// Launches whose blocks run on several threads of the host, held against the same in order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {

inline constexpr std::uint32_t words =
    8192;  ///< of each of the two arrays that kernels here work on

/// A kernel of the parameters p and r. Registers: %p, %r; %q and %o, this thread's word of p and of
/// r; %t thread, %b block, %n threads of a block, %g thread of the grid; %s this thread's word of
/// the shared array `s`; %v<16>, %w<8>, %f<8> and predicates %k<8> to use.
inline std::string kernel(const std::string& body, const ModuleTarget& target = {}) {
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
  std::string touch(DeviceAddress at, std::size_t bytes, AccessKind kind, bool) override {
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
  bool overlaps = false;
};

/// Runs the kernel; `threads` becomes the number that did.
inline Trace traced(const std::string& text, const Setup& setup, unsigned* threads) {
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
  launch.overlaps = setup.overlaps;
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

inline void check_equal(const Trace& a, const Trace& b) {
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
inline Trace check_alike(const std::string& text, const Setup& setup, Expect expect) {
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
inline void check_always_alike(const std::string& text, Expect expect, Setup setup = {}) {
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

}  // namespace ptxmill::emu::interpreter_test
