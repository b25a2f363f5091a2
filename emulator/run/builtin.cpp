// Functions of the device's runtime that a program calls without having them: printing, assertions,
// and the heap. Their arguments lie in the caller's frame.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint64_t heap_limit = std::uint64_t{8} << 20;  ///< as a driver's default
constexpr std::size_t max_text = 4096;

/// Reads and writes the memory of one lane as its generic addresses say.
class LaneMemory {
 public:
  LaneMemory(WarpState& w, int lane) : w_(w), lane_(static_cast<std::uint64_t>(lane)) {}

  std::byte* find(std::uint64_t address, std::uint64_t size) {
    const auto in = [&](const Region& r, std::uint64_t at, std::uint64_t skip) -> std::byte* {
      return size <= r.size && at - r.base <= r.size - size ? r.bytes + skip + (at - r.base)
                                                            : nullptr;
    };
    if (address - shared_window < window_bytes) return in(w_.shared, address - shared_window, 0);
    if (address - local_window < window_bytes)
      return in(w_.local, address - local_window, lane_ * w_.local.size);
    if (address - param_window < window_bytes) return in(w_.params, address - param_window, 0);
    Region r;
    return locate_global(w_, address, r) ? in(r, address, 0) : nullptr;
  }

  template <class T>
  std::optional<T> read(std::uint64_t address) {
    const std::byte* p = find(address, sizeof(T));
    if (p == nullptr) return std::nullopt;
    T v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }

  std::string string(std::uint64_t address) {
    std::string out;
    while (out.size() < max_text) {
      const auto c = read<char>(address + out.size());
      if (!c || *c == 0) break;
      out += *c;
    }
    return out;
  }

 private:
  WarpState& w_;
  std::uint64_t lane_;
};

/// printf with arguments from memory, packed as a device function's variable arguments are.
class Printer {
 public:
  Printer(LaneMemory& memory, std::string format, std::uint64_t arguments)
      : memory_(memory), format_(std::move(format)), at_(arguments) {}

  std::string run() {
    for (std::size_t k = 0; k < format_.size() && out_.size() < max_text;) {
      if (format_[k] != '%') {
        out_ += format_[k++];
      } else {
        k = conversion(k);
      }
    }
    return out_;
  }
  int conversions() const { return conversions_; }

 private:
  static bool is_one_of(char c, std::string_view set) {
    return set.find(c) != std::string_view::npos;
  }

  template <class T>
  T next() {
    at_ = (at_ + sizeof(T) - 1) / sizeof(T) * sizeof(T);
    const T v = memory_.read<T>(at_).value_or(T{});
    at_ += sizeof(T);
    ++conversions_;
    return v;
  }

  template <class T>
  void put(const std::string& spec, T value) {
    char buffer[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    std::snprintf(buffer, sizeof buffer, spec.c_str(), value);
#pragma GCC diagnostic pop
    out_ += buffer;
  }

  /// A width or precision, which may stand in the arguments; kept below what the buffer holds.
  std::size_t number(std::size_t k, std::string& spec) {
    if (k < format_.size() && format_[k] == '*') {
      spec += std::to_string(static_cast<int>(next<std::uint32_t>()) % 200);
      return k + 1;
    }
    int n = -1;
    for (; k < format_.size() && format_[k] >= '0' && format_[k] <= '9'; ++k)
      n = std::min(200, (n < 0 ? 0 : n) * 10 + (format_[k] - '0'));
    if (n >= 0) spec += std::to_string(n);
    return k;
  }

  std::size_t conversion(std::size_t start) {
    std::size_t k = start + 1;
    std::string spec = "%";
    for (; k < format_.size() && is_one_of(format_[k], "-+ #0"); ++k)
      if (spec.size() < 8) spec += format_[k];
    k = number(k, spec);
    if (k < format_.size() && format_[k] == '.') {
      spec += '.';
      k = number(k + 1, spec);
    }
    int longs = 0;
    while (k < format_.size() && is_one_of(format_[k], "hlzjt")) {
      longs += format_[k] == 'h' ? 0 : 1;
      ++k;
    }
    if (k >= format_.size()) {
      out_ += format_.substr(start);
      return k;
    }
    const char c = format_[k++];
    switch (c) {
      case '%': out_ += '%'; break;
      case 'd':
      case 'i':
        if (longs > 0) {
          put(spec + "ll" + c, static_cast<long long>(next<std::uint64_t>()));
        } else {
          put(spec + c, static_cast<int>(next<std::uint32_t>()));
        }
        break;
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        if (longs > 0) {
          put(spec + "ll" + c, static_cast<unsigned long long>(next<std::uint64_t>()));
        } else {
          put(spec + c, next<std::uint32_t>());
        }
        break;
      case 'c': put(spec + c, static_cast<int>(next<std::uint32_t>())); break;
      case 'p': put("0x%llx", static_cast<unsigned long long>(next<std::uint64_t>())); break;
      case 's': out_ += memory_.string(next<std::uint64_t>()); break;
      case 'a':
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': put(spec + c, next<double>()); break;
      default: out_ += format_.substr(start, k - start); break;
    }
    return k;
  }

  LaneMemory& memory_;
  std::string format_, out_;
  std::uint64_t at_;
  int conversions_ = 0;
};

/// The arguments and the result of a builtin, in the caller's frame.
class Arguments {
 public:
  Arguments(const Grid& grid, WarpState& w, const CallSite& site, int lane)
      : site_(site), memory_(w, lane) {
    const std::uint64_t frame =
        site.caller == CallSite::indirect ? 0 : w.lanes<std::uint64_t>(grid.kernel.frame)[lane];
    base_ = frame;
    written_ = w.local.written + static_cast<std::uint64_t>(lane) * w.local.size + frame;
  }

