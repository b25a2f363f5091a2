// gemm of few rows of 16-bit elements, at the rate at which memory gives the weights. As in gemv
// (lib/row_stream.hpp) each thread copies its own weights through its own places in shared memory,
// and no barrier stands in the loop; but the tensor cores multiply them, 16 features of w by 8 rows
// of a in one instruction, so that more rows cost no more bytes.
//
// The order of k within a product is free where both operands have the same: a lane takes eight
// neighbouring elements of a row, 16 bytes, and gives them to two products as if they were those
// that the fragments' layout asks for. So nothing is exchanged between lanes, by ldmatrix or
// otherwise. Neighbouring CTAs, of which several fit an SM, begin and end at different times, and
// keep memory busy.
#include "templates/gemm_stream.hpp"

#include <array>

#include "templates/lib/access.hpp"
#include "templates/lib/stream_store.hpp"
#include "templates/lib/thread_ring.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::B32;
using Place = ThreadRing::Place;

constexpr int words = ThreadRing::words;
/// Elements of an access, and of what the four lanes of a row take of it at once.
constexpr int vector = 8, of_quad = 4 * vector;
/// Accesses to a row in one round: together 128 bytes, a line.
constexpr int accesses = 2;
constexpr int mma_features = 16, mma_rows = 8;

/// One kernel: what its phases share.
class Body {
 public:
  Body(Emitter& k, const GemmProblem& problem, const StreamTile& tile);
  void emit(const StreamStart& start);

 private:
  /// The weights of one round: for each of a thread's features, its accesses.
  using Weights = std::vector<std::vector<std::array<B32, words>>>;

  void locate();
  void locate_operand(const std::string& name, const ElementPtr& base, const Extent& extent,
                      const U32& first, int count, bool is_whole, std::vector<ElementPtr>& lines);
  void request_first();
  void request_early(int round);
  void request(const Place& stage, const std::vector<ElementPtr>& w, int ahead, int access);
  void load_x(const std::vector<ElementPtr>& x, int ahead, int round, int access);
  void load_first_x();
  void multiply_rounds();
  void multiply_round(const U32& at, int round);
  Weights read(const Place& stage);
  void multiply(const Weights& weights, int round);
  /// Whether an access of the first round lies in the row; none: always.
  std::optional<Pred> inside(int access);

  int features() const { return tile_.features / mma_rows; }  ///< of a thread
  int row_groups() const { return tile_.rows / mma_rows; }
  /// Elements of k that a team's warps take in one round.
  int apart() const { return of_quad * accesses * tile_.split; }
  /// Whether the spec leaves k so short that there is no such round.
  bool is_known_beyond(int round) const {
    return whole_.is_static() && whole_.get() <= round * apart();
  }
  /// Whether the ring holds whole rows of w.
  bool fits() const { return is_known_beyond(tile_.rounds); }

  Emitter& k_;
  const GemmProblem& problem_;
  StreamTile tile_;
  // k is counted with zeros before its first element, as many as make whole rounds: only the first
  // round is masked.
  Extent whole_, padding_;
  U32 tid_;
  std::optional<U32> own_k_, first_row_, first_feature_;  ///< of the thread; CTA; team
  std::vector<ElementPtr> w_lines_, x_lines_;  ///< the thread's features and rows, at its own k
  std::optional<ThreadRing> ring_;
  /// Of some rounds: [round][8 rows][access][word].
  std::vector<std::vector<std::vector<std::vector<Var<ptx::b32>>>>> x_;
  StreamSums sums_;
};

Body::Body(Emitter& k, const GemmProblem& problem, const StreamTile& tile)
    : k_(k),
      problem_(problem),
      tile_(tile),
      whole_(k.let("whole_k", ceil_div(problem.k, apart()) * apart())),
      padding_(k.let("padding", whole_ - problem.k)),
      tid_(k.let("tid", k.tid_x())) {}

std::optional<Pred> Body::inside(int access) {
  if (padding_.is(0)) return std::nullopt;
  return *own_k_ + access * of_quad >= padding_;
}

/// The lines of the thread's features or rows: every eighth from its own on. Lines beyond the last
/// compute that one again, and are not stored.
void Body::locate_operand(const std::string& name, const ElementPtr& base, const Extent& extent,
                          const U32& first, int count, bool is_whole,
                          std::vector<ElementPtr>& lines) {
  const U64 along = k_.cvt<ptx::u64>(*own_k_);
  const ElementPtr start = go_back(k_, base, padding_, 1);
  const U32 own = tid_ % 32 / 4 + first;
  for (int i : unroll(count)) {
    const U32 line = own + i * mma_rows;
    const U32 source = is_whole ? line : k_.min(line, extent - 1);
    lines.push_back(
        k_.let(numbered(name, i) + "_line", start + k_.mad_wide(source, problem_.k, along)));
  }
}

