// The order of operations and the watch over memory, against plain definitions on random cases.
#include "emulator/driver/ordering.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "emulator/driver/stream_watch.hpp"

namespace ptxmill::emu::driver {
namespace {

using Past = std::set<OperationId>;

Past both(Past a, const Past& b) {
  a.insert(b.begin(), b.end());
  return a;
}

/// A chain beside the set of all that came before its next operation.
struct Stream {
  Chain chain;
  Past past;
};

/// An order that is given as sets.
class Given final : public OperationOrder {
 public:
  bool ordered_before(OperationId a, OperationId b) const override {
    return before.at(b).count(a) != 0;
  }
  bool same_chain(OperationId, OperationId) const override { return false; }
  std::map<OperationId, Past> before;
};

/// Compares the order of all pairs with the sets of what came before each.
void check(const Ordering& ordering, const std::map<OperationId, Past>& before) {
  for (const auto& later : before) {
    for (const auto& earlier : before) {
      const OperationId a = earlier.first, b = later.first;
      CAPTURE(a);
      CAPTURE(b);
      CHECK(ordering.ordered_before(a, b) == (later.second.count(a) != 0));
    }
  }
}

}  // namespace

TEST_CASE("operations are ordered where a path of streams, events and waits leads") {
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    Ordering ordering;
    std::vector<Stream> streams(4);
    std::vector<std::pair<Moment, Past>> events;
    Past host;
    std::map<OperationId, Past> before;
    for (int step = 0; step < 120; ++step) {
      Stream& s = streams[random() % streams.size()];
      switch (random() % 8) {
        case 0: events.emplace_back(Ordering::moment(s.chain), s.past); break;
        case 1:
          if (events.empty()) break;
          {
            const auto& [moment, past] = events[random() % events.size()];
            Ordering::wait(s.chain, moment);
            s.past = both(s.past, past);
          }
          break;
        case 2:
          if (random() % 8 != 0) break;
          ordering.host_waited(Ordering::moment(s.chain));
          host = both(host, s.past);
          break;
        default: {
          Ordering::wait(s.chain, ordering.host());
          s.past = both(s.past, host);
          const OperationId id = ordering.begin(s.chain);
          CHECK(id == ordering.current());
          before[id] = s.past;
          s.past.insert(id);
        }
      }
    }
    check(ordering, before);
  }
}

TEST_CASE("the nodes of a graph are ordered where edges lead, and with the rest of the stream") {
  std::mt19937 random(8);
  for (int round = 0; round < 30; ++round) {
    const std::size_t count = 1 + random() % 12;
    GraphRun::Dependencies edges(count);
    for (std::size_t n = 1; n < count; ++n)
      for (std::size_t d = 0; d < n; ++d)
        if (random() % 4 == 0) edges[n].push_back(d);
    const auto shared = std::make_shared<const GraphRun::Dependencies>(edges);
    Ordering ordering;
    Chain stream;
    std::deque<Chain> sides;
    Past past;
    std::map<OperationId, Past> before;
    for (int launch = 0; launch < 3; ++launch) {
      const OperationId ahead = ordering.begin(stream);
      before[ahead] = past;
      past.insert(ahead);
      GraphRun run(shared);
      std::vector<OperationId> nodes;
      for (std::size_t n = 0; n < count; ++n) {
        Chain& chain = run.begin_node(stream, sides);
        const OperationId id = ordering.begin(chain);
        before[id] = past;
        for (const std::size_t d : edges[n]) {
          before[id] = both(before[id], before[nodes[d]]);
          before[id].insert(nodes[d]);
        }
        nodes.push_back(id);
        run.end_node(stream, chain);
      }
      past.insert(nodes.begin(), nodes.end());
    }
    check(ordering, before);
  }
}

TEST_CASE("a graph has a branch for each fork") {
  using Branches = std::vector<std::size_t>;
  CHECK(GraphRun::branches({}).empty());
  CHECK(GraphRun::branches({{}, {0}, {1}}) == Branches{0, 0, 0});
  CHECK(GraphRun::branches({{}, {0}, {0}, {1, 2}}) == Branches{0, 0, 1, 0});
  CHECK(GraphRun::branches({{}, {}, {0}, {1}}) == Branches{0, 1, 0, 1});
}

TEST_CASE("long forgotten operations count as ordered") {
  Ordering ordering;
  Chain a, b;
  const OperationId first = ordering.begin(a);
  OperationId last = ordering.begin(b);
  CHECK_FALSE(ordering.ordered_before(first, last));
  for (int i = 0; i < 100000; ++i) last = ordering.begin(b);
  CHECK(ordering.ordered_before(first, last));
}

TEST_CASE("the watch finds the bytes that two operations share") {
  constexpr AccessKind kinds[] = {AccessKind::read, AccessKind::write, AccessKind::atomic};
  std::mt19937 random(9);
  for (int round = 0; round < 60; ++round) {
    Given order;
    StreamWatch watch(order);
    const DeviceAddress base = GlobalMemory::first_address + 4096 * (random() % 3);
    std::map<OperationId, std::map<DeviceAddress, std::set<AccessKind>>> touched;
    for (OperationId id = 1; id <= 6; ++id) {
      for (OperationId a = 1; a < id; ++a)
        if (random() % 2 == 0) order.before[id].insert(a);
      order.before[id];
      watch.begin(id, "operation " + std::to_string(id) + " ", StreamWatch::Start::launch);
      std::set<OperationId> named;
      for (int access = 0; access < 6; ++access) {
        const AccessKind kind = kinds[random() % 3];
        const std::size_t bytes = random() % 5 == 0 ? 5000 : 1 + random() % 200;
        const DeviceAddress at = base + random() % 40000;
        std::set<OperationId> expected;
        for (OperationId a = 1; a < id; ++a) {
          if (order.ordered_before(a, id) || named.count(a) != 0) continue;
          for (const auto& [byte, with] : touched[a]) {
            if (byte < at || byte >= at + bytes) continue;
            for (const AccessKind k : with)
              if (k != kind || k == AccessKind::write) expected.insert(a);
          }
        }
        const std::string found = watch.touch(at, bytes, kind, false);
        INFO(found);
        CHECK(found.empty() == expected.empty());
        for (const OperationId a : expected) {
          if (found.find(", which operation " + std::to_string(a) + " ") == found.npos) continue;
          named.insert(a);
          expected = {};
          break;
        }
        CHECK(expected.empty());
        for (std::size_t k = 0; k < bytes; ++k) touched[id][at + k].insert(kind);
      }
    }
  }
}

}  // namespace ptxmill::emu::driver
