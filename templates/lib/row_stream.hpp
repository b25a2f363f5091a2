// A matrix of 16-bit weights times one vector, at the rate of memory. Each thread has its own ring
// in shared memory, which asynchronous copies keep full: ptxas moves plain loads to where their
// values are used, until few are in flight.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// How a CTA divides rows of weights. `split` warps share the k of a row; they take `rows` rows at
/// a time, and a thread has `loads` copies of each of them in flight.
struct RowStream {
  int block, split, rows, loads;

  /// With a choice by the product's extents for each that is 0.
  static RowStream chosen(RowStream wanted, const Dim& n, const Dim& k);
  int teams() const { return block / 32 / split; }
  int rows_per_cta() const { return teams() * rows; }
  /// Elements that a team's threads take of a row in one access.
  int apart() const { return 32 * split * 8; }
  int shared_bytes() const { return block * rows * loads * 16; }
  /// As Template::division().
  std::vector<std::pair<std::string, std::string>> division() const;
};

/// A kernel that streams: out[row] = sum of w[row, k] x[k].
class RowStreamBody {
 public:
  /// Called by one thread for each row, with the row and its sum.
  using Store = std::function<void(const U32& row, const F32& sum)>;

  RowStreamBody(Emitter& k, const RowStream& plan, const Extent& n, const Extent& depth)
      : k_(k), plan_(plan), n_(n), depth_(depth) {}
  /// `before_vector` is emitted between the first requests for weights and the first access to
  /// anything else.
  void emit(const ElementPtr& w, const ElementPtr& x, const std::function<void()>& before_vector,
            const Store& store);

 private:
  using Shared = SharedPtr<ptx::b32>;
  void locate(const ElementPtr& w, const ElementPtr& x);
  void request_first();
  void sum_rows();
  void request(const Shared& place, const Extent& at, int ahead);
  void load_x(const Extent& at, int ahead);
  void multiply(const Shared& place);
  void store_own_rows(const Store& store);
  void store_shared_rows(const Store& store);
  F32 sum_of_lanes(int row) const;
  /// Whether the place `ahead` elements after the thread's at `at` lies in the row; none: always.
  std::optional<Pred> inside(const Extent& at, int ahead) const;
  void where(const std::optional<Pred>& p, const std::function<void()>& body);
  /// Whether every row that a team takes exists.
  bool rows_are_whole() const { return n_.is_static() && n_.get() % plan_.rows_per_cta() == 0; }
  bool columns_are_whole() const { return depth_.is_static() && depth_.get() % plan_.apart() == 0; }
  /// Whether the ring holds whole rows.
  bool fits() const { return depth_.is_static() && depth_.get() <= plan_.apart() * plan_.loads; }

  Emitter& k_;
  RowStream plan_;
  Extent n_, depth_;
  std::optional<U32> tid_, own_, first_row_;
  std::vector<ElementPtr> w_at_;
  std::optional<ElementPtr> x_at_;
  std::optional<Shared> ring_;                    ///< the thread's first place
  std::vector<Var<ptx::b32>> x_;                  ///< of the vector, what comes next
  std::vector<std::vector<Var<ptx::f32>>> sums_;  ///< of each row, several that are added last
};

}  // namespace ptxmill::kernels
