// attention: out = softmax(scale Q K^T + mask) V for whole sequences, in one pass over K and V
// (Dao et al., "FlashAttention", 2022, algorithm 1; the loop order of its second version).
#include <algorithm>
#include <array>
#include <cmath>

#include "templates/attention_tile.hpp"
#include "templates/lib/online_softmax.hpp"

namespace ptxmill::kernels {
namespace {

class Attention final : public Template {
 public:
  DtypeField dtype{*this, "dtype", "element type of every tensor", {Dtype::f32}};
  Dim batch{*this, "batch", "sequences", {.min = 0, .max = 65535, .dynamic_by_default = true}};
  Dim heads{*this, "heads", "query heads", {.max = 65535}};
  Dim kv_heads{*this, "kv_heads", "key and value heads; divides heads, and query head h reads head "
               "h / (heads / kv_heads)", {.max = 65535}};
  Dim q_len{*this, "q_len", "queries of a sequence",
            {.min = 0, .max = 1 << 30, .dynamic_by_default = true}};
  Dim kv_len{*this, "kv_len", "keys of a sequence",
             {.min = 0, .max = 1 << 30, .dynamic_by_default = true}};
  Dim head_dim{*this, "head_dim", "elements of a head's row",
               {.min = 16, .max = 128, .multiple_of = 8, .may_be_dynamic = false}};
  Flag causal{*this, "causal", "query i sees the keys up to i + kv_len - q_len", false};
  Flag with_lse{*this, "lse", "also write the logarithm of each softmax's denominator", false};
  Choice layout{*this, "layout", "order of the extents: bhsd is [batch, heads, len, head_dim], bshd "
                "is [batch, len, heads, head_dim]", {"bhsd", "bshd"}, "bhsd"};
  Integer q_row_stride{*this, "q_row_stride", "elements from a position of q to the next, with bshd; "
                       "0 is dense", 0, {.min = 0, .max = 1 << 28, .multiple_of = 4}};
  Integer kv_row_stride{*this, "kv_row_stride", "the same of k and v", 0,
                        {.min = 0, .max = 1 << 28, .multiple_of = 4}};
  Number scale{*this, "scale", "of the scores; 0 is 1 / sqrt(head_dim)", 0, 0, 1e6};

  Tensor queries{*this, "q", Direction::in, dtype, "queries",
           [this] { return extents(heads, q_len, q_row_stride); }};
  Tensor keys{*this, "k", Direction::in, dtype, "keys",
           [this] { return extents(kv_heads, kv_len, kv_row_stride); }};
  Tensor values{*this, "v", Direction::in, dtype, "values",
           [this] { return extents(kv_heads, kv_len, kv_row_stride); }};
  Tensor out{*this, "out", Direction::out, dtype, "the result, dense; 0 where a query sees no key",
             [this] { return Shape{batch, heads, q_len, head_dim}; }};
  Tensor lse{*this, "lse", Direction::out, dtype, "log of the sum of exp(scale * score), [batch, "
             "heads, q_len]; -inf where a query sees no key",
             [this] { return Shape{batch, heads, q_len}; }, [this] { return with_lse.get(); }};

  void check() const override {
    if (heads.is_static() && kv_heads.is_static() && heads.get() % kv_heads.get() != 0)
      refuse(kv_heads, "heads " + std::to_string(heads.get()) + " is not divisible by kv_heads " +
                           std::to_string(kv_heads.get()));
    check_stride(q_row_stride, heads);
    check_stride(kv_row_stride, kv_heads);
  }

  int alignment(const Form&, const Tensor& tensor) const override {
    return (&tensor == &lse ? 1 : 4) * spec::size_bytes(tensor.dtype());
  }
  Launch launch(const Form&) const override {
    return {.grid = {ceil_div(q_len, AttentionTile::queries), heads, batch},
            .block = {AttentionTile::threads, 1, 1}};
  }
  void emit(Emitter& k, const Form& form) const override;

 private:
  void check_stride(const Integer& stride, const Dim& row_heads) const {
    if (stride == 0) return;
    if (!layout.is("bshd"))
      refuse(stride, "a row stride goes with the layout \"bshd\"");
    else if (!row_heads.is_static())
      refuse(stride, "a row stride needs a static " + row_heads.name());
    else if (const std::int64_t dense = row_heads.get() * head_dim.get(); stride < dense)
      refuse(stride, "the stride " + std::to_string(stride.get()) + " is less than " +
                         row_heads.name() + " * head_dim, which is " + std::to_string(dense));
  }
  /// A tensor's extents; where its rows are apart, the one count from its first element to its last.
  Shape extents(const Dim& row_heads, const Dim& len, const Integer& stride) const {
    if (stride == 0) return {batch, row_heads, len, head_dim};
    const Expr positions = batch * len;
    return {min(positions, 1) *
            ((max(positions, 1) - 1) * stride.get() + row_heads * head_dim)};
  }
};

/// The body of one kernel: a CTA computes the output of a tile of queries of one head.
class AttentionBody {
 public:
  AttentionBody(Emitter& k, const Attention& attention);
  void emit();

