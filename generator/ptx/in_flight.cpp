#include "generator/ptx/in_flight.hpp"

#include <utility>

namespace ptxmill::ptx {

const Where* InFlight::State::find(Register id) const {
  if (const auto it = open.find(id); it != open.end()) return &it->second;
  for (const Group& g : groups)
    if (const auto it = g.find(id); it != g.end()) return &it->second;
  return nullptr;
}

void InFlight::State::wait(int count) {
  while (static_cast<int>(groups.size()) > count) groups.pop_front();
}

void InFlight::State::commit() { groups.push_back(std::exchange(open, {})); }

void InFlight::note(const Event& event) {
  for (std::vector<Event>& loop : loops_) loop.push_back(event);
}

void InFlight::issue(const std::vector<Register>& sums, Where where) {
  for (const Register id : sums) state_.open.insert_or_assign(id, where);
  note({Event::Kind::issue, sums, 0, where});
}

void InFlight::commit() {
  state_.commit();
  note({Event::Kind::commit, {}, 0, {}});
}

void InFlight::wait(int groups) {
  state_.wait(groups);
  note({Event::Kind::wait, {}, groups, {}});
}

const Where* InFlight::touch(Register id, Where where) {
  if (!loops_.empty()) note({Event::Kind::touch, {id}, 0, where});
  return state_.find(id);
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
        for (const Register id : e.registers) again.open.insert_or_assign(id, e.where);
        break;
      case Event::Kind::commit: again.commit(); break;
      case Event::Kind::wait: again.wait(e.groups); break;
      case Event::Kind::touch:
        if (const Where* issued = again.find(e.registers[0]))
          conflicts.push_back({e.registers[0], e.where, *issued});
        break;
    }
  }
  return conflicts;
}

}  // namespace ptxmill::ptx
