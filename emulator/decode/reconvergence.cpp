#include "emulator/decode/reconvergence.hpp"

#include <algorithm>
#include <vector>

namespace ptxmill::emu {
namespace {

using Block = std::uint32_t;
constexpr Block none = 0xffffffffu;

/// The control flow graph of a kernel. The virtual exit is the block after the last.
class Graph {
 public:
  explicit Graph(const Kernel& kernel) : kernel_(kernel) {
    find_blocks();
    connect();
  }

  Block exit() const { return static_cast<Block>(starts_.size()); }
  Block block_of(std::size_t pc) const { return block_of_[pc]; }
  std::uint32_t start(Block b) const { return starts_[b]; }
  const std::vector<Block>& successors(Block b) const { return successors_[b]; }
  const std::vector<Block>& predecessors(Block b) const { return predecessors_[b]; }

 private:
  static bool ends_block(const Instruction& i) {
    return i.kind == Kind::branch || i.kind == Kind::branch_table || i.kind == Kind::exit ||
           i.kind == Kind::trap || i.kind == Kind::ret;
  }

  void find_blocks() {
    const std::size_t n = kernel_.code.size();
    std::vector<bool> leads(n + 1, false);
    leads[0] = true;
    for (std::size_t pc = 0; pc < n; ++pc) {
      const Instruction& i = kernel_.code[pc];
      if (!ends_block(i)) continue;
      leads[pc + 1] = true;
      if (i.kind == Kind::branch) leads[i.aux] = true;
      if (i.kind == Kind::branch_table) {
        for (const std::uint32_t target : kernel_.tables[i.aux]) leads[target] = true;
      }
    }
    block_of_.resize(n);
    for (std::size_t pc = 0; pc < n; ++pc) {
      if (leads[pc]) starts_.push_back(static_cast<std::uint32_t>(pc));
      block_of_[pc] = static_cast<Block>(starts_.size() - 1);
    }
  }

  void connect() {
    successors_.resize(starts_.size() + 1);
    predecessors_.resize(starts_.size() + 1);
    for (Block b = 0; b < exit(); ++b) {
      const std::size_t last = (b + 1 < exit() ? starts_[b + 1] : kernel_.code.size()) - 1;
      const Instruction& i = kernel_.code[last];
      if (i.kind == Kind::branch) link(b, block_of_[i.aux]);
      if (i.kind == Kind::branch_table) link_all(b, kernel_.tables[i.aux]);
      if (i.kind == Kind::exit || i.kind == Kind::trap || i.kind == Kind::ret) link(b, exit());
      if (!ends_block(i) || i.guarded) link(b, b + 1);  // the last block has an unguarded exit
    }
  }

  void link_all(Block from, const std::vector<std::uint32_t>& targets) {
    std::vector<Block> to;
    for (const std::uint32_t target : targets) to.push_back(block_of_[target]);
    std::sort(to.begin(), to.end());
    to.erase(std::unique(to.begin(), to.end()), to.end());
    for (const Block t : to) predecessors_[t].push_back(from);
    successors_[from] = std::move(to);
  }

  void link(Block from, Block to) {
    std::vector<Block>& next = successors_[from];
    if (std::find(next.begin(), next.end(), to) != next.end()) return;
    next.push_back(to);
    predecessors_[to].push_back(from);
  }

  const Kernel& kernel_;
  std::vector<std::uint32_t> starts_;
  std::vector<Block> block_of_;
  std::vector<std::vector<Block>> successors_, predecessors_;
};

/// Immediate post-dominators: dominators of the reversed graph from its exit.
class PostDominators {
 public:
  explicit PostDominators(const Graph& g) : order_(g.exit() + 1, 0), parent_(g.exit() + 1, none) {
    const std::vector<Block> postorder = reverse_postorder(g);
    parent_[g.exit()] = g.exit();
    for (bool changed = true; changed;) {
      changed = false;
      for (auto it = postorder.rbegin(); it != postorder.rend(); ++it) {
        if (*it == g.exit()) continue;
        Block next = none;
        for (const Block s : g.successors(*it)) {
          if (parent_[s] == none) continue;
          next = next == none ? s : intersect(next, s);
        }
        if (next != parent_[*it]) {
          parent_[*it] = next;
          changed = true;
        }
      }
    }
  }

  /// `none` for a block from which the exit cannot be reached.
  Block operator[](Block b) const { return parent_[b]; }

 private:
  /// Postorder of the walk from the exit against the edges; sets `order_`.
  std::vector<Block> reverse_postorder(const Graph& g) {
    struct Visit {
      Block block;
      std::size_t next;
    };
    std::vector<Block> postorder;
    std::vector<bool> seen(g.exit() + 1, false);
    std::vector<Visit> stack{{g.exit(), 0}};
    seen[g.exit()] = true;
    while (!stack.empty()) {
      Visit& v = stack.back();
      const std::vector<Block>& edges = g.predecessors(v.block);
      if (v.next == edges.size()) {
        order_[v.block] = static_cast<std::uint32_t>(postorder.size());
        postorder.push_back(v.block);
        stack.pop_back();
      } else {
        const Block p = edges[v.next++];
        if (!seen[p]) {
          seen[p] = true;
          stack.push_back({p, 0});
        }
      }
    }
    return postorder;
  }

  Block intersect(Block a, Block b) const {
    while (a != b) {
      while (order_[a] < order_[b]) a = parent_[a];
      while (order_[b] < order_[a]) b = parent_[b];
    }
    return a;
  }

  std::vector<std::uint32_t> order_;
  std::vector<Block> parent_;
};

}  // namespace

void set_reconvergence(Kernel& kernel) {
  const Graph graph(kernel);
  const PostDominators parents(graph);
  for (std::size_t pc = 0; pc < kernel.code.size(); ++pc) {
    Instruction& i = kernel.code[pc];
    if (i.kind != Kind::branch && i.kind != Kind::branch_table) continue;
    const Block p = parents[graph.block_of(pc)];
    i.imm = p == none || p == graph.exit() ? no_pc : static_cast<std::int64_t>(graph.start(p));
  }
}

}  // namespace ptxmill::emu
