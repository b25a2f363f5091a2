// A matrix of 16-bit weights times one vector, at the rate of memory: each thread's copies of
// weights pass through places of its own in shared memory (thread_ring.hpp).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "templates/lib/epilogue.hpp"
#include "templates/lib/thread_ring.hpp"

namespace ptxmill::kernels {

/// How a CTA divides rows of weights. `split` warps share the k of a row; they take `rows` rows at
/// a time, and a thread has `loads` copies of each of them in flight.
struct RowStream {
  int block, split, rows, loads;

  /// With a choice by the product's extents for each that is 0, and for at least `least` rows.
  static RowStream chosen(RowStream wanted, const Dim& n, const Dim& k, int least = 1);
  int teams() const { return block / 32 / split; }
  int rows_per_cta() const { return teams() * rows; }
  /// Elements that a team's threads take of a row in one access.
  int apart() const { return 32 * split * 8; }
  int shared_bytes() const { return block * rows * loads * 16; }
  /// As Template::division().
  std::vector<std::pair<std::string, std::string>> division() const;
};

/// A kernel that streams: the sums over k of w[row, k] x[k], of which each element of the result
/// takes one, or those of a row and of its gate.
class RowStreamBody {
 public:
  /// Called by one thread for each element, with its number and its sums.
  using Store = std::function<void(const U32& element, const std::vector<F32>& sums)>;

  RowStreamBody(Emitter& k, const RowStream& plan, const EpilogueFields& epilogue, const Extent& n,
                const Extent& depth)
      : k_(k), plan_(plan), epilogue_(epilogue), n_(n), depth_(depth) {}
  /// `before_vector` is emitted between the first requests for weights and the first access to
  /// anything else.
  void emit(const ElementPtr& w, const ElementPtr& x, const std::function<void()>& before_vector,
            const Store& store);

 private:
  void locate(const ElementPtr& w, const ElementPtr& x);
  void request_first();
  void sum_rows();
  void request(const ThreadRing::Place& stage, const Extent& at, int ahead);
  void load_x(const Extent& at, int ahead);
  void multiply(const ThreadRing::Place& stage);
  void store_own_rows(const Store& store);
  void store_shared_rows(const Store& store);
  F32 sum_of_lanes(int row) const;
  /// Whether the place `ahead` elements after the thread's at `at` lies in the row; none: always.
  std::optional<Pred> inside(const Extent& at, int ahead) const;
  /// Whether every row that a team takes exists.
  bool rows_are_whole() const { return n_.is_static() && n_.get() % plan_.rows_per_cta() == 0; }
  bool columns_are_whole() const { return depth_.is_static() && depth_.get() % plan_.apart() == 0; }
  /// Whether the ring holds whole rows.
  bool fits() const { return depth_.is_static() && depth_.get() <= plan_.apart() * plan_.loads; }

  /// Elements that a team takes at a time.
  int elements() const { return plan_.rows / epilogue_.sums(); }

  Emitter& k_;
  RowStream plan_;
  const EpilogueFields& epilogue_;
  Extent n_, depth_;
  std::optional<U32> tid_, own_, first_row_;
  std::vector<ElementPtr> w_at_;
  std::optional<ElementPtr> x_at_;
  std::optional<ThreadRing> ring_;
  std::vector<Var<ptx::b32>> x_;                  ///< of the vector, what comes next
  std::vector<std::vector<Var<ptx::f32>>> sums_;  ///< of each row, several that are added last
};

}  // namespace ptxmill::kernels
