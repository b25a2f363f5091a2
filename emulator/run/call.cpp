// Calls: a warp's lanes enter a function together, each with a frame of its own in local memory,
// and gather where it returns to.
#include <algorithm>
#include <bit>
#include <cstring>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint64_t max_stack = 512 * 1024;  ///< local memory of a thread on a device
constexpr std::uint64_t max_saved = std::uint64_t{64} << 20;  ///< registers of callers, of a warp

void fail(Grid& grid, WarpState& w, const Instruction& i, int lane, std::string_view what,
          Outcome outcome) {
  const auto pc = static_cast<std::uint32_t>(&i - grid.kernel.code.data());
  add_finding(grid, text(what, "\n  ", where(grid, pc), "\n  ", who(grid, w, lane)), outcome,
              Severity::fatal);
  w.stop = true;
}

/// Makes sure of `bytes` of local memory a thread. False where a device has not that much.
bool reserve(WarpState& w, std::uint64_t bytes) {
  if (bytes <= w.local.size) return true;
  if (bytes > max_stack) return false;
  const std::uint64_t before = w.local.size;
  const std::uint64_t after = std::min(max_stack, std::max(std::bit_ceil(bytes), 2 * before));
  std::vector<std::byte> stack(after * lane_count, std::byte{0xff});
  std::vector<std::uint8_t> written(after * lane_count, 0);
  for (std::uint64_t l = 0; l < lane_count && before != 0; ++l) {
    std::memcpy(stack.data() + l * after, w.local.bytes + l * before, before);
    std::memcpy(written.data() + l * after, w.local.written + l * before, before);
  }
  w.stack = std::move(stack);
  w.stack_written = std::move(written);
  w.local = {w.stack.data(), w.stack_written.data(), 0, after};
  return true;
}

/// Copies one of a call's variables; both places lie in the lane's local memory.
void copy(const WarpState& w, int lane, std::uint64_t to, std::uint64_t from, std::uint64_t n) {
  const std::uint64_t base = static_cast<std::uint64_t>(lane) * w.local.size;
  std::memmove(w.local.bytes + base + to, w.local.bytes + base + from, n);
  std::memmove(w.local.written + base + to, w.local.written + base + from, n);
}

std::size_t bytes_of(const RegisterSlot& r) {
  return r.bits == 64 ? 2 * slot_bytes : r.bits == 32 ? slot_bytes : sizeof(LaneMask);
}

void save_registers(WarpState& w, const Callee& caller, CallFrame& frame) {
  std::size_t bytes = 0;
  for (const RegisterSlot& r : caller.registers) bytes += bytes_of(r);
  frame.registers.resize(bytes);
  frame.defined.clear();
  std::byte* to = frame.registers.data();
  for (const RegisterSlot& r : caller.registers) {
    std::memcpy(to, w.registers + r.slot * slot_bytes, bytes_of(r));
    to += bytes_of(r);
    frame.defined.push_back(w.defined[r.slot]);
  }
  w.saved_bytes += bytes;
}

template <class T>
void restore_lanes(T* to, const std::byte* from, LaneMask m) {
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) != 0)
      std::memcpy(to + l, from + static_cast<std::size_t>(l) * sizeof(T), sizeof(T));
  }
}

void restore_registers(WarpState& w, const Callee& caller, const CallFrame& frame, LaneMask m) {
  const std::byte* from = frame.registers.data();
  for (std::size_t k = 0; k < caller.registers.size(); ++k) {
    const RegisterSlot& r = caller.registers[k];
    if (r.bits == 1) {
      LaneMask saved = 0;
      std::memcpy(&saved, from, sizeof saved);
      w.predicate(r.slot) = (w.predicate(r.slot) & ~m) | (saved & m);
    } else if (r.bits == 64) {
      restore_lanes(w.lanes<std::uint64_t>(r.slot), from, m);
    } else {
      restore_lanes(w.lanes<std::uint32_t>(r.slot), from, m);
    }
    from += bytes_of(r);
    w.defined[r.slot] = (w.defined[r.slot] & ~m) | (frame.defined[k] & m);
  }
}

