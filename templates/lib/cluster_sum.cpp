#include "templates/lib/cluster_sum.hpp"

namespace ptxmill::kernels {
namespace {

constexpr int warpgroup_threads = 128;
/// Accumulators that a thread moves at once.
constexpr int vector = 4;
constexpr int vector_bytes = 16;

}  // namespace

ClusterSum::ClusterSum(Emitter& k, int ctas, int warpgroups, int accumulators, int panel)
    : k_(k),
      ctas_(ctas),
      warpgroups_(warpgroups),
      accumulators_(accumulators),
      panel_(panel),
      partial_(k.shared<ptx::f32>(
          "partial", std::int64_t{warpgroups} * (ctas - 1) * owned() * panel * warpgroup_threads)),
      arrived_(k.shared<ptx::b64>("partial_arrived", 1, 8)) {}

void ClusterSum::init() const { k_.mbarrier_init(arrived_, warpgroups_); }

void ClusterSum::if_owner(const std::string& name, const U32& rank, int panel,
                          const std::function<void()>& body) const {
  k_.if_(name + std::to_string(panel), rank == static_cast<std::uint32_t>(owner(panel)), body);
}

U32 ClusterSum::place(const U32& thread_place, const In<ptx::u32>& slot, int panel) const {
  const int panel_bytes = panel_ * warpgroup_threads * 4;
  const int offset = panel / ctas_ * panel_bytes;
  if (slot.is_literal())
    return thread_place + static_cast<int>(slot.operand.integer) * owned() * panel_bytes + offset;
  return k_.mad_lo(U32(*slot.recorder, slot.operand.reg), owned() * panel_bytes, thread_place) +
         offset;
}

/// To the owner's shared memory, into the part for this CTA: the owner has none of its own.
void ClusterSum::send(const std::vector<Var<ptx::f32>>& sums, const U32& rank, const U32& at,
                      int panel) {
  const auto to = static_cast<std::uint32_t>(owner(panel));
  const Pred is_later = rank > to;
  const U32 slot = k_.selp(rank - 1, rank, is_later);
  const U32 here = place(at, slot, panel);
  const U32 there = k_.assume_multiple(k_.mapa(here, to), vector_bytes);
  const U32 arrived_here = k_.mov_address(arrived_);
  const U32 arrived_there = k_.assume_multiple(k_.mapa(arrived_here, to), 8);
  const SharedPtr<ptx::f32> first(k_.recorder, partial_.array(), there.id(), 0);
  for (int i = 0; i < panel_; i += vector) {
    const auto s = static_cast<std::size_t>(panel * panel_ + i);
    k_.st_async_v4(first + i * warpgroup_threads,
                   std::array<F32, 4>{k_.present(sums[s]), k_.present(sums[s + 1]),
                                      k_.present(sums[s + 2]), k_.present(sums[s + 3])},
                   arrived_there);
  }
}

void ClusterSum::receive(std::vector<Var<ptx::f32>>& sums, const U32& at, int panel) {
  for (int i = 0; i < panel_; i += vector) {
    std::vector<std::array<F32, 4>> parts;
    for (int slot = 0; slot < ctas_ - 1; ++slot) {
      const U32 here = k_.assume_multiple(place(at, slot, panel), vector_bytes);
      const SharedPtr<ptx::f32> first(k_.recorder, partial_.array(), here.id(), 0);
      parts.push_back(k_.load<4>(first + i * warpgroup_threads));
    }
    for (int j : unroll(vector)) {
      Var<ptx::f32>& sum = sums[static_cast<std::size_t>(panel * panel_ + i + j)];
      // In the order of ranks, whoever owns the panel.
      std::vector<F32> terms;
      for (int slot = 0; slot < ctas_ - 1; ++slot) terms.push_back(parts[slot][j]);
      terms.insert(terms.begin() + owner(panel), k_.present(sum));
      F32 total = terms[0] + terms[1];
      for (std::size_t t = 2; t < terms.size(); ++t) total = total + terms[t];
      sum = std::move(total);
    }
  }
}

/// One thread says how many bytes come for the panels that the CTA owns.
void ClusterSum::expect(const U32& rank) {
  const int of_panel = (ctas_ - 1) * panel_ * warpgroup_threads * 4;
  const U32 own = (panels() + ctas_ - 1 - rank) / static_cast<std::uint32_t>(ctas_);
  const U32 bytes = own * of_panel;
  const Pred expects = k_.tid_x() % warpgroup_threads == 0;
  k_.guard(expects, [&] { k_.mbarrier_arrive_expect_tx(arrived_, bytes); });
}

void ClusterSum::add(std::vector<Var<ptx::f32>>& sums, const U32& rank, const U32& warpgroup) {
  const int space = (ctas_ - 1) * owned() * panel_ * warpgroup_threads * 4;
  const U32 in_warpgroup = k_.tid_x() % warpgroup_threads;
  const U32 start = k_.mov_address(partial_);
  const U32 at = k_.let("partial_at",
                        k_.mad_lo(warpgroup, space, k_.mad_lo(in_warpgroup, vector_bytes, start)));
  for (int panel : unroll(panels()))
    k_.if_("others_panel" + std::to_string(panel), rank != static_cast<std::uint32_t>(owner(panel)),
           [&] {
             k_.phase("send panel " + std::to_string(panel) + " to its owner",
                      [&] { send(sums, rank, at, panel); });
           });
  k_.phase("wait for what others send", [&] {
    expect(rank);
    k_.wait_cluster("partials", arrived_, 0);
  });
  for (int panel : unroll(panels()))
    if_owner("own_panel", rank, panel, [&] {
      k_.phase("add up panel " + std::to_string(panel), [&] { receive(sums, at, panel); });
    });
}

}  // namespace ptxmill::kernels
