// What the interpreter's tests share: device memory, launches, and single instructions over data.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "emulator/execute.hpp"
#include "emulator/memory.hpp"
#include "emulator/program.hpp"

namespace ptxmill::emu::interpreter_test {

/// What a module is written for.
struct ModuleTarget {
  std::string_view version = "8.0", target = "sm_80";
};
inline constexpr ModuleTarget hopper{"8.6", "sm_90a"};

/// A module of one entry `k` with the parameters and the body given.
inline std::string module_text(std::string_view params, std::string_view body,
                               const ModuleTarget& target = {}) {
  return ".version " + std::string(target.version) + "\n.target " + std::string(target.target) +
         "\n.address_size 64\n.visible .entry k(" + std::string(params) + ")\n{\n" +
         std::string(body) + "\n}\n";
}

/// Parses a module that must be sound.
inline std::shared_ptr<const Program> parsed(std::string_view text, const Machine& machine = {}) {
  std::string log;
  bool unsupported = false;
  auto program = Program::parse(text, machine, &log, &unsupported);
  INFO(text);
  INFO(log);
  REQUIRE(program != nullptr);
  return program;
}

/// The log of a module that must be refused.
inline std::string refusal(std::string_view text, const Machine& machine = {}) {
  std::string log;
  bool unsupported = false;
  INFO(text);
  CHECK(Program::parse(text, machine, &log, &unsupported) == nullptr);
  return log;
}

struct Shape {
  std::array<std::uint32_t, 3> grid{1, 1, 1}, block{32, 1, 1};
  std::uint32_t dynamic_shared_bytes = 0;
  bool cooperative = false;
  std::array<std::uint32_t, 3> cluster{0, 0, 0};  ///< zeros: none
};

/// A device with memory, and one module.
class Device {
 public:
  explicit Device(std::string_view text) : program_(parsed(text)) {}

  Machine machine;
  ExecuteOptions options;
  GlobalMemory memory{std::size_t{1} << 30};

  /// Device memory that holds `values`.
  template <class T>
  DeviceAddress upload(const std::vector<T>& values) {
    const DeviceAddress at = reserve(values.size() * sizeof(T));
    const auto a = memory.find(at, 1);
    std::memcpy(a->bytes.data(), values.data(), values.size() * sizeof(T));
    std::memset(a->written.data(), 1, a->written.size());
    return at;
  }
  /// Device memory that nothing has written.
  DeviceAddress reserve(std::size_t bytes) { return memory.allocate(bytes == 0 ? 1 : bytes); }

  template <class T>
  std::vector<T> download(DeviceAddress at, std::size_t count) const {
    std::vector<T> values(count);
    const auto a = memory.find(at, count * sizeof(T));
    REQUIRE(a != nullptr);
    std::memcpy(values.data(), a->bytes.data() + (at - a->base), count * sizeof(T));
    return values;
  }
  bool written(DeviceAddress at, std::size_t bytes) const {
    const auto a = memory.find(at, bytes);
    if (!a) return false;
    for (std::size_t i = 0; i < bytes; ++i)
      if (a->written[at - a->base + i] != 1) return false;
    return true;
  }

  /// Runs entry `k`; each argument must have the size of its parameter.
  template <class... Args>
  ExecuteResult run(const Shape& shape, const Args&... args) {
    return run_entry("k", shape, args...);
  }
  template <class... Args>
  ExecuteResult run_entry(std::string_view name, const Shape& shape, const Args&... args) {
    const EntryInfo* entry = program_->find(name);
    REQUIRE(entry != nullptr);
    std::vector<std::byte> params(entry->param_bytes);
    REQUIRE(entry->params.size() == sizeof...(args));
    std::size_t k = 0;
    [[maybe_unused]] const auto put = [&](const auto& arg) {
      REQUIRE(entry->params[k].size == sizeof arg);
      std::memcpy(params.data() + entry->params[k].offset, &arg, sizeof arg);
      ++k;
    };
    (put(args), ...);
    Launch launch;
    launch.grid = shape.grid;
    launch.block = shape.block;
    launch.dynamic_shared_bytes = shape.dynamic_shared_bytes;
    launch.cooperative = shape.cooperative;
    launch.explicit_cluster = shape.cluster[0] != 0;
    if (launch.explicit_cluster) launch.cluster = shape.cluster;
    launch.params = params;
    return execute(*program_, *entry, launch, memory, machine, options);
  }
  const Program& program() const { return *program_; }

