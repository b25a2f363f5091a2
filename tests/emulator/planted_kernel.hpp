// Kernels with one planted bug, and their sound twins, run under every schedule.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/async/tensor_map.hpp"
#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {

/// Zeroes 16 bytes of shared memory a thread, so that what is read too early is defined.
#define ZEROED                                                      \
  "// ---- clear\nmov.u32 %v15, 0;\nmad.lo.u32 %v14, %t, 16, %z;\n" \
  "st.shared.v4.u32 [%v14], {%v15, %v15, %v15, %v15};\nbar.sync 0;\n"

/// A kernel and its twin in one text: "<<bug||cure>>" stands for the one or the other. Parameters:
/// p (1024 words, each its own index), r (1024 words of 0, the results), c (64 words of 0); the
/// constants `table`: 5, 6, 7, 8. Registers: %p, %r, %c; %q and %o, this thread's word of p and of
/// r; %t thread, %l lane, %b block, %n threads of a block, %g thread of the grid; %z where the 4096
/// bytes of shared memory `s` begin, %s this thread's word of them; %v<16>, %h<4>, %w<8>, %f<8> and
/// predicates %k<8> to use.
struct Planted {
  const char* name;
  /// Lines that a report must name end in "//!", or are notes; one at least of those that end in
  /// "//?".
  const char* code;
  std::vector<const char*> words{};  ///< what the report must say
  Shape shape{};
  std::uint32_t (*result)(std::uint32_t) = nullptr;  ///< word i of the twin's results
  std::uint32_t results = 0;                         ///< 0: one for each thread
  Outcome outcome = Outcome::launch_failed;
  bool needs_luck = false;  ///< the earliest schedule, and random ones at times, hide it
  const char* target = "sm_80";
};

namespace detail {

/// One of the two texts.
inline std::string twin(std::string_view code, bool cured) {
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t open = code.find("<<", at);
    out += code.substr(at, open - at);
    if (open == std::string_view::npos) return out;
    const std::size_t middle = code.find("||", open), close = code.find(">>", open);
    REQUIRE(middle < close);
    REQUIRE(close != std::string_view::npos);
    out += cured ? code.substr(middle + 2, close - middle - 2)
                 : code.substr(open + 2, middle - open - 2);
    at = close + 2;
  }
}

inline std::string planted_module(std::string_view code, bool cured, const ModuleTarget& target) {
  std::string text = module_text(
      ".param .u64 p, .param .u64 r, .param .u64 c",
      ".reg .b64 %p, %r, %c, %q, %o, %w<8>;\n.reg .b32 %t, %l, %b, %n, %g, %z, %s, %v<16>;\n"
      ".reg .b16 %h<4>;\n.reg .f32 %f<8>;\n.reg .pred %k<8>;\n.shared .align 1024 .b8 s[4096];\n"
      "ld.param.u64 %p, [p];\nld.param.u64 %r, [r];\nld.param.u64 %c, [c];\n"
      "mov.u32 %t, %tid.x;\nand.b32 %l, %t, 31;\nmov.u32 %b, %ctaid.x;\nmov.u32 %n, %ntid.x;\n"
      "mad.lo.u32 %g, %b, %n, %t;\nmad.wide.u32 %q, %g, 4, %p;\nmad.wide.u32 %o, %g, 4, %r;\n"
      "mov.u32 %z, s;\nmad.lo.u32 %s, %t, 4, %z;\n" +
          twin(code, cured) + "ret;\n",
      target);
  text.insert(text.find(".visible"), ".const .align 4 .b32 table[4] = {5, 6, 7, 8};\n");
  return text;
}

/// "line 12:" and "phase: name" of each line that ends in the mark.
struct Place {
  std::string line, phase;
};
inline std::vector<Place> marked(const std::string& text, std::string_view mark) {
  std::vector<Place> places;
  std::string phase;
  int number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.substr(0, 8) == "// ---- ") phase = "phase: " + std::string(line.substr(8));
    // A note, which takes no comment, is a mark of its own.
    const bool note = mark == "//!" && line.substr(0, 4) == "//@ ";
    if (note || (line.size() >= mark.size() && line.substr(line.size() - mark.size()) == mark))
      places.push_back({"line " + std::to_string(number) + ":", phase});
    at = end + 1;
  }
  return places;
}