void Body::locate() {
  const Extent down = k_.let("tiles_down", ceil_div(problem_.m, tile_.rows));
  const U32 warp = tid_ / 32 % tile_.split;
  own_k_ = k_.let("own_k", warp * (of_quad * accesses) + tid_ % 4 * vector);
  const U32 cta = k_.let("cta", k_.ctaid_x());
  // CTAs that follow each other share weights.
  Var<ptx::u32> row_tile = k_.var<ptx::u32>("row_tile", 0);
  Var<ptx::u32> feature_tile = k_.var<ptx::u32>("feature_tile", cta);
  const auto divide = [&] {
    row_tile = cta % down;
    feature_tile = cta / down;
  };
  // Divisions would keep the first requests waiting.
  if (!down.is_static())
    k_.if_("several_rows", down > 1, divide);
  else if (down.get() > 1)
    divide();
  first_row_ = k_.let("first_row", row_tile * tile_.rows);
  const U32 team = tid_ / tile_.team_threads();
  first_feature_ =
      k_.let("first_feature", feature_tile * tile_.cta_features() + team * tile_.features);
  const Extent& n = problem_.n;
  locate_operand("w", problem_.w, n, *first_feature_, features(),
                 n.is_static() && n.get() % tile_.cta_features() == 0, w_lines_);
  locate_operand("x", problem_.a, problem_.m, *first_row_, row_groups(), false, x_lines_);
  for (int round : unroll(tile_.loaded)) {
    x_.emplace_back();
    for (int i : unroll(row_groups())) {
      x_[round].emplace_back();
      for (int access : unroll(accesses)) {
        const std::string name = numbered("x", round) + numbered("_", i) + numbered("_", access);
        x_[round][i].push_back(round > 0 || padding_.is(0)
                                   ? k_.array<ptx::b32>(name + "_", words)
                                   : k_.array<ptx::b32>(name + "_", words, 0));
      }
    }
  }
  ring_.emplace(k_, tile_.threads(), features() * accesses, tile_.rounds, tid_);
}

/// Copies an access to each of the thread's features, `ahead` elements after where `w` points.
void Body::request(const Place& stage, const std::vector<ElementPtr>& w, int ahead, int access) {
  for (int i : unroll(features())) {
    const ElementPtr from = w[i] + (ahead + access * of_quad);
    k_.cp_async_cg(ring_->piece(stage, i * accesses + access), from.as<ptx::b32>(), 16);
  }
}

void Body::request_first() {
  const Place stage = ring_->stage(0);
  for (int access : unroll(accesses)) {
    const auto p = inside(access);
    k_.guard_if(p, [&] { request(stage, w_lines_, 0, access); });
    if (!p) continue;
    const B32 zero = k_.constant<ptx::b32>(0);
    k_.guard_not(*p, [&] {
      for (int i : unroll(features()))
        k_.store(ring_->piece(stage, i * accesses + access),
                 std::array<B32, 4>{zero, zero, zero, zero});
    });
  }
}

/// A later round that the ring has a stage for.
void Body::request_early(int round) {
  const int ahead = round * apart();
  const auto fetch = [&] {
    for (int access : unroll(accesses)) request(ring_->stage(round), w_lines_, ahead, access);
  };
  if (!whole_.is_static())
    k_.if_(numbered("has_round", round), whole_ > ahead, fetch);
  else if (!is_known_beyond(round))
    fetch();
}

void Body::load_x(const std::vector<ElementPtr>& x, int ahead, int round, int access) {
  for (int i : unroll(row_groups())) {
    const ElementPtr from = x[i] + (ahead + access * of_quad);
    auto loaded = k_.load<words>(from.as<ptx::b32>());
    for (int j : unroll(words)) x_[round][i][access][j] = std::move(loaded[j]);
  }
}

void Body::load_first_x() {
  for (int round : unroll(tile_.loaded)) {
    const int ahead = round * apart();
    if (is_known_beyond(round)) return;
    for (int access : unroll(accesses)) {
      const auto load = [&] { load_x(x_lines_, ahead, round, access); };
      if (round == 0)
        k_.guard_if(inside(access), load);
      else if (whole_.is_static())
        load();
      else
        k_.guard(whole_ > ahead, load);
    }
  }
}

Body::Weights Body::read(const Place& stage) {
  Weights all;
  for (int i : unroll(features())) {
    all.emplace_back();
    for (int access : unroll(accesses))
      all[i].push_back(k_.load<words>(ring_->piece(stage, i * accesses + access)));
  }
  return all;
}

