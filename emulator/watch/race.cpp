// Data races (PTX ISA, "Memory Consistency Model", "Conflict and Data-Races"): two accesses of
// which one at least writes, by threads between which nothing orders them, and that are not both
// strong with scopes that include each other.
#include <algorithm>
#include <bit>

#include "emulator/run/grid.hpp"
#include "emulator/watch/race.hpp"
#include "emulator/watch/shadow.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint32_t segment_mask = ~Stamp{0} << stamp_segment_shift;

constexpr Stamp rotated(Stamp s, int by) {
  if (spread_of(s) == Spread::several) return s;
  return make_stamp(segment_of(s), (lane_of(s) + by) & (lane_count - 1), spread_of(s));
}

constexpr int rotation_of(std::uint32_t others) {
  return static_cast<int>(others >> Cell::rotation_shift & 31u);
}

class Watch {
 public:
  Watch(WarpState& w, const Instruction& i, std::uint32_t access, LaneMask lanes, const Target& t,
        int bytes)
      : grid_(*w.grid),
        w_(w),
        t_(t),
        lanes_(lanes),
        size_(static_cast<std::uint64_t>(bytes)),
        sets_(t.global             ? w.grid->history().sets
              : t.owner != nullptr ? t.owner->sets
                                   : w.cta->sets),
        now_{.instruction = &i, .bits = access, .lanes = lanes, .target = &t} {
    const auto pc = static_cast<std::size_t>(&i - grid_.kernel.code.data());
    number_ = grid_.kernel.access_numbers[pc];
    scope_ = scope_in(access);
    writes_ = (access & AccessBits::writes) != 0;
    cached_ = !w.order.lanes && t.owner == nullptr;
    copies_ = i.kind == Kind::copy;
  }

  /// The accesses of the warp itself.
  void run(std::uint32_t segment) {
    segment_ = segment;
    bulk_ = grid_.history()[segment].async_proxy;
    if (size_ < Shadow::word) return parts();
    const bool plain_write = writes_ && scope_ == Scope::weak;
    const bool together =
        !plain_write && segment == w_.order.segment && t_.pattern != Pattern::contiguous;
    for (LaneMask left = lanes_; left != 0;) {
      const int lane = std::countr_zero(left);
      const LaneMask here = together ? lanes_at(t_.offset[lane], left) : LaneMask{1} << lane;
      left &= ~here;
      if ((here & (here - 1)) == 0) {
        words(lane, make_stamp(segment_, lane, Spread::word));
      } else {
        words(lane, make_stamp(current_segment(grid_, w_, here), 0, Spread::several));
      }
    }
  }

 private:
  void words(int lane, Stamp mine) {
    const std::uint64_t first = t_.offset[lane] / Shadow::word;
    Cell* cells = t_.shadow->data() + first;
    for (std::uint64_t k = 0; k < size_ / Shadow::word; ++k) {
      if (cells[k].write == Shadow::apart) [[unlikely]] {
        word_apart(first + k, mine);
      } else {
        touch(cells[k], mine, 0, Shadow::word, first + k);
      }
    }
  }

  /// A whole word whose bytes have cells of their own: a plain write unites them.
  void word_apart(std::uint64_t word, Stamp mine) {
    Shadow::Bytes& bytes = t_.shadow->split(word);
    for (std::uint32_t b = 0; b < Shadow::word; ++b) touch(bytes[b], mine, b, b + 1, word);
    if (writes_ && scope_ == Scope::weak) t_.shadow->unite(word, Cell{mine, 0, number_, 0});
  }

  /// Accesses of one or two bytes: as whole words where neighbouring lanes fill them.
  void parts() {
    for (int lane = 0; lane < lane_count; ++lane) {
      if (!has_lane(lanes_, lane)) continue;
      const std::uint64_t word = t_.offset[lane] / Shadow::word;
      const auto count = static_cast<int>(Shadow::word / size_);
      if (fills_word(lane, count)) {
        const Spread spread = size_ == 2 ? Spread::halves : Spread::bytes;
        const Stamp mine = make_stamp(segment_, lane, spread);
        Cell& cell = (*t_.shadow)[word];
        if (cell.write == Shadow::apart) {
          word_apart(word, mine);
        } else {
          touch(cell, mine, 0, Shadow::word, word);
        }
        lane += count - 1;
        continue;
      }
      const auto first = static_cast<std::uint32_t>(t_.offset[lane] % Shadow::word);
      Shadow::Bytes& bytes = t_.shadow->split(word);
      for (std::uint32_t b = first; b < first + size_; ++b)
        touch(bytes[b], make_stamp(segment_, lane, Spread::word), b, b + 1, word);
    }
  }