struct Run {
  ExecuteResult result;
  std::vector<std::uint32_t> words;
};

/// Tensor maps of p and of r, as 32 rows of 32 words in boxes of 4 rows: what c begins with.
inline void put_maps(Device& device, DeviceAddress p, DeviceAddress r, DeviceAddress c) {
  TensorMap map;
  map.element = TensorElement::u32;
  map.rank = 2;
  map.size = {32, 32, 1, 1, 1};
  map.stride = {4, 128, 0, 0, 0};
  map.box = {32, 4, 1, 1, 1};
  const auto memory = device.memory.find(c, 2 * sizeof(EncodedTensorMap));
  REQUIRE(memory != nullptr);
  std::byte* at = memory->bytes.data() + (c - memory->base);
  for (const DeviceAddress tensor : {p, r}) {
    map.address = tensor;
    const EncodedTensorMap bytes = encode(map);
    std::memcpy(at, bytes.data(), sizeof bytes);
    at += sizeof bytes;
  }
}

inline Run run_planted(Device& device, const Planted& k, bool maps) {
  std::vector<std::uint32_t> indices(1024);
  for (std::uint32_t i = 0; i < indices.size(); ++i) indices[i] = i;
  device.options.instruction_budget = 300'000;
  const auto p = device.upload(indices);
  const auto r = device.upload(std::vector<std::uint32_t>(1024, 0));
  const auto c = device.upload(std::vector<std::uint32_t>(64, 0));
  if (maps) put_maps(device, p, r, c);
  Run run{device.run(k.shape, p, r, c), device.download<std::uint32_t>(r, 1024)};
  for (const DeviceAddress at : {p, r, c}) device.memory.free(at);
  return run;
}

inline void check_found(const Planted& k, const std::string& text, const ExecuteResult& r) {
  INFO(r.report);
  CHECK(r.outcome == k.outcome);
  const std::vector<Place> every = marked(text, "//!"), any = marked(text, "//?");
  CHECK(every.size() + any.size() > 0);
  for (const char* word : k.words) check_contains(r.report, {word});
  for (const Place& place : every) check_contains(r.report, {place.line, place.phase});
  bool found = any.empty();
  for (const Place& place : any)
    found = found || (contains(r.report, place.line) && contains(r.report, place.phase));
  CHECK(found);
}

}  // namespace detail

/// Checks that the bug is found and the twin is clean, under every schedule. With `maps`, c begins
/// with two tensor maps (detail::put_maps).
inline void check_planted(const Planted& k, const ModuleTarget& target, bool maps = false) {
  const std::string name = k.name;
  CAPTURE(name);
  const std::string bug = detail::planted_module(k.code, false, target);
  Device faulty(bug), sound(detail::planted_module(k.code, true, target));
  std::uint32_t threads = 1;
  for (int d = 0; d < 3; ++d) threads *= k.shape.grid[d] * k.shape.block[d];
  int lucky = 0;
  const std::uint64_t seeds = k.needs_luck ? 24 : 6;
  for (std::uint64_t seed = 0; seed < seeds + 2; ++seed) {
    const Schedule schedule = seed == 0   ? Schedule::earliest
                              : seed == 1 ? Schedule::latest
                                          : Schedule::random;
    CAPTURE(seed);
    faulty.options.schedule = sound.options.schedule = schedule;
    faulty.options.seed = sound.options.seed = seed;
    const detail::Run found = detail::run_planted(faulty, k, maps);
    if (k.needs_luck && schedule != Schedule::latest) {
      lucky += found.result.outcome == k.outcome ? 1 : 0;
    } else {
      detail::check_found(k, bug, found.result);
    }
    const detail::Run clean = detail::run_planted(sound, k, maps);
    check_clean(clean.result);
    const bool has_result = k.result != nullptr;
    REQUIRE(has_result);
    for (std::uint32_t i = 0; i < (k.results == 0 ? threads : k.results); ++i) {
      CAPTURE(i);
      CHECK(clean.words[i] == k.result(i));
    }
  }
  if (k.needs_luck) CHECK(lucky > 0);
}

inline void check_planted(const Planted& k) { check_planted(k, {"8.0", k.target}); }

}  // namespace ptxmill::emu::interpreter_test
