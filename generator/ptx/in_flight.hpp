// Which registers a wgmma still works on. ptxas does not report every use of one, so the builder
// refuses them all.
#pragma once

#include <cstdint>
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

  /// What a register is to an instruction. Products may follow each other on the same sums, and
  /// take the same factors.
  enum class Part : std::uint8_t { ordinary, sum, factor };
  /// A product that has the registers as its sums, or as the matrix that it reads.
  void issue(const std::vector<Register>& registers, Part part, Where where);
  void commit();
  /// Waits until at most `groups` committed groups are in flight.
  void wait(int groups);
  /// An instruction has the register as that part. Returns where a product in flight was issued
  /// that has it as another, or null.
  const Where* touch(Register id, Part part, Where where);

  void open_loop();
  /// What the loop's second round touches of what its first left in flight.
  struct Conflict {
    Register id;
    Where touched, issued;
  };
  std::vector<Conflict> close_loop();

 private:
  struct Use {
    Part part;
    Where where;
  };
  using Group = std::map<Register, Use>;
  struct State {
    Group open;                ///< not committed yet
    std::deque<Group> groups;  ///< oldest first
    const Where* find(Register id, Part part) const;
    void wait(int count);
    void commit();
  };
  struct Event {
    enum class Kind { issue, commit, wait, touch } kind;
    std::vector<Register> registers;
    int groups = 0;
    Where where;
    Part part = Part::ordinary;
  };
  void note(const Event& event);

  State state_;
  std::vector<std::vector<Event>> loops_;
};

}  // namespace ptxmill::ptx
