#include "templates/attention_body.hpp"

#include <array>
#include <limits>

namespace ptxmill::kernels {
namespace {

/// The index of the last of `len` rows; of no use where there is none.
Extent last_of(Emitter& k, const std::string& name, const Extent& len) {
  return len.is_static() ? Extent(len.get() - 1) : Extent(k.let(name, len.in() - 1));
}

std::vector<F32> load_shared(Emitter& k, const SharedPtr<ptx::f32>& p, int width) {
  if (width == 1) return {k.load(p)};
  if (width == 2) {
    const auto v = k.load<2>(p);
    return {v.begin(), v.end()};
  }
  const auto v = k.load<4>(p);
  return {v.begin(), v.end()};
}

void store_shared(Emitter& k, const SharedPtr<ptx::f32>& p, const std::vector<F32>& v) {
  if (v.size() == 2)
    k.store(p, std::array<F32, 2>{v[0], v[1]});
  else
    k.store(p, std::array<F32, 4>{v[0], v[1], v[2], v[3]});
}

/// Where a row of K stands in the tile: a lane's neighbouring keys are Tile::lanes rows apart, so
/// that the rows that the lanes read together are neighbours, and begin in different banks.
U32 k_tile_row(const AttentionTile& tile, const U32& key) {
  const U32 which = key % tile.keys_per_lane * AttentionTile::lanes;
  return which + key / tile.keys_per_lane;
}

}  // namespace

AttentionBody::AttentionBody(Emitter& k, const AttentionProblem& problem)
    : k_(k),
      problem_(problem),
      tile_(problem.head_dim),
      q_len_(problem.q_len),
      kv_len_(problem.kv_len),
      last_query_(last_of(k, "last_query", q_len_)),
      last_key_(last_of(k, "last_key", kv_len_)),
      tid_(k.let("tid", k.tid_x())),
      lane_(k.let("lane", tid_ / 2 % Tile::lanes)),
      tile_row_(k.let("tile_row", tid_ / 32 * Tile::warp_queries + tid_ % 2 * Tile::rows)),
      sequence_(k.let("sequence", k.ctaid_z())),
      head_(k.let("head", k.ctaid_y())),
      // Under a causal mask the last tiles see the most keys: they start first.
      first_query_(k.let("first_query", problem.causal
                                            ? (k.nctaid_x() - k.ctaid_x() - 1) * Tile::queries
                                            : k.ctaid_x() * Tile::queries)),
      query_(k.let("query", first_query_ + tile_row_)),
      q_tile_(k.shared<ptx::f32>("q_tile", Tile::queries * tile_.padded_row())),
      k_tile_(k.shared<ptx::f32>("k_tile", tile_.keys * tile_.padded_row())),
      v_tile_(k.shared<ptx::f32>("v_tile", tile_.keys * tile_.head_dim)),
      weights_(k.shared<ptx::f32>("weights", Tile::queries * tile_.weights_row())),
      q_row_(k.let("q_row", q_tile_ + tile_row_ * tile_.padded_row())),
      k_row_(k.let("k_row", k_tile_ + lane_ * tile_.padded_row())),
      weights_row_(k.let("weights_row", weights_ + tile_row_ * tile_.weights_row())),
      copy_(k, "copy", tile_.keys, tile_.head_dim, tid_),
      k_place_(k.let("k_place", k_tile_ + k.fma(k_tile_row(tile_, copy_.row()), tile_.padded_row(),
                                                copy_.column()))),
      v_place_(k.let("v_place", v_tile_ + k.fma(copy_.row(), tile_.head_dim, copy_.column()))),
      k_apart_(copy_.rows_a_pass() / tile_.keys_per_lane * tile_.padded_row()),
      v_apart_(copy_.rows_a_pass() * tile_.head_dim),
      softmax_(k, Tile::rows, problem.scale, {2, 4, 8, 16}) {
  int width = 0;
  for (const ColumnPiece& piece : tile_.columns) {
    const U32 lane = piece.lanes == Tile::lanes ? lane_ : lane_ % piece.lanes;
    const U32 column = piece.first == 0 ? lane * piece.width : lane * piece.width + piece.first;
    columns_.push_back(k.let("column" + std::to_string(piece.first), column));
    width += piece.width;
  }
  output_ = zeros("o", width);
}

HeadRows AttentionBody::rows_of(const std::string& name, const ElementPtr& tensor,
                                const Extent& heads, const Extent& len, const U32& head,
                                int stride) const {
  const bool interleaved = problem_.heads_inside;
  const Extent dim(tile_.head_dim);
  const Extent apart = !interleaved ? dim : stride != 0 ? Extent(stride) : heads * dim;
  // 64 bits: a tensor may hold more than 2^32 elements.
  const U64 before = k_.mul_wide(interleaved ? sequence_ : k_.fma(sequence_, heads, head), len);
  U64 element = apart.is_static() ? before * apart.get() : before * k_.cvt<ptx::u64>(apart);
  if (interleaved) element = k_.mad_wide(head, dim, element);
  const int bytes = spec::size_bytes(tensor.dtype());
  const Extent apart_bytes = apart.is_static()
                                 ? Extent(apart.get() * bytes)
                                 : Extent(k_.let(name + "_stride", apart.in() * bytes));
  return {k_.let(name, tensor + element), apart_bytes};
}

U32 AttentionBody::kv_head() const {
  if (problem_.heads.is_static() && problem_.kv_heads.is_static()) {
    const std::int64_t group = problem_.heads.get() / problem_.kv_heads.get();
    return group == 1 ? head_ : k_.let("kv_head", head_ / group);
  }
  // h / (heads / kv_heads) where that divides; a valid head whatever the launch says.
  return k_.let("kv_head", head_ * problem_.kv_heads / problem_.heads);
}

AttentionBody::Matrix AttentionBody::zeros(const std::string& name, int columns) const {
  Matrix m;
  for (int i : unroll(Tile::rows))
    m.push_back(k_.array<ptx::f32>(name + std::to_string(i) + "_", columns, 0));
  return m;
}

/// How many keys, from the first, a causal mask leaves to the query of that index.
U32 AttentionBody::causal_keys(const U32& query) const {
  return k_.max(query + 1 + kv_len_, q_len_) - q_len_;
}

Extent AttentionBody::keys_seen(const U32& query) const {
  return problem_.causal ? Extent(causal_keys(query)) : kv_len_;
}

void AttentionBody::emit() {
  load_q();
  const U32 head = kv_head();
  const auto source = [&](const std::string& name, const ElementPtr& tensor) {
    return rows_of(name + "_head", tensor, problem_.kv_heads, kv_len_, head, problem_.kv_row_stride)
        .from_column(k_, name + "_source", copy_.column());
  };
  k_source_ = source("k", problem_.k);
  v_source_ = source("v", problem_.v);
  Extent end = kv_len_;
  if (problem_.causal) {
    const U32 last = k_.min(first_query_ + (Tile::queries - 1), last_query_);
    end = Extent(k_.let("key_end", causal_keys(last)));
  }
  load_first_k(end);
  k_.for_range("key", 0, end, tile_.keys, [&](const U32& key) { attend_tile(key); });
  store_output();
}

void AttentionBody::load_q() const {
  const HeadRows head =
      rows_of("q_head", problem_.q, problem_.heads, q_len_, head_, problem_.q_row_stride);
  const TileCopy copy(k_, "q_copy", Tile::queries, tile_.head_dim, tid_);
  const HeadRows source = head.from_column(k_, "q_source", copy.column());
  k_.phase("load Q", [&] {
    const auto place = q_tile_ + k_.fma(copy.row(), tile_.padded_row(), copy.column());
    // Rows past the last query repeat it, and are not stored.
    const auto loaded = copy.load(source, first_query_ + copy.row(), last_query_);
    copy.store(place, copy.rows_a_pass() * tile_.padded_row(), loaded);
  });
}

void AttentionBody::load_first_k(const Extent& end) const {
  const auto load = [&] {
    k_.phase("load the first K", [&] {
      copy_.store(k_place_, k_apart_, copy_.load(*k_source_, copy_.row(), last_key_));
    });
  };
  if (end.is_static())
    load();
  else
    k_.if_("any_key", end > 0, load);
}

// K and V tiles pass through registers: while one is being used, the loads of the other are on
// their way. Both barriers serve both: what was stored before is there to read, and what was read
// before may be overwritten.
void AttentionBody::attend_tile(const U32& key) {
  std::optional<Pred> partial;  // some query of the CTA does not see some key of the tile
  if (problem_.causal || !kv_len_.is_static() || kv_len_.get() % tile_.keys != 0)
    partial = k_.let("partial", key + tile_.keys > keys_seen(first_query_));
  k_.phase("load V; meanwhile, scores and their weights", [&] {
    const TileCopy::Vectors values = copy_.load(*v_source_, key + copy_.row(), last_key_);
    k_.sync();
    Matrix scores = zeros("s", tile_.keys_per_lane);
    score(scores);
    if (partial) k_.if_("mask", *partial, [&] { mask(key, scores); });
    weigh(scores);
    copy_.store(v_place_, v_apart_, values);
    // The weight 0 does not make nothing of an infinity or NaN.
    if (partial)
      k_.if_("clear", *partial,
             [&] { copy_.clear(v_place_, v_apart_, key + copy_.row(), kv_len_); });
  });
  k_.phase("load the next K; meanwhile, the output", [&] {
    const TileCopy::Vectors keys =
        copy_.load(*k_source_, key + copy_.row() + tile_.keys, last_key_);
    k_.sync();
    accumulate();
    copy_.store(k_place_, k_apart_, keys);
  });
}

void AttentionBody::score(Matrix& scores) const {
  const int groups = Tile::groups_a_round(tile_.head_dim);
  const auto round = [&](const SharedPtr<ptx::f32>& q, const SharedPtr<ptx::f32>& key) {
    for (int g : unroll(groups)) {
      std::vector<std::vector<F32>> qs, ks;
      for (int i : unroll(Tile::rows))
        qs.push_back(load_shared(k_, q + (i * tile_.padded_row() + 4 * g), 4));
      for (int j : unroll(tile_.keys_per_lane))
        ks.push_back(load_shared(k_, key + (j * Tile::lanes * tile_.padded_row() + 4 * g), 4));
      for (int d : unroll(4))
        for (int i : unroll(Tile::rows))
          for (int j : unroll(tile_.keys_per_lane)) {
            Var<ptx::f32>& s = scores[i][j];
            s = k_.fma(qs[i][d], ks[j][d], s);
          }
    }
  };
  k_.phase("S = Q K^T", [&] {
    if (4 * groups == tile_.head_dim)
      round(q_row_, k_row_);
    else
      k_.for_range("d", 0, tile_.head_dim, 4 * groups, [&](const U32& d) {
        const auto q = q_row_ + d;
        const auto key = k_row_ + d;
        round(q, key);
      });
  });
}

void AttentionBody::mask(const U32& key, Matrix& scores) const {
  k_.phase("mask", [&] {
    const U32 first = key + lane_ * tile_.keys_per_lane;
    std::vector<U32> keys;
    for (int j : unroll(tile_.keys_per_lane)) keys.push_back(first + j);
    for (int i : unroll(Tile::rows)) {
      const Extent seen = keys_seen(query_ + i);
      for (int j : unroll(tile_.keys_per_lane))
        scores[i][j] =
            k_.select(keys[j] < seen, scores[i][j], -std::numeric_limits<double>::infinity());
    }
  });
}

void AttentionBody::weigh(const Matrix& scores) {
  k_.phase("online softmax", [&] {
    const std::vector<OnlineSoftmax::Step> steps = softmax_.update(scores);
    const auto place = weights_row_ + lane_ * tile_.keys_per_lane;
    for (int i : unroll(Tile::rows)) {
      store_shared(k_, place + i * tile_.weights_row(), steps[i].weights);
      for (Var<ptx::f32>& o : output_[i]) o *= steps[i].rescale;
    }
  });
}

void AttentionBody::accumulate() {
  const int groups = Tile::groups_a_round(tile_.keys);
  k_.phase("O += P V", [&] {
    k_.for_range("value", 0, tile_.keys, 4 * groups, [&](const U32& value) {
      const auto weights = weights_row_ + value;
      const auto values = v_tile_ + value * tile_.head_dim;
      std::vector<SharedPtr<ptx::f32>> pieces;
      for (const U32& column : columns_) pieces.push_back(values + column);
      for (int g : unroll(groups)) {
        std::vector<std::vector<F32>> w;
        for (int i : unroll(Tile::rows))
          w.push_back(load_shared(k_, weights + (i * tile_.weights_row() + 4 * g), 4));
        for (int n : unroll(4)) {
          std::vector<F32> v;
          for (std::size_t p = 0; p < pieces.size(); ++p)
            for (const F32& x :
                 load_shared(k_, pieces[p] + (4 * g + n) * tile_.head_dim, tile_.columns[p].width))
              v.push_back(x);
          for (int i : unroll(Tile::rows))
            for (std::size_t c = 0; c < v.size(); ++c)
              output_[i][c] = k_.fma(w[i][n], v[c], output_[i][c]);
        }
      }
    });
  });
}

void AttentionBody::store_output() {
  k_.phase("sums of the rows", [&] { softmax_.finish(); });
  const HeadRows rows = rows_of("out_head", problem_.out, problem_.heads, q_len_, head_, 0);
  for (int i : unroll(Tile::rows)) {
    k_.phase("normalise and store row " + std::to_string(i), [&] {
      const U32 query = query_ + i;
      const Pred present = query < q_len_;
      const F32 factor = softmax_.normaliser(i);
      const ElementPtr row = rows.row(k_, query);
      std::size_t next = 0;
      for (std::size_t p = 0; p < columns_.size(); ++p) {
        const ColumnPiece& piece = tile_.columns[p];
        std::vector<F32> values;
        for (int c = 0; c < piece.width; ++c) values.push_back(output_[i][next++] * factor);
        const ElementPtr place = row + columns_[p];
        const Pred mine = piece.lanes == Tile::lanes ? present : present && lane_ < piece.lanes;
        k_.guard(mine, [&] { k_.store_vector(place, values); });
      }
      if (problem_.lse) store_log_sum_exp(i, query, present);
    });
  }
}

void AttentionBody::store_log_sum_exp(int row, const U32& query, const Pred& present) const {
  const F32 value = softmax_.log_sum_exp(row);
  const U64 at =
      k_.mad_wide(k_.fma(sequence_, problem_.heads, head_), q_len_, k_.cvt<ptx::u64>(query));
  const ElementPtr place = *problem_.lse + at;
  const Pred first = present && lane_ == 0;
  k_.guard(first, [&] { k_.store(place, value); });
}

}  // namespace ptxmill::kernels