 private:
  using Tile = AttentionTile;
  using Matrix = std::vector<std::vector<Var<ptx::f32>>>;  ///< [a lane's rows][its columns]

  HeadRows rows_of(const std::string& name, const Tensor& tensor, const Extent& heads,
                   const Extent& len, const U32& head, int stride) const;
  U32 kv_head() const;
  Matrix zeros(const std::string& name, int columns) const;
  /// How many keys, from the first, the query with this index sees.
  U32 keys_seen(const U32& query) const;
  void load_q() const;
  void attend_tile(const U32& key);
  void score(Matrix& scores) const;
  void mask(const U32& key, const Pred& partial, Matrix& scores) const;
  void weigh(const Matrix& scores);
  void accumulate();
  void store_output();
  void store_log_sum_exp(int i, const Pred& present) const;

  Emitter& k_;
  const Attention& a_;
  const Tile tile_;
  const Extent q_len_, kv_len_;
  const U32 tid_, lane_, tile_row_;   // the lane among those that share rows; its first row
  const U32 sequence_, head_, first_query_, query_;  // query_: of the lane's first row
  const SharedPtr<ptx::f32> q_tile_, k_tile_, v_tile_, weights_;
  const SharedPtr<ptx::f32> q_rows_, k_rows_, weight_rows_;  // where this lane reads
  const TileCopy copy_;
  const SharedPtr<ptx::f32> k_place_, v_place_;  // where this thread copies to
  std::vector<U32> columns_;                     // the first of each piece of the output
  Matrix output_;
  OnlineSoftmax softmax_;
  std::optional<HeadRows> k_source_, v_source_;
};

double scale_of(const Attention& a) {
  return a.scale.get() != 0 ? a.scale.get() : 1 / std::sqrt(static_cast<double>(a.head_dim.get()));
}

/// The index of the last of `len` rows; any, where there is none.
Extent last_of(const Extent& len) {
  return len.is_static() ? Extent(std::max<std::int64_t>(len.get(), 1) - 1) : len - Extent(1);
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

AttentionBody::AttentionBody(Emitter& k, const Attention& attention)
    : k_(k),
      a_(attention),
      tile_(static_cast<int>(attention.head_dim.get())),
      q_len_(k.dim(attention.q_len)),
      kv_len_(k.dim(attention.kv_len)),
      tid_(k.let("tid", k.tid_x())),
      lane_(k.let("lane", tid_ / 2 % Tile::lanes)),
      tile_row_(k.let("tile_row", k.fma(tid_ / 32, Tile::warp_queries, tid_ % 2 * Tile::rows))),
      sequence_(k.let("sequence", k.ctaid_z())),
      head_(k.let("head", k.ctaid_y())),
      // The last tiles see the most keys under a causal mask: they start first.
      first_query_(k.let("first_query", (attention.causal ? k.nctaid_x() - 1 - k.ctaid_x() : k.ctaid_x()) * Tile::queries)),
      query_(k.let("query", first_query_ + tile_row_)),
      q_tile_(k.shared<ptx::f32>("q_tile", Tile::queries * tile_.padded_row())),
      k_tile_(k.shared<ptx::f32>("k_tile", tile_.keys * tile_.padded_row())),
      v_tile_(k.shared<ptx::f32>("v_tile", tile_.keys * tile_.head_dim)),
      weights_(k.shared<ptx::f32>("weights", Tile::queries * tile_.weights_row())),
      q_rows_(k.let("q_rows", q_tile_ + tile_row_ * tile_.padded_row())),
      k_rows_(k.let("k_rows", k_tile_ + lane_ * tile_.padded_row())),
      weight_rows_(k.let("weight_rows", weights_ + tile_row_ * tile_.weights_row())),
      copy_(k, tile_, tid_),
      // A lane's neighbouring keys stand Tile::lanes rows apart, so that at any time the lanes read
      // rows that are neighbours and lie in different banks.
      k_place_(k.let("k_place", k_tile_ + k.fma(copy_.row() % tile_.keys_per_lane * Tile::lanes + copy_.row() / tile_.keys_per_lane, tile_.padded_row(), copy_.column()))),
      v_place_(k.let("v_place", v_tile_ + k.fma(copy_.row(), tile_.head_dim, copy_.column()))),
      softmax_(k, Tile::rows, scale_of(attention), {2, 4, 8, 16}) {
  int width = 0;
  for (const ColumnPiece& piece : tile_.columns) {
    const U32 lane_column = lane_ % piece.lanes * piece.width;
    columns_.push_back(k.let("column" + std::to_string(piece.first), lane_column + piece.first));
    width += piece.width;
  }
  output_ = zeros("o", width);
}

HeadRows AttentionBody::rows_of(const std::string& name, const Tensor& tensor, const Extent& heads,
                                const Extent& len, const U32& head, int stride) const {
  const bool interleaved = a_.layout.is("bshd");
  const Extent dim(tile_.head_dim);
  const Extent apart = !interleaved ? dim : stride != 0 ? Extent(stride) : heads * dim;
  // 64 bits: a tensor may hold more than 2^32 elements.
  const U64 before = k_.mul_wide(interleaved ? sequence_ : k_.fma(sequence_, heads, head), len);
  U64 element = apart.is_static() ? before * apart.get() : before * k_.cvt<ptx::u64>(apart);
  if (interleaved) element = k_.mad_wide(head, dim, element);
  const int bytes = spec::size_bytes(tensor.dtype());
  const Extent apart_bytes = apart.is_static() ? Extent(apart.get() * bytes) : Extent(k_.let(name + "_stride", apart.in() * bytes));
  return {k_.let(name, k_.ptr(tensor) + element), apart_bytes};
}

U32 AttentionBody::kv_head() const {
  if (a_.heads.is_static() && a_.kv_heads.is_static()) {
    const std::int64_t group = a_.heads.get() / a_.kv_heads.get();
    return group == 1 ? head_ : k_.let("kv_head", head_ / group);
  }
  // h / (heads / kv_heads) where that divides; a valid head whatever the launch says.
  return k_.let("kv_head", head_ * k_.dim(a_.kv_heads) / k_.dim(a_.heads));
}

AttentionBody::Matrix AttentionBody::zeros(const std::string& name, int columns) const {
  Matrix m;
  for (int i : unroll(Tile::rows))
    m.push_back(k_.array<ptx::f32>(name + std::to_string(i) + "_", columns, 0));
  return m;
}

U32 AttentionBody::keys_seen(const U32& query) const {
  return k_.max(query + 1 + kv_len_, q_len_) - q_len_;
}

void AttentionBody::emit() {
  load_q();
  const U32 kv = kv_head();
  const Extent kv_heads = k_.dim(a_.kv_heads);
  const auto source = [&](const char* name, const Tensor& tensor) {
    return rows_of(name, tensor, kv_heads, kv_len_, kv, a_.kv_row_stride).from_column(k_, std::string(name) + "_source", copy_.column());
  };
  k_source_ = source("k", a_.keys);
  v_source_ = source("v", a_.values);
  Extent end = kv_len_;
  if (a_.causal) {
    const U32 last = k_.min(first_query_ + (Tile::queries - 1), last_of(q_len_));
    end = Extent(k_.let("key_end", keys_seen(last)));
  }
  const auto first_keys = [&] {
    k_.phase("first K tile", [&] {
      copy_.store(k_place_, copy_.rows_a_pass() / tile_.keys_per_lane * tile_.padded_row(), copy_.load(*k_source_, 0, last_of(kv_len_)));
    });
  };
  if (!end.is_static()) k_.if_("any_key", end > 0, first_keys);
  else if (!end.is(0)) first_keys();
  if (!end.is(0)) k_.for_range("key", 0, end, tile_.keys, [&](const U32& key) { attend_tile(key); });
  store_output();
}

void AttentionBody::load_q() const {
  const HeadRows rows = rows_of("q_source", a_.queries, k_.dim(a_.heads), q_len_, head_, a_.q_row_stride);
  const int vectors = tile_.head_dim / 4;
  k_.for_range("vector", tid_, Tile::queries * vectors, Tile::threads, [&](const U32& vector) {
    k_.phase("load Q", [&] {
      const U32 row = vector / vectors;
      const U32 column = vector % vectors * 4;
      // Rows past the last query repeat it; what becomes of them is not stored.
      const U32 query = k_.min(first_query_ + row, last_of(q_len_));
      const auto v = k_.load_vector(rows.row(k_, query) + column, 4);
      k_.store(q_tile_ + k_.fma(row, tile_.padded_row(), column), std::array<F32, 4>{v[0], v[1], v[2], v[3]});
    });
  });
}

void AttentionBody::attend_tile(const U32& key) {
  const Extent last_key = last_of(kv_len_);
  const bool may_be_partial = a_.causal || !kv_len_.is_static() || kv_len_.get() % tile_.keys != 0;
  const U32 seen_by_all = k_.min(keys_seen(first_query_), kv_len_);
  const Pred partial = k_.let("partial", key + tile_.keys > seen_by_all);
  k_.phase("load V, meanwhile score and weigh", [&] {
    const TileCopy::Vectors values = copy_.load(*v_source_, key, last_key);
    k_.sync();
    Matrix scores = zeros("s", tile_.keys_per_lane);
    score(scores);
    mask(key, partial, scores);
    weigh(scores);
    const int apart = copy_.rows_a_pass() * tile_.head_dim;
    copy_.store(v_place_, apart, values);
    k_.if_("clear", partial, [&] { copy_.clear(v_place_, apart, key, kv_len_); });
  });
  (void)may_be_partial;
  k_.phase("load the next K, meanwhile accumulate", [&] {
    const TileCopy::Vectors keys = copy_.load(*k_source_, key + tile_.keys, last_key);
    k_.sync();
    accumulate();
    copy_.store(k_place_, copy_.rows_a_pass() / tile_.keys_per_lane * tile_.padded_row(), keys);
  });
}