/// The function that lane `lane` calls: an index into Kernel::callees. -1: none.
int callee_of(const Grid& grid, WarpState& w, const Instruction& i, const CallSite& site,
              int lane) {
  if (site.callee != CallSite::indirect) return site.callee;
  const std::uint64_t offset = w.lanes<std::uint64_t>(i.s[0])[lane] - function_window;
  const std::vector<int>& known = grid.kernel.callee_of_function;
  if (offset % function_step != 0 || offset / function_step >= known.size()) return -1;
  return known[offset / function_step];
}

/// The lanes of `m` that call what its first lane does.
LaneMask together(WarpState& w, const Instruction& i, const CallSite& site, LaneMask m) {
  if (site.callee != CallSite::indirect) return m;
  const std::uint64_t* targets = w.lanes<std::uint64_t>(i.s[0]);
  LaneMask same = 0;
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) != 0 && targets[l] == targets[std::countr_zero(m)]) same |= LaneMask{1} << l;
  }
  return same;
}

/// Gives each lane its frame: the arguments copied, the rest not written yet.
bool open_frames(Grid& grid, WarpState& w, const CallSite& site, const Callee& callee,
                 CallFrame& saved, LaneMask m) {
  std::uint64_t* frame = w.lanes<std::uint64_t>(grid.kernel.frame);
  std::uint64_t* top = w.lanes<std::uint64_t>(grid.kernel.top);
  std::uint64_t needed = 0;
  for (int l = 0; l < lane_count; ++l)
    if ((m >> l & 1u) != 0) needed = std::max(needed, top[l]);
  if (!reserve(w, needed + callee.frame_bytes + grid.kernel.outgoing_bytes)) return false;
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) == 0) continue;
    const std::uint64_t caller = site.caller == CallSite::indirect ? 0 : frame[l];
    for (const FrameCopy& c : site.arguments)
      copy(w, l, top[l] + c.callee, caller + c.caller, c.bytes);
    std::uint8_t* written = w.local.written + static_cast<std::uint64_t>(l) * w.local.size + top[l];
    std::fill(written + callee.param_bytes, written + callee.frame_bytes, std::uint8_t{0});
    saved.frame[l] = frame[l];
    frame[l] = top[l];
    top[l] += callee.frame_bytes;
  }
  return true;
}

}  // namespace

void reset_stack(const Grid& grid, Cta& cta, WarpState& w) {
  const std::uint64_t bytes = grid.kernel.info.local_bytes;
  w.stack = {};
  w.stack_written = {};
  w.local = {cta.local.data() + bytes * lane_count * w.index,
             cta.local_written.data() + bytes * lane_count * w.index, 0, bytes};
  w.calls.clear();
  w.saved_bytes = 0;
}

void call(Grid& grid, WarpState& w, const Instruction& i, LaneMask m) {
  const std::uint32_t pc = w.splits[w.current].pc;
  if (m == 0) {
    ++w.splits[w.current].pc;
    return;
  }
  const CallSite& site = grid.kernel.calls[i.aux];
  if (site.builtin != Builtin::none) {
    ++w.splits[w.current].pc;
    run_builtin(grid, w, site, m);
    return;
  }
  const int first = std::countr_zero(m);
  if (grid.checked && (m & ~w.defined[i.s[0]]) != 0) {
    report_fault(w, i, Fault::undefined_branch, std::countr_zero(m & ~w.defined[i.s[0]]), 0, 0);
    if (w.stop) return;
  }
  const int index = callee_of(grid, w, i, site, first);
  if (index < 0) {
    return fail(grid, w, i, first,
                text("call through a pointer that is no function's: 0x",
                     hex(w.lanes<std::uint64_t>(i.s[0])[first])),
                Outcome::launch_failed);
  }
  const Callee& callee = grid.kernel.callees[static_cast<std::size_t>(index)];
  if (callee.interface != site.interface) {
    return fail(grid, w, i, first,
                text("call of '", callee.name, "' with another function's parameters"),
                Outcome::launch_failed);
  }
  // The others take their turn at this instruction; all meet behind it.
  const LaneMask group = together(w, i, site, m);
  if (group != m) diverge(w, m & ~group, pc, pc, pc + 1);
  const std::uint32_t meeting = enter_call(w, callee.entry, pc + 1);
  if (w.calls.size() <= meeting) w.calls.resize(meeting + 1);
  CallFrame& frame = w.calls[meeting];
  frame.site = i.aux;
  if (site.caller != CallSite::indirect)
    save_registers(w, grid.kernel.callees[static_cast<std::size_t>(site.caller)], frame);
  if (w.saved_bytes > max_saved || !open_frames(grid, w, site, callee, frame, group)) {
    fail(grid, w, i, first,
         text("stack overflow: calls need more than the ", max_stack, " bytes of a thread"),
         Outcome::illegal_address);
  }
}