  /// The lanes among `of` whose accesses start at that offset.
  LaneMask lanes_at(std::uint64_t offset, LaneMask of) const {
    LaneMask same = 0;
    for (int l = 0; l < lane_count; ++l) same |= static_cast<LaneMask>(t_.offset[l] == offset) << l;
    return same & of;
  }

  bool fills_word(int lane, int count) const {
    if (t_.offset[lane] % Shadow::word != 0 || lane + count > lane_count) return false;
    for (int k = 1; k < count; ++k) {
      if (!has_lane(lanes_, lane + k)) return false;
      if (t_.offset[lane + k] != t_.offset[lane] + static_cast<std::uint64_t>(k) * size_)
        return false;
    }
    return true;
  }

  /// One cell, which stands for the bytes [first, last) of a word.
  [[gnu::always_inline]] void touch(Cell& c, Stamp mine, std::uint32_t first, std::uint32_t last,
                                    std::uint64_t word) {
    if (c.write != 0 && !is_before(c.write, mine)) [[unlikely]]
      meet_write(c, mine, first, last, word);
    if (scope_ == Scope::weak && writes_) {
      if (c.others != 0) meet_others(c, mine, first, last, word);
      if (c.write_access == number_ && (c.write & segment_mask) == (mine & segment_mask) &&
          c.write != mine) [[unlikely]] {
        mine = both(c.write, mine);
      }
      c = {mine, 0, number_, 0};
      return;
    }
    if (c.others == 0) {
      c.others = mine;
      c.others_access = number_;
      if (writes_) c.others_access |= Cell::strong_write;
      return;
    }
    // A plain read races with whatever a read before it, which it knows of, races with.
    if (!writes_ && scope_ == Scope::weak && (c.others & Cell::is_set) == 0 &&
        (c.others_access & Cell::strong_write) == 0 &&
        relation(segment_of(c.others)) == Relation::before) {
      c.others = mine;
      c.others_access = number_;
      return;
    }
    if (c.others == mine && (c.others_access & ~Cell::strong_write) == number_) return;
    if (writes_ || (c.others_access & Cell::strong_write) != 0)
      meet_others(c, mine, first, last, word);
    add(c, mine, first, last);
  }

  /// Quick: whether all that the stamp names is known to all whom `mine` names.
  [[gnu::always_inline]] bool is_before(Stamp s, Stamp mine) {
    if (s == mine) return spread_of(s) != Spread::several && !copies_;
    return relation(segment_of(s)) == Relation::before;
  }

  [[gnu::always_inline]] Relation relation(std::uint32_t segment) {
    if (segment == last_segment_) return last_relation_;
    last_relation_ = relation_to(grid_, w_, segment);
    last_segment_ = grid_.history()[segment].pending != 0 ? 0 : segment;
    return last_relation_;
  }

  LaneMask threads_at(Stamp s, std::uint32_t byte) const {
    return emu::threads_at(grid_.history(), s, byte);
  }

  /// Whether the threads of `mine` know what those of `s` did to the bytes. If not, `*pair` says
  /// who does not know whom.
  bool is_known(Stamp s, Stamp mine, std::uint32_t first, std::uint32_t last, RacingLanes* pair) {
    if (relation(segment_of(s)) == Relation::before) return true;
    for (std::uint32_t b = first; b < last; ++b) {
      const LaneMask other = threads_at(s, b);
      for (LaneMask n = threads_at(mine, b); n != 0; n &= n - 1) {
        const int lane = std::countr_zero(n);
        for (LaneMask o = other; o != 0; o &= o - 1) {
          if (knows(grid_, w_, lane, segment_of(s), std::countr_zero(o))) continue;
          *pair = {lane, std::countr_zero(o), b};
          return false;
        }
      }
    }
    return true;
  }

  void meet_write(Cell& c, Stamp mine, std::uint32_t first, std::uint32_t last,
                  std::uint64_t word) {
    RacingLanes pair;
    if (is_known(c.write, mine, first, last, &pair)) return;
    report(c.write, c.write_access, true, pair, word);
  }

  bool conflicts(const Member& m) const {
    const Segment& s = grid_.history()[segment_of(m.stamp)];
    return s.launch == grid_.launch_number &&
           conflict(now_.bits, w_.cta->order.linear, access_bits(grid_, m.access), s.cta);
  }

