// Which registers a wgmma still works on. ptxas does not report every use of one, so the builder
// refuses them all.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "generator/ptx/where.hpp"

namespace ptxmill::ptx {

/// Follows products from their issue to the wait that covers them, along the recorded lines, and
/// once more around each loop.
class InFlight {
 public:
  using Register = int;

  /// A product that adds to `sums`. They may be those of a product in flight: products of one shape
  /// follow each other.
  void issue(const std::vector<Register>& sums, Where where);
  void commit();
  /// Waits until at most `groups` committed groups are in flight.
  void wait(int groups);
  /// An ordinary instruction reads or writes the register. Returns where the product in flight that
  /// has it was issued, or null.
  const Where* touch(Register id, Where where);

  void open_loop();
  /// What the loop's second round touches of what its first left in flight.
  struct Conflict {
    Register id;
    Where touched, issued;
  };
  std::vector<Conflict> close_loop();

 private:
  using Group = std::map<Register, Where>;
  struct State {
    Group open;                ///< not committed yet
    std::deque<Group> groups;  ///< oldest first
    const Where* find(Register id) const;
    void wait(int count);
    void commit();
  };
  struct Event {
    enum class Kind { issue, commit, wait, touch } kind;
    std::vector<Register> registers;
    int groups = 0;
    Where where;
  };
  void note(const Event& event);

  State state_;
  std::vector<std::vector<Event>> loops_;
};

}  // namespace ptxmill::ptx
