// What the builder derives of values and lines: uniformity, known divisors, and the order of
// operands that C++ leaves open.
#include <algorithm>
#include <bit>

#include "generator/ptx/recorder.hpp"

namespace ptxmill::ptx {

Level Recorder::sources_level(const isa::Row& row, const std::vector<Operand>& operands) const {
  // A vote or reduction over a warp gives each of its threads the same answer; a broadcast does
  // so where the lane it reads is itself the same for all.
  const std::string_view s = row.spelling;
  if (s.starts_with("vote") || s.starts_with("redux")) return Level::warp;
  if (row.effect == isa::Effect::atomic || row.effect == isa::Effect::timer) return Level::thread;
  // Each thread reads what is there when it comes by.
  if (row.op == Op::activemask || row.op == Op::ld_volatile_global ||
      row.op == Op::ld_acquire_gpu || row.op == Op::ld_relaxed_gpu || row.op == Op::elect_sync)
    return Level::thread;
  Level level = Level::grid;
  // What a lane gets of a matrix depends on the lane.
  if (s.starts_with("mma") || s.starts_with("ldmatrix")) return Level::thread;
  const bool broadcast = row.op == Op::shfl_sync_idx;
  for (std::size_t i = 1; i < operands.size(); ++i) {
    if (broadcast && i == 1) continue;
    if (operands[i].reg != no_reg) level = std::min(level, reg(operands[i].reg).uniform);
    for (const RegId r : operands[i].group)
      if (r != no_reg) level = std::min(level, reg(r).uniform);
  }
  if (broadcast)
    return level >= Level::warp ? std::max(Level::warp, reg(operands[1].reg).uniform)
                                : Level::thread;
  if (s.starts_with("shfl")) return Level::thread;
  // Shared memory differs between CTAs whatever the address.
  if (s.find(".shared") != s.npos) level = std::min(level, Level::cta);
  return level;
}

std::uint32_t Recorder::divisor_of(const Operand& o) const {
  constexpr std::uint32_t most = 1u << 16;
  const auto of_int = [&](std::int64_t v) {
    return v == 0 ? most
                  : std::min(most,
                             1u << std::min(16, std::countr_zero(static_cast<std::uint64_t>(v))));
  };
  switch (o.kind) {
    case Operand::Kind::integer: return of_int(o.integer);
    case Operand::Kind::reg: return reg(o.reg).divisor;
    case Operand::Kind::address:
      return std::min(o.reg == no_reg ? most : reg(o.reg).divisor, of_int(o.integer));
    case Operand::Kind::shared: {
      const auto align = static_cast<std::uint32_t>(shared_array(o.shared).align);
      return std::min(o.reg == no_reg ? align : reg(o.reg).divisor, of_int(o.integer));
    }
    default: return 1;
  }
}

void Recorder::settle_results(const isa::Row& row, const std::vector<Operand>& operands) {
  const bool has_group_result = !operands.empty() && operands[0].kind == Operand::Kind::group &&
                                row.effect != isa::Effect::store;
  if (operands.empty() || (operands[0].kind != Operand::Kind::reg && !has_group_result) ||
      isa::operands(row.shape)[0].role == isa::Role::source)
    return;
  const Level level = sources_level(row, operands);
  if (has_group_result) {
    for (const RegId r : operands[0].group)
      if (r != no_reg && !reg(r).assignable) at(r).uniform = level;
    return;
  }
  Register& result = at(operands[0].reg);
  if (result.assignable) return;
  result.uniform = level;
  const auto d = [&](std::size_t i) { return std::uint64_t{divisor_of(operands[i])}; };
  std::uint64_t divisor = 1;
  switch (row.op) {
    case Op::mov: divisor = d(1); break;
    case Op::add:
    case Op::sub:
    case Op::rem:
    case Op::min:
    case Op::max:
    case Op::selp: divisor = std::min(d(1), d(2)); break;
    case Op::mul_lo:
    case Op::mul_wide: divisor = d(1) * d(2); break;
    case Op::mad_lo:
    case Op::mad_wide: divisor = std::min(d(1) * d(2), d(3)); break;
    case Op::and_: divisor = std::max(d(1), d(2)); break;
    case Op::shr: {
      // Warps are cut from a block along x: tid.x / 32 is one number to a warp where a row of
      // threads has whole warps, or is the only one.
      const bool by_constant = operands[2].kind == Operand::Kind::integer;
      const Register* from =
          operands[1].kind == Operand::Kind::reg ? &reg(operands[1].reg) : nullptr;
      if (by_constant)
        divisor =
            std::max<std::uint64_t>(1, d(1) >> std::min<std::int64_t>(32, operands[2].integer));
      if (!by_constant || from == nullptr || from->shifts_tid < 0) break;
      result.shifts_tid = from->shifts_tid + static_cast<int>(operands[2].integer);
      const bool known = launch_.block_x > 0;
      const auto whole = [&](int threads) {
        return known && (launch_.block_x == launch_.threads || launch_.block_x % threads == 0);
      };
      if (result.shifts_tid >= 7 && whole(128))
        result.uniform = std::max(result.uniform, Level::warpgroup);
      else if (result.shifts_tid >= 5 && whole(32))
        result.uniform = std::max(result.uniform, Level::warp);
      break;
    }
    case Op::or_:
    case Op::xor_: divisor = std::min(d(1), d(2)); break;
    case Op::shl:
      if (operands[2].kind == Operand::Kind::integer)
        divisor = d(1) << std::min<std::int64_t>(16, operands[2].integer);
      break;
    case Op::cvta_to_global:
    case Op::cvta_to_shared: divisor = d(1); break;
    case Op::cvt: divisor = isa::is_float(result.type) ? 1 : d(1); break;
    case Op::mov_address:
      if (operands[1].kind == Operand::Kind::shared) divisor = d(1);
      break;
    default: break;
  }
  result.divisor = static_cast<std::uint32_t>(std::min<std::uint64_t>(divisor, 1u << 16));
}

const Register* Recorder::fresh_register(const Operand& o) const {
  const RegId id = o.kind == Operand::Kind::group ? o.group.front() : o.reg;
  if (!o.fresh || id == no_reg) return nullptr;
  const Register& r = reg(id);
  return r.name.empty() && r.first_line >= 0 ? &r : nullptr;
}

bool Recorder::is_movable(int first, int last) const {
  for (int i = first; i <= last; ++i) {
    const Line& line = lines_[static_cast<std::size_t>(i)];
    if (line.kind != Line::Kind::instruction || line.guard != guard_) return false;
    const isa::Effect effect = isa::row(line.op).effect;
    if (effect != isa::Effect::pure && effect != isa::Effect::load) return false;
    for (const RegId result : results_of(line))
      if (reg(result).assignable) return false;
  }
  return true;
}

/// Whether one of the pieces reads what another computes: then they are not operands of one
/// expression, and stand in the order that they need.
bool Recorder::depend_on_each_other(const std::vector<Piece>& pieces) const {
  std::map<RegId, std::size_t> computed_by;
  for (std::size_t p = 0; p < pieces.size(); ++p)
    for (int i = pieces[p].first; i <= pieces[p].last; ++i)
      for (const RegId id : results_of(lines_[static_cast<std::size_t>(i)])) computed_by[id] = p;
  for (std::size_t p = 0; p < pieces.size(); ++p)
    for (int i = pieces[p].first; i <= pieces[p].last; ++i) {
      const Line& line = lines_[static_cast<std::size_t>(i)];
      for (std::size_t o = 1; o < line.operands.size(); ++o) {
        std::vector<RegId> read(line.operands[o].group.begin(), line.operands[o].group.end());
        read.push_back(line.operands[o].reg);
        for (const RegId id : read)
          if (const auto it = computed_by.find(id); it != computed_by.end() && it->second != p)
            return true;
      }
    }
  return false;
}

/// The registers that a pure or loading line writes: its first operand.
std::vector<RegId> Recorder::results_of(const Line& line) {
  std::vector<RegId> ids;
  if (line.operands.empty()) return ids;
  const Operand& first = line.operands[0];
  if (first.kind == Operand::Kind::reg) ids.push_back(first.reg);
  for (const RegId id : first.group)
    if (id != no_reg) ids.push_back(id);
  return ids;
}

void Recorder::settle_order(const std::vector<Operand>& sources) {
  // The fresh sources, whose lines end the recording, found from the end backwards.
  std::vector<Piece> pieces;
  int end = static_cast<int>(lines_.size()) - 1;
  for (bool found = true; found;) {
    found = false;
    for (std::size_t i = 0; i < sources.size() && !found; ++i) {
      const Register* r = fresh_register(sources[i]);
      if (r == nullptr || r->last_line != end || !is_movable(r->first_line, r->last_line)) continue;
      pieces.push_back({i, r->first_line, r->last_line});
      end = r->first_line - 1;
      found = true;
    }
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.rank < b.rank; });
  if (std::is_sorted(pieces.begin(), pieces.end(),
                     [](const Piece& a, const Piece& b) { return a.first < b.first; }) ||
      depend_on_each_other(pieces))
    return;
  std::vector<Line> ordered;
  for (const Piece& piece : pieces) {
    const int shift = end + 1 + static_cast<int>(ordered.size()) - piece.first;
    for (int i = piece.first; i <= piece.last; ++i) {
      Line& line = lines_[static_cast<std::size_t>(i)];
      for (const RegId id : results_of(line)) {
        at(id).first_line += shift;
        at(id).last_line += shift;
      }
      ordered.push_back(std::move(line));
    }
  }
  std::move(ordered.begin(), ordered.end(), lines_.begin() + end + 1);
}

}  // namespace ptxmill::ptx
