#include "generator/ptx/in_flight.hpp"

#include <utility>

namespace ptxmill::ptx {

const Where* InFlight::State::find(Register id, Part part) const {
  const auto in = [&](const Group& g) -> const Where* {
    const auto it = g.find(id);
    const bool shared = it != g.end() && part != Part::ordinary && it->second.part == part;
    return it == g.end() || shared ? nullptr : &it->second.where;
  };
  if (const Where* issued = in(open)) return issued;
  for (const Group& g : groups)
    if (const Where* issued = in(g)) return issued;
  return nullptr;
}

void InFlight::State::wait(int count) {
  while (static_cast<int>(groups.size()) > count) groups.pop_front();
}

void InFlight::State::commit() { groups.push_back(std::exchange(open, {})); }

void InFlight::note(const Event& event) {
  for (std::vector<Event>& loop : loops_) loop.push_back(event);
}

void InFlight::issue(const std::vector<Register>& registers, Part part, Where where) {
  for (const Register id : registers) state_.open.insert_or_assign(id, Use{part, where});
  note({Event::Kind::issue, registers, 0, where, part});
}

void InFlight::commit() {
  state_.commit();
  note({Event::Kind::commit, {}, 0, {}});
}

void InFlight::wait(int groups) {
  state_.wait(groups);
  note({Event::Kind::wait, {}, groups, {}});
}

const Where* InFlight::touch(Register id, Part part, Where where) {
  if (!loops_.empty()) note({Event::Kind::touch, {id}, 0, where, part});
  return state_.find(id, part);
}

void InFlight::open_loop() { loops_.emplace_back(); }

std::vector<InFlight::Conflict> InFlight::close_loop() {
  const std::vector<Event> events = std::move(loops_.back());
  loops_.pop_back();
  std::vector<Conflict> conflicts;
  State again = state_;
  for (const Event& e : events) {
    switch (e.kind) {
      case Event::Kind::issue:
        for (const Register id : e.registers) again.open.insert_or_assign(id, Use{e.part, e.where});
        break;
      case Event::Kind::commit: again.commit(); break;
      case Event::Kind::wait: again.wait(e.groups); break;
      case Event::Kind::touch:
        if (const Where* issued = again.find(e.registers[0], e.part))
          conflicts.push_back({e.registers[0], e.where, *issued});
        break;
    }
  }
  return conflicts;
}

}  // namespace ptxmill::ptx