void return_from_call(Grid& grid, WarpState& w, const Instruction& i, LaneMask m) {
  const std::uint32_t next = w.splits[w.current].pc + 1;
  if (m == 0) {
    w.splits[w.current].pc = next;
    return;
  }
  const std::uint32_t meeting = innermost_call(w);
  if (meeting == 0)
    return fail(grid, w, i, std::countr_zero(m), "return without a call", Outcome::launch_failed);
  CallFrame& saved = w.calls[meeting];
  const CallSite& site = grid.kernel.calls[saved.site];
  std::uint64_t* frame = w.lanes<std::uint64_t>(grid.kernel.frame);
  std::uint64_t* top = w.lanes<std::uint64_t>(grid.kernel.top);
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) == 0) continue;
    const std::uint64_t caller = site.caller == CallSite::indirect ? 0 : saved.frame[l];
    for (const FrameCopy& c : site.results)
      copy(w, l, caller + c.caller, frame[l] + c.callee, c.bytes);
    top[l] = frame[l];
    frame[l] = saved.frame[l];
  }
  if (site.caller != CallSite::indirect)
    restore_registers(w, grid.kernel.callees[static_cast<std::size_t>(site.caller)], saved, m);
  leave_call(w, meeting, m, next);
  if (!w.meetings[meeting].in_use) w.saved_bytes -= std::min(w.saved_bytes, saved.registers.size());
}

void allocate_on_stack(Grid& grid, WarpState& w, const Instruction& i, LaneMask m) {
  ++w.splits[w.current].pc;
  if (m == 0) return;
  std::uint64_t* top = w.lanes<std::uint64_t>(grid.kernel.top);
  const auto align = static_cast<std::uint64_t>(i.imm);
  const auto up = [](std::uint64_t n, std::uint64_t to) { return (n + to - 1) / to * to; };
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) == 0) continue;
    const std::uint64_t size =
        i.aux != 0 ? w.lanes<std::uint64_t>(i.s[0])[l] : w.lanes<std::uint32_t>(i.s[0])[l];
    const std::uint64_t at = up(top[l], align);
    if (size > max_stack ||
        !reserve(w, at + up(size, grid.kernel.stack_align) + grid.kernel.outgoing_bytes)) {
      return fail(grid, w, i, l, text("stack overflow: alloca of ", size, " bytes"),
                  Outcome::illegal_address);
    }
    top[l] = up(at + size, grid.kernel.stack_align);
    if (i.aux != 0) {
      w.lanes<std::uint64_t>(i.d[0])[l] = at;
    } else {
      w.lanes<std::uint32_t>(i.d[0])[l] = static_cast<std::uint32_t>(at);
    }
    std::uint8_t* written = w.local.written + static_cast<std::uint64_t>(l) * w.local.size;
    std::fill(written + at, written + top[l], std::uint8_t{0});
  }
  if (grid.checked) {
    LaneMask& defined = w.defined[i.d[0]];
    defined = (defined & ~m) | (w.defined[i.s[0]] & m);
  }
}

}  // namespace ptxmill::emu