 private:
  std::shared_ptr<const Program> program_;
};

/// A launch that must succeed without a word.
inline void check_clean(const ExecuteResult& r) {
  INFO(r.report);
  CHECK(r.outcome == Outcome::ok);
  CHECK(r.report.empty());
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Checks that the text has each of the parts, and shows the text where it has not.
inline void check_contains(std::string_view text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    INFO("text: " << text);
    INFO("part: " << part);
    CHECK(contains(text, part));
  }
}

namespace detail {
template <class T>
std::string bits_suffix() {
  return std::to_string(sizeof(T) * 8);
}
/// A register wide enough for T, and the load or store that moves it.
template <class T>
std::string register_type() {
  return sizeof(T) == 1 ? ".b16" : ".b" + bits_suffix<T>();
}
template <class T>
std::string memory_type() {
  return sizeof(T) == 1 ? ".u8" : ".b" + bits_suffix<T>();
}
}  // namespace detail

/// Runs `code` once for each index of the sources, which are in the registers %a, %b, %c, %e, of
/// untyped registers of their sizes; what it leaves in %d is the result. %p, %q are predicates,
/// %t and %u 32-bit registers for its use.
template <class D, class... S>
std::vector<D> evaluate(std::string_view code, const std::vector<S>&... sources) {
  static_assert(sizeof...(S) >= 1 && sizeof...(S) <= 4);
  constexpr std::string_view names[] = {"a", "b", "c", "e"};
  const std::size_t n = std::get<0>(std::tie(sources...)).size();
  std::string params = ".param .u64 p_d, .param .u32 p_n", declare, load;
  std::size_t k = 0;
  const auto add = [&]<class T>(const std::vector<T>& values) {
    REQUIRE(values.size() == n);
    const std::string name(names[k++]);
    params += ", .param .u64 p_" + name;
    declare += ".reg " + detail::register_type<T>() + " %" + name + ";\n";
    load += "ld.param.u64 %at, [p_" + name + "];\nmad.wide.u32 %at, %i, " +
            std::to_string(sizeof(T)) + ", %at;\nld.global" + detail::memory_type<T>() + " %" +
            name + ", [%at];\n";
  };
  (add(sources), ...);
  const std::string body =
      ".reg .b64 %at;\n.reg .b32 %i, %n, %t, %u;\n.reg .pred %out, %p, %q;\n.reg " +
      detail::register_type<D>() + " %d;\n" + declare +
      "mov.u32 %i, %ctaid.x;\nmov.u32 %n, %ntid.x;\nmov.u32 %t, %tid.x;\n"
      "mad.lo.u32 %i, %i, %n, %t;\nld.param.u32 %n, [p_n];\n"
      "setp.ge.u32 %out, %i, %n;\n@%out bra DONE;\n" +
      load + std::string(code) + "\nld.param.u64 %at, [p_d];\nmad.wide.u32 %at, %i, " +
      std::to_string(sizeof(D)) + ", %at;\nst.global" + detail::memory_type<D>() +
      " [%at], %d;\nDONE:\nret;\n";
  Device device(module_text(params, body));
  const DeviceAddress result = device.reserve(n * sizeof(D));
  Shape shape;
  shape.block = {64, 1, 1};
  shape.grid = {static_cast<std::uint32_t>((n + 63) / 64), 1, 1};
  check_clean(device.run(shape, result, static_cast<std::uint32_t>(n), device.upload(sources)...));
  return device.download<D>(result, n);
}

/// All pairs of two lists, as two lists.
template <class A, class B>
std::pair<std::vector<A>, std::vector<B>> pairs(const std::vector<A>& a, const std::vector<B>& b) {
  std::pair<std::vector<A>, std::vector<B>> out;
  for (const A& x : a) {
    for (const B& y : b) {
      out.first.push_back(x);
      out.second.push_back(y);
    }
  }
  return out;
}

}  // namespace ptxmill::emu::interpreter_test