/// Of each access, two products of 16 elements of k.
void Body::multiply(const Weights& weights, int round) {
  for (int step : unroll(2 * accesses)) {
    const int access = step / 2, word = step % 2 * 2;
    for (int i : unroll(tile_.features / mma_features))
      for (int j : unroll(row_groups())) {
        const auto& low = weights[2 * i][access];
        const auto& high = weights[2 * i + 1][access];
        const std::array<B32, 4> a{low[word], high[word], low[word + 1], high[word + 1]};
        const auto& x = x_[round][j][access];
        const std::array<B32, 2> b{k_.present(x[word]), k_.present(x[word + 1])};
        const Kernel::Sums sums(sums_[i][j]);
        if (problem_.w.dtype() == Dtype::f16)
          k_.mma_m16n8k16<ptx::f16>(sums, a, b);
        else
          k_.mma_m16n8k16<ptx::bf16>(sums, a, b);
      }
  }
}

void Body::multiply_rounds() {
  for (int i : unroll(tile_.features / mma_features)) {
    sums_.emplace_back();
    for (int j : unroll(row_groups()))
      sums_[i].push_back(k_.array<ptx::f32>(numbered("sum", i) + numbered("_", j) + "_", 4, 0));
  }
  ring_->begin();
  const int rounds = tile_.loaded;
  k_.for_range("k_at", 0, whole_, rounds * apart(), [&](const U32& at) {
    k_.keep_rolled();
    const std::function<void(int)> from = [&](int round) {
      multiply_round(at, round);
      const int next = round + 1;
      if (next == rounds || is_known_beyond(next)) return;
      // A branch even where the round is sure to follow: across it, ptxas does not move the loads.
      k_.if_(numbered("round", next), at + next * apart() < whole_, [&] { from(next); });
    };
    from(0);
  });
}

/// The `round`-th of those from `at` on.
void Body::multiply_round(const U32& at, int round) {
  k_.phase(numbered("multiply round ", round) + ", request a later one", [&] {
    const auto moved = [&](const std::vector<ElementPtr>& lines) {
      std::vector<ElementPtr> all;
      for (const ElementPtr& line : lines) all.push_back(line + at);
      return all;
    };
    k_.cp_async_wait_group(tile_.rounds - 1);
    const Place stage = ring_->present();
    const Weights weights = read(stage);
    if (!fits()) {
      const std::vector<ElementPtr> w = moved(w_lines_);
      const int ahead = (round + tile_.rounds) * apart();
      k_.guard(at + ahead < whole_, [&] {
        for (int access : unroll(accesses)) request(stage, w, ahead, access);
      });
    }
    k_.cp_async_commit_group();
    multiply(weights, round);
    const std::vector<ElementPtr> x = moved(x_lines_);
    const int ahead = (round + tile_.loaded) * apart();
    k_.guard(at + ahead < whole_, [&] {
      for (int access : unroll(accesses)) load_x(x, ahead, round, access);
    });
    ring_->advance(!fits());
  });
}

// The weights come before the rows: they take longest, and do not wait for whatever computes those.
void Body::emit(const StreamStart& start) {
  if (start.overlaps) k_.griddepcontrol_launch_dependents();
  if (start.overlaps && !start.weights_are_resident) k_.griddepcontrol_wait();
  locate();
  k_.phase("request the first weights", [&] {
    for (int round : unroll(tile_.rounds)) {
      if (round == 0)
        request_first();
      else
        request_early(round);
      k_.cp_async_commit_group();
    }
    if (start.overlaps && start.weights_are_resident) k_.griddepcontrol_wait();
    load_first_x();
  });
  multiply_rounds();
  store_stream(k_, problem_, tile_, sums_,
               {.tid = tid_,
                .first_row = *first_row_,
                .first_feature = *first_feature_,
                .memory = ring_->memory().as<ptx::f32>()});
}

}  // namespace

Launch stream_launch(const StreamTile& tile, const Dim& m, const Dim& n, const StreamStart& start) {
  return {.grid = {ceil_div(m, tile.rows) * ceil_div(n, tile.cta_features()), 1, 1},
          .block = {tile.threads(), 1, 1},
          .min_ctas_per_sm = tile.ctas_per_sm,
          .overlaps = start.overlaps};
}

void emit_stream_gemm(Emitter& k, const GemmProblem& problem, const StreamTile& tile,
                      const StreamStart& start) {
  Body(k, problem, tile).emit(start);
}

}  // namespace ptxmill::kernels
