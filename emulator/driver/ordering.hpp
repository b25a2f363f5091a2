// Which operations are ordered: vector clocks over chains of operations. A stream is a chain; so is
// each further branch of a graph that runs in it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "emulator/operation_order.hpp"

namespace ptxmill::emu::driver {

/// How many operations of each chain came before. Null: none of any.
using Clock = std::vector<std::uint64_t>;
using Moment = std::shared_ptr<const Clock>;

/// What comes after both.
Moment join(const Moment& a, const Moment& b);

/// How far a chain has come.
struct Chain {
  std::uint32_t number = 0;  ///< 0: none yet
  std::uint64_t time = 0;    ///< operations begun
  Moment after;              ///< what the next operation comes after, besides those of the chain
};

class Ordering final : public OperationOrder {
 public:
  /// The next operation of the chain begins.
  OperationId begin(Chain& chain);
  /// The latest operation of the chain, and all before it.
  static Moment moment(const Chain& chain);
  /// The operations of the chain from the current one on come after `m`.
  static void wait(Chain& chain, const Moment& m) { chain.after = join(chain.after, m); }

  /// What all that is submitted from now on comes after: what some thread of the host has waited
  /// for. How threads of the host wait for one another is not known; they count as one.
  const Moment& host() const { return host_; }
  void host_waited(const Moment& m) { host_ = join(host_, m); }

  /// The operation that began last.
  OperationId current() const { return first_ + operations_.size() - 1; }
  bool ordered_before(OperationId a, OperationId b) const override;
  bool same_chain(OperationId a, OperationId b) const override;
  /// Whether the host has waited for the operation: all that is submitted from now on comes after.
  bool host_knows(OperationId id) const;

 private:
  struct Operation {
    std::uint32_t chain;
    std::uint64_t time;
    Moment after;
  };
  static constexpr std::size_t most_remembered = std::size_t{1} << 16;

  std::uint32_t chains_ = 0;
  OperationId first_ = 1;  ///< the id of operations_.front()
  std::deque<Operation> operations_;
  Moment host_;
};

/// One launch of a graph in a stream.
class GraphRun {
 public:
  using Dependencies = std::vector<std::vector<std::size_t>>;  ///< of each node, on earlier ones

  explicit GraphRun(std::shared_ptr<const Dependencies> dependencies);

  /// The branch that each node belongs to: along a branch each node depends on the one before.
  static std::vector<std::size_t> branches(const Dependencies& dependencies);

  /// The chain in which the next node runs, told what it comes after. Branch 0 runs in `chain`, the
  /// stream's; `sides` are the stream's chains for the others.
  Chain& begin_node(Chain& chain, std::deque<Chain>& sides);
  /// The node has run. After the last one the stream comes after all of them.
  void end_node(Chain& chain, const Chain& node);

 private:
  std::shared_ptr<const Dependencies> dependencies_;
  std::vector<std::size_t> branches_;
  Moment start_;
  std::vector<Moment> done_;  ///< by node
};

}  // namespace ptxmill::emu::driver