  void meet_others(Cell& c, Stamp mine, std::uint32_t first, std::uint32_t last,
                   std::uint64_t word) {
    const auto meet = [&](const Member& m) {
      RacingLanes pair;
      if (!conflicts(m) || is_known(m.stamp, mine, first, last, &pair)) return;
      report(m.stamp, m.access, false, pair, word);
    };
    if ((c.others & Cell::is_set) == 0) {
      if (c.others == mine || relation(segment_of(c.others)) == Relation::before) return;
      meet({0, c.others, static_cast<std::uint16_t>(c.others_access & ~Cell::strong_write)});
      return;
    }
    const std::uint32_t id = c.others & Cell::set_mask;
    if ((sets_[id].kinds & conflicting_kinds(now_.bits)) == 0) return;
    const int rotation = rotation_of(c.others);
    auto& settled = t_.global ? w_.order.settled_global : w_.order.settled;
    std::uint32_t& remembered = settled[id % settled.size()];
    if (remembered == id && t_.owner == nullptr) return;
    bool all_before = true;
    for (std::uint32_t at = id; at != 0; at = sets_[at].rest) {
      Member m = sets_[at];
      m.stamp = rotated(m.stamp, rotation);
      meet(m);
      all_before = all_before && relation(segment_of(m.stamp)) == Relation::before;
    }
    if (all_before && t_.owner == nullptr) remembered = id;
  }

  /// The stamp of both; they are of one time.
  Stamp both(Stamp a, Stamp b) {
    LaneMask lanes = 0;
    for (std::uint32_t k = 0; k < Shadow::word; ++k) lanes |= threads_at(a, k) | threads_at(b, k);
    return make_stamp(current_segment(grid_, w_, lanes), 0, Spread::several);
  }

  bool is_current(Stamp s) const {
    if (segment_of(s) == segment_) return true;
    const Segment& a = grid_.history()[segment_of(s)];
    const Segment& b = grid_.history()[segment_];
    return a.time == b.time && a.warp == b.warp && a.cta == b.cta && a.launch == b.launch &&
           !a.async && !b.async;
  }

  /// Adds this access to those that need no order among themselves.
  void add(Cell& c, Stamp mine, std::uint32_t first, std::uint32_t last) {
    const auto flags = static_cast<std::uint16_t>((c.others_access & Cell::strong_write) |
                                                  (writes_ ? Cell::strong_write : 0));
    const auto old_access = static_cast<std::uint16_t>(c.others_access & ~Cell::strong_write);
    c.others_access = static_cast<std::uint16_t>(number_ | flags);
    const bool was_set = (c.others & Cell::is_set) != 0;
    if (was_set && !cached_ && holds(c.others, mine, first, last)) return;
    const int rotation = was_set ? rotation_of(c.others) : lane_of(c.others);
    const std::uint32_t from =
        was_set ? Cell::is_set | (c.others & Cell::set_mask) : rotated(c.others, -rotation);
    const std::uint64_t key =
        std::uint64_t{from} << 32 | rotated(mine, -rotation) | (t_.global ? 1u << 31 : 0u);
    const bool alike = bulk_ || (cached_ && segment_ == w_.order.segment);
    const bool whole = alike && first == 0 && last == Shadow::word;
    const std::uint64_t hash = key * 0x9e3779b97f4a7c15u >> 59;
    WarpOrder::Transition& known = w_.order.transitions[hash];
    if (!whole || known.key != key || known.access != number_) {
      if (sets_.full()) return;  // this access goes unwatched
      const std::uint32_t next = joined_by(c.others, old_access, rotation, mine, first, last);
      known = {whole ? key : 0, number_, next};
      c.others = next == 0 ? mine : next;
    } else {
      c.others = known.others == 0 ? mine : known.others;
    }
    if ((c.others & Cell::is_set) != 0)
      c.others |= static_cast<std::uint32_t>(rotation) << Cell::rotation_shift;
  }

  /// What others become by an access: a set, whose rotation is the old one; the stamp of several
  /// lanes; or 0, where the access stands for all of them.
  std::uint32_t joined_by(std::uint32_t others, std::uint16_t old_access, int rotation, Stamp mine,
                          std::uint32_t first, std::uint32_t last) {
    std::uint32_t from = others & Cell::set_mask;
    if ((others & Cell::is_set) == 0) {
      Stamp replaced = mine;
      if (subsumes({0, others, old_access}, mine, first, last, &replaced))
        return replaced == mine ? 0 : replaced;
      from = sets_.with(0, rotated(others, -rotation), old_access, kind_in(old_access));
    }
    return Cell::is_set | extended(from, rotation, mine, first, last);
  }

