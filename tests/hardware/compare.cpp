#include "tests/hardware/compare.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

namespace ptxmill::test {
namespace {

using isa::Type;

constexpr std::size_t kept_differences = 24;
/// What memory holds before a kernel writes to it.
constexpr std::uint64_t untouched = 0x5a5a5a5a5a5a5a5au;

std::uint64_t mask_of(Type t) {
  const int bits = t == Type::pred ? 32 : isa::bits(t);
  return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

double value_of(Type t, std::uint64_t v) {
  switch (t) {
    case Type::f64: return std::bit_cast<double>(v);
    case Type::f32: return std::bit_cast<float>(static_cast<std::uint32_t>(v));
    case Type::bf16: return std::bit_cast<float>(static_cast<std::uint32_t>(v << 16));
    case Type::f16: {
      const auto m = static_cast<int>(v & 0x3ff), e = static_cast<int>(v >> 10 & 31);
      double d = std::ldexp(e == 0 ? m : m + 1024, (e == 0 ? 1 : e) - 25);
      if (e == 31) d = m == 0 ? HUGE_VAL : std::nan("");
      return (v & 0x8000) != 0 ? -d : d;
    }
    default: return 0;
  }
}

/// A float's place among all floats of its type.
double place_of(Type t, std::uint64_t v) {
  const std::uint64_t sign = std::uint64_t{1} << (isa::bits(t) - 1);
  const auto magnitude = static_cast<double>(v & (sign - 1));
  return (v & sign) != 0 ? -magnitude : magnitude;
}

struct Distance {
  double units = 0;
  bool beyond = false;
};

/// Of two results that differ.
Distance distance(Type t, const Bound& bound, std::uint64_t hardware, std::uint64_t emulator) {
  if (t == Type::f16x2 || t == Type::bf16x2) {
    const Type half = t == Type::f16x2 ? Type::f16 : Type::bf16;
    Distance worst;
    for (const int at : {0, 16}) {
      const std::uint64_t h = hardware >> at & 0xffff, e = emulator >> at & 0xffff;
      if (h == e) continue;
      const Distance d = distance(half, bound, h, e);
      worst = {std::max(worst.units, d.units), worst.beyond || d.beyond};
    }
    return worst;
  }
  if (t < Type::f16) {
    const auto apart = static_cast<double>(hardware) - static_cast<double>(emulator);
    return {std::fabs(apart), true};
  }
  const double h = value_of(t, hardware), e = value_of(t, emulator);
  if (std::isnan(h) || std::isnan(e)) return {HUGE_VAL, true};
  Distance d{std::fabs(place_of(t, hardware) - place_of(t, emulator)), true};
  if (bound.exact()) return d;
  // A value just below infinity may be one.
  if (std::isinf(h) || std::isinf(e)) {
    d.beyond = std::signbit(h) != std::signbit(e) || d.units > 4;
  } else {
    // Where results are subnormal, no bound is less than one unit.
    d.beyond = d.units > 1 && std::fabs(h - e) > bound.relative * std::fabs(e) + bound.absolute;
  }
  return d;
}

}  // namespace

std::vector<std::uint64_t> operands_of(const Form& form) {
  Random random = random_for("hardware " + form.group + " " + form.name);
  return form.operands ? form.operands(form, random) : operands_for(form, random);
}

Outcome run_form(const DriverLibrary& driver, const Form& form,
                 const std::vector<std::uint64_t>& operands) {
  Outcome o;
  // Some kernels reduce into the first cells whatever their results are.
  o.results.assign(std::max<std::size_t>(32, form.count * form.to.size()), untouched);
  Job job;
  job.ptx = &form.ptx;
  job.entry = form.entry;
  job.in = operands;
  job.out = o.results;
  job.count = static_cast<std::uint32_t>(form.count);
  job.threads = form.threads;
  job.blocks = static_cast<std::uint32_t>(form.count / form.threads);
  o.error = driver.run(job);
  return o;
}

Verdict compare(const Form& form, const std::vector<std::uint64_t>& operands,
                const Outcome& hardware, const Outcome& emulator) {
  Verdict v;
  v.cases = form.count;
  v.hardware_error = hardware.error;
  v.emulator_error = emulator.error;
  if (!hardware.error.empty() || !emulator.error.empty()) return v;
  for (std::size_t i = 0; i < form.count * form.to.size(); ++i) {
    const std::size_t result = i % form.to.size(), index = i / form.to.size();
    const Type t = form.to[result];
    const std::uint64_t h = hardware.results[i] & mask_of(t), e = emulator.results[i] & mask_of(t);
    if (h == e) continue;
    const Distance d = distance(t, form.bound, h, e);
    ++v.differing;
    const bool farthest = d.units > v.units;
    v.units = std::max(v.units, d.units);
    if (d.beyond) ++v.beyond;
    if ((!d.beyond && !farthest) || v.worst.size() >= kept_differences) continue;
    const auto first = operands.begin() + static_cast<std::ptrdiff_t>(index * form.from.size());
    v.worst.push_back(
        {{first, first + static_cast<std::ptrdiff_t>(form.from.size())}, h, e, index, result});
  }
  return v;
}

std::uint64_t digest(const Form& form, const std::vector<std::uint64_t>& results) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, a word at a time
  for (std::size_t i = 0; i < form.count * form.to.size(); ++i) {
    hash = (hash ^ (results[i] & mask_of(form.to[i % form.to.size()]))) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  return hash;
}

Recorded read_recorded(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path);
  Recorded r;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# ")) r.device = line.substr(2);
    std::istringstream words(line);
    std::string number, name;
    if (line.starts_with("#") || !(words >> number)) continue;
    std::getline(words >> std::ws, name);
    r.digests[name] = std::stoull(number, nullptr, 16);
  }
  return r;
}

void write_recorded(const std::string& path, const Recorded& recorded) {
  std::ofstream out(path);
  out << "# " << recorded.device << "\n";
  for (const auto& [name, number] : recorded.digests)
    out << fmt::format("{:016x} {}\n", number, name);
}

}  // namespace ptxmill::test
