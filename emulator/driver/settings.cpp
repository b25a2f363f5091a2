#include "emulator/driver/settings.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "emulator/driver/errors.hpp"
#include "emulator/driver/limits.hpp"

namespace ptxmill::emu::driver {
namespace {

constexpr Call allocating_calls[] = {Call::cuMemAlloc_v2, Call::cuMemAllocAsync,
                                     Call::cuMemAllocHost_v2, Call::cuMemHostAlloc};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Reads one variable after another and collects the complaints.
class Reader {
 public:
  Reader(const Environment& environment, std::vector<std::string>* errors)
      : environment_(environment), errors_(errors) {}

  std::string_view text(const char* name) const {
    const char* value = environment_(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
  }

  void complain(const char* name, std::string_view expected) {
    errors_->push_back(std::string(name) + "='" + std::string(text(name)) + "': expected " +
                       std::string(expected));
  }

  /// Stores an integer of [least, most].
  template <class T>
  void integer(const char* name, std::uint64_t least, std::uint64_t most, T* out) {
    const std::string_view value = text(name);
    if (value.empty()) return;
    const auto n = number(value);
    if (!n || *n < least || *n > most) {
      complain(name, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
    } else {
      *out = static_cast<T>(*n);
    }
  }

  /// Stores the value that stands beside the matching word.
  template <class T>
  void choice(const char* name, std::initializer_list<std::pair<std::string_view, T>> words,
              T* out) {
    const std::string_view value = text(name);
    if (value.empty()) return;
    std::string expected;
    for (const auto& [word, meaning] : words) {
      if (value == word) {
        *out = meaning;
        return;
      }
      expected += (expected.empty() ? "" : " or ") + std::string(word);
    }
    complain(name, expected);
  }

 private:
  const Environment& environment_;
  std::vector<std::string>* errors_;
};

/// Parses `call:n` or `call:n=CODE`.
std::optional<FailRule> fail_rule(std::string_view text) {
  FailRule rule;
  std::optional<api::CUresult> code;
  if (const auto equals = text.find('='); equals != text.npos) {
    code = result_of(text.substr(equals + 1));
    if (!code || *code == api::CUDA_SUCCESS) return std::nullopt;
    text = text.substr(0, equals);
  }
  const auto colon = text.find(':');
  if (colon == text.npos) return std::nullopt;
  const auto nth = number(text.substr(colon + 1));
  if (!nth || *nth == 0) return std::nullopt;
  rule.nth = *nth;
  const std::string_view name = text.substr(0, colon);
  if (name == "alloc") {
    rule.calls.assign(std::begin(allocating_calls), std::end(allocating_calls));
  } else {
    const auto it = std::find(std::begin(call_names), std::end(call_names), name);
    if (it == std::end(call_names)) return std::nullopt;
    rule.calls.push_back(static_cast<Call>(it - std::begin(call_names)));
  }
  const bool allocates = std::find(std::begin(allocating_calls), std::end(allocating_calls),
                                   rule.calls.front()) != std::end(allocating_calls);
  rule.code = code.value_or(allocates ? api::CUDA_ERROR_OUT_OF_MEMORY : api::CUDA_ERROR_UNKNOWN);
  return rule;
}

void read_fail_rules(Reader& reader, std::vector<FailRule>* rules) {
  constexpr const char* name = "PTXMILL_EMU_FAIL_CALL";
  std::string_view rest = reader.text(name);
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const auto rule = fail_rule(rest.substr(0, comma));
    if (!rule) {
      reader.complain(name,
                      "call:n or call:n=CUDA_ERROR_..., separated by commas, the call an exported "
                      "name as cuMemAlloc_v2 or 'alloc', n counted from 1");
      return;
    }
    rules->push_back(*rule);
    if (comma == rest.npos) return;
    rest = rest.substr(comma + 1);
    if (rest.empty()) reader.complain(name, "a rule after the last comma");
  }
}

}  // namespace

Settings read_settings(const Environment& environment, std::vector<std::string>* errors) {
  Settings s;
  Reader reader(environment, errors);
  reader.choice<Check>("PTXMILL_EMU_CHECK",
                       {{"off", Check::off}, {"warn", Check::warn}, {"fail", Check::fail}},
                       &s.execute.check);
  reader.choice<Schedule>("PTXMILL_EMU_SCHEDULE",
                          {{"earliest", Schedule::earliest},
                           {"latest", Schedule::latest},
                           {"random", Schedule::random}},
                          &s.execute.schedule);
  constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();
  reader.integer("PTXMILL_EMU_SEED", 0, no_limit, &s.execute.seed);
  reader.integer("PTXMILL_EMU_INSTRUCTION_BUDGET", 1, no_limit, &s.execute.instruction_budget);
  s.execute.threads = 0;
  reader.integer("PTXMILL_EMU_THREADS", 0, 1024, &s.execute.threads);
  reader.integer("PTXMILL_EMU_SMS", 1, 1024, &s.machine.sm_count);
  reader.integer("PTXMILL_EMU_DRIVER_VERSION", 2000, 99999, &s.machine.driver_version);
  reader.integer("PTXMILL_EMU_MEMORY", std::uint64_t{1} << 20, std::uint64_t{1} << 46,
                 &s.machine.memory_bytes);
  reader.integer("PTXMILL_EMU_CC", 0, 999, &s.machine.compute_capability);
  if (const Limits* limits = limits_of(s.machine.compute_capability)) {
    s.machine.max_shared_optin_bytes = limits->shared_optin_per_block;
  } else {
    reader.complain("PTXMILL_EMU_CC",
                    "a compute capability as 80, 90 or 100 that the emulator has limits for");
  }
  read_fail_rules(reader, &s.fail);
  s.report_file = reader.text("PTXMILL_EMU_REPORT");
  s.count_file = reader.text("PTXMILL_EMU_COUNT");
  s.execute.count = !s.count_file.empty();
  return s;
}

}  // namespace ptxmill::emu::driver
