#include "emulator/driver/ordering.hpp"

#include <algorithm>

namespace ptxmill::emu::driver {
namespace {

std::uint64_t known(const Moment& m, std::uint32_t chain) {
  return m && chain < m->size() ? (*m)[chain] : 0;
}

/// Whether all of `part` is in `whole`.
bool contains(const Moment& whole, const Moment& part) {
  if (whole == part || !part) return true;
  for (std::uint32_t c = 0; c < part->size(); ++c)
    if ((*part)[c] > known(whole, c)) return false;
  return true;
}

}  // namespace

Moment join(const Moment& a, const Moment& b) {
  if (contains(a, b)) return a;
  if (contains(b, a)) return b;
  auto both = std::make_shared<Clock>(std::max(a->size(), b->size()));
  for (std::uint32_t c = 0; c < both->size(); ++c) (*both)[c] = std::max(known(a, c), known(b, c));
  return both;
}

OperationId Ordering::begin(Chain& chain) {
  if (chain.number == 0) chain.number = ++chains_;
  operations_.push_back({chain.number, ++chain.time, chain.after});
  if (operations_.size() > most_remembered) {
    operations_.pop_front();
    ++first_;
  }
  return current();
}

Moment Ordering::moment(const Chain& chain) {
  if (chain.time == 0 || known(chain.after, chain.number) >= chain.time) return chain.after;
  auto now = chain.after ? std::make_shared<Clock>(*chain.after) : std::make_shared<Clock>();
  if (now->size() <= chain.number) now->resize(chain.number + 1);
  (*now)[chain.number] = chain.time;
  return now;
}

bool Ordering::ordered_before(OperationId a, OperationId b) const {
  if (a < first_ || b < first_) return a < b;
  const Operation& x = operations_.at(a - first_);
  const Operation& y = operations_.at(b - first_);
  return x.chain == y.chain ? x.time < y.time : known(y.after, x.chain) >= x.time;
}

bool Ordering::same_chain(OperationId a, OperationId b) const {
  if (a < first_ || b < first_) return false;
  return operations_.at(a - first_).chain == operations_.at(b - first_).chain;
}

bool Ordering::host_knows(OperationId id) const {
  if (id < first_) return true;
  const Operation& x = operations_.at(id - first_);
  return known(host_, x.chain) >= x.time;
}

GraphRun::GraphRun(std::shared_ptr<const Dependencies> dependencies)
    : dependencies_(std::move(dependencies)), branches_(branches(*dependencies_)) {}

std::vector<std::size_t> GraphRun::branches(const Dependencies& dependencies) {
  constexpr std::size_t nobody = ~std::size_t{0};
  std::vector<std::size_t> last;  // node of each branch
  std::vector<std::size_t> branch_of;
  for (std::size_t node = 0; node < dependencies.size(); ++node) {
    std::size_t branch = nobody;
    for (const std::size_t d : dependencies[node])
      if (branch == nobody && last[branch_of[d]] == d) branch = branch_of[d];
    if (branch == nobody) {
      branch = last.size();
      last.push_back(node);
    }
    last[branch] = node;
    branch_of.push_back(branch);
  }
  return branch_of;
}

Chain& GraphRun::begin_node(Chain& chain, std::deque<Chain>& sides) {
  const std::size_t node = done_.size();
  if (node == 0) start_ = Ordering::moment(chain);
  const std::size_t branch = branches_[node];
  if (sides.size() < branch) sides.resize(branch);
  Chain& own = branch == 0 ? chain : sides[branch - 1];
  Ordering::wait(own, start_);
  for (const std::size_t d : (*dependencies_)[node]) Ordering::wait(own, done_[d]);
  return own;
}

void GraphRun::end_node(Chain& chain, const Chain& node) {
  done_.push_back(Ordering::moment(node));
  if (done_.size() < dependencies_->size()) return;
  for (const Moment& m : done_) Ordering::wait(chain, m);
}

}  // namespace ptxmill::emu::driver