  template <class T>
  T get(std::size_t k) {
    if (k >= site_.arguments.size()) return T{};
    return memory_.read<T>(local_window + base_ + site_.arguments[k].caller).value_or(T{});
  }
  template <class T>
  void give(T value) {
    if (site_.results.empty() || site_.results[0].bytes != sizeof value) return;
    std::byte* p = memory_.find(local_window + base_ + site_.results[0].caller, sizeof value);
    if (p == nullptr) return;
    std::memcpy(p, &value, sizeof value);
    std::memset(written_ + site_.results[0].caller, 1, sizeof value);
  }
  LaneMemory& memory() { return memory_; }

 private:
  const CallSite& site_;
  LaneMemory memory_;
  std::uint64_t base_ = 0;
  std::uint8_t* written_ = nullptr;
};

void allocate(Grid& grid, Arguments& a) {
  const auto size = a.get<std::uint64_t>(0);
  DeviceAddress p = 0;
  if (size != 0 && size <= heap_limit - grid.heap_bytes) p = grid.memory.allocate(size);
  if (p != 0) grid.heap_bytes += size;
  a.give<std::uint64_t>(p);
}

void release(Grid& grid, Arguments& a) {
  const auto p = a.get<std::uint64_t>(0);
  const auto block = p == 0 ? nullptr : grid.memory.nearest(p);
  if (block == nullptr || block->base != p) return;
  grid.heap_bytes -= std::min<std::uint64_t>(grid.heap_bytes, block->bytes.size());
  grid.memory.free(p);
}

void fail_assertion(Grid& grid, WarpState& w, Arguments& a, int lane) {
  LaneMemory& m = a.memory();
  const std::string what = text(m.string(a.get<std::uint64_t>(1)), ":", a.get<std::uint32_t>(2),
                                ": ", m.string(a.get<std::uint64_t>(3)), ": Assertion `",
                                m.string(a.get<std::uint64_t>(0)), "` failed.");
  add_finding(grid, text(what, "\n  ", who(grid, w, lane)), Outcome::assertion_failed,
              Severity::fatal);
  w.stop = true;
}

}  // namespace

void run_builtin(Grid& grid, WarpState& w, const CallSite& site, LaneMask m) {
  if (w.footprint != nullptr && site.builtin != Builtin::assertfail) {
    grid.needs_order = true;
    w.stop = true;
    return;
  }
  for (int l = 0; l < lane_count && !w.stop; ++l) {
    if ((m >> l & 1u) == 0) continue;
    Arguments a(grid, w, site, l);
    switch (site.builtin) {
      case Builtin::vprintf: {
        Printer p(a.memory(), a.memory().string(a.get<std::uint64_t>(0)), a.get<std::uint64_t>(1));
        const std::string line = p.run();
        std::fwrite(line.data(), 1, line.size(), stdout);
        a.give<std::uint32_t>(static_cast<std::uint32_t>(p.conversions()));
        break;
      }
      case Builtin::malloc: allocate(grid, a); break;
      case Builtin::free: release(grid, a); break;
      case Builtin::assertfail: fail_assertion(grid, w, a, l); break;
      case Builtin::none: break;
    }
  }
}

}  // namespace ptxmill::emu