  std::uint16_t kind_in(std::uint16_t access) const { return kind_bit(access_bits(grid_, access)); }

  /// Whether each thread of `s` is known to some thread of `mine`.
  bool follows(Stamp s, Stamp mine, std::uint32_t first, std::uint32_t last) {
    if (relation(segment_of(s)) == Relation::before) return true;
    for (std::uint32_t b = first; b < last; ++b) {
      for (LaneMask o = threads_at(s, b); o != 0; o &= o - 1) {
        bool known = false;
        for (LaneMask n = threads_at(mine, b); n != 0 && !known; n &= n - 1)
          known = knows(grid_, w_, std::countr_zero(n), segment_of(s), std::countr_zero(o));
        if (!known) return false;
      }
    }
    return true;
  }

  /// Whether a later access that races with `old` also races with `mine`, or with `*merged` of
  /// both.
  bool subsumes(const Member& old, Stamp mine, std::uint32_t first, std::uint32_t last,
                Stamp* merged) {
    // What an earlier launch did, whose kernel may be gone, races with nothing here.
    if (grid_.history()[segment_of(old.stamp)].launch != grid_.launch_number) return true;
    if (kind_of(access_bits(grid_, old.access)) != kind_of(now_.bits)) return false;
    if (old.stamp == mine) return true;
    if (follows(old.stamp, mine, first, last)) return true;
    if (!is_current(old.stamp) || !is_current(mine)) return false;
    *merged = both(old.stamp, mine);
    return true;
  }

  /// Whether the latest member of the set says as much: lanes that spin come again and again.
  bool holds(std::uint32_t others, Stamp mine, std::uint32_t first, std::uint32_t last) {
    const Member& m = sets_[others & Cell::set_mask];
    if (m.access != number_ || !is_current(m.stamp) || !is_current(mine)) return false;
    const Stamp theirs = rotated(m.stamp, rotation_of(others));
    for (std::uint32_t b = first; b < last; ++b)
      if ((threads_at(mine, b) & ~threads_at(theirs, b)) != 0) return false;
    return true;
  }

  std::uint32_t extended(std::uint32_t from, int rotation, Stamp mine, std::uint32_t first,
                         std::uint32_t last) {
    // A long set only grows: it is of what whole grids read.
    constexpr std::size_t most_compared = 64;
    std::vector<Member> kept;
    for (std::uint32_t at = from; at != 0; at = sets_[at].rest) {
      if (kept.size() == most_compared)
        return sets_.with(from, rotated(mine, -rotation), number_, kind_bit(now_.bits));
      Member m = sets_[at];
      m.stamp = rotated(m.stamp, rotation);
      kept.push_back(m);
    }
    std::uint32_t set = 0;
    for (auto m = kept.rbegin(); m != kept.rend(); ++m) {
      Stamp merged = mine;
      if (subsumes(*m, mine, first, last, &merged)) {
        mine = merged;
        continue;
      }
      set = sets_.with(set, rotated(m->stamp, -rotation), m->access, kind_in(m->access));
    }
    return sets_.with(set, rotated(mine, -rotation), number_, kind_bit(now_.bits));
  }

  void report(Stamp other, std::uint16_t access, bool other_writes, const RacingLanes& pair,
              std::uint64_t word) {
    if (w_.stop) return;
    report_race(w_, now_, other, access, other_writes, pair, word * Shadow::word);
  }

  Grid& grid_;
  WarpState& w_;
  const Target& t_;
  LaneMask lanes_;
  std::uint64_t size_;
  AccessSets& sets_;
  AccessNow now_;
  std::uint32_t segment_ = 0;
  std::uint16_t number_ = 0;
  Scope scope_ = Scope::weak;
  bool writes_ = false;
  bool copies_ = false;  ///< in flight: not even the thread itself orders two of them
  bool bulk_ = false;    ///< a copy by one lane: what holds for a word of it holds for the others
  bool cached_ = true;   ///< no lane knows more than its warp: what holds for one holds for all
  std::uint32_t last_segment_ = 0;
  Relation last_relation_ = Relation::unknown;
};

}  // namespace

void watch_access(WarpState& w, const Instruction& i, std::uint32_t access, LaneMask lanes,
                  const Target& t, int bytes, std::uint32_t segment) {
  if (t.shadow == nullptr || w.grid->history().full()) return;
  Watch(w, i, access, lanes, t, bytes).run(segment);
}

}  // namespace ptxmill::emu
