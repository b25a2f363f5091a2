// The body of prefill attention: one CTA computes the output of a tile of queries of one head.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "templates/attention_tile.hpp"
#include "templates/lib/online_softmax.hpp"

namespace ptxmill::kernels {

/// What is to be computed, as values of the kernel under construction. The grid is (tiles of
/// queries, heads, sequences).
struct AttentionProblem {
  ElementPtr q, k, v, out;
  std::optional<ElementPtr> lse;
  Extent heads, kv_heads, q_len, kv_len;
  int head_dim;
  bool causal;        ///< query i sees keys up to i + kv_len - q_len
  bool heads_inside;  ///< [sequence, position, head, column], else [sequence, head, position,
                      ///< column]
  int q_row_stride, kv_row_stride;  ///< elements from a position to the next; 0: dense
  double scale;
};

/// The body of one kernel: a CTA computes the output of a tile of queries of one head.
class AttentionBody {
 public:
  AttentionBody(Emitter& k, const AttentionProblem& problem);
  void emit();

 private:
  using Tile = AttentionTile;
  using Matrix = std::vector<std::vector<Var<ptx::f32>>>;  ///< [a lane's rows][its columns]

  HeadRows rows_of(const std::string& name, const ElementPtr& tensor, const Extent& heads,
                   const Extent& len, const U32& head, int stride) const;
  U32 kv_head() const;
  Matrix zeros(const std::string& name, int columns) const;
  U32 causal_keys(const U32& query) const;
  Extent keys_seen(const U32& query) const;
  void load_q() const;
  void load_first_k(const Extent& end) const;
  void attend_tile(const U32& key);
  void score(Matrix& scores) const;
  void mask(const U32& key, Matrix& scores) const;
  void weigh(const Matrix& scores);
  void accumulate();
  void store_output();
  void store_log_sum_exp(int row, const U32& query, const Pred& present) const;

  Emitter& k_;
  const AttentionProblem& problem_;
  const Tile tile_;
  const Extent q_len_, kv_len_, last_query_, last_key_;
  const U32 tid_, lane_, tile_row_;  // the lane among those that share rows; its first row
  const U32 sequence_, head_, first_query_, query_;  // the CTA's first query; the lane's
  const SharedPtr<ptx::f32> q_tile_, k_tile_, v_tile_, weights_;
  const SharedPtr<ptx::f32> q_row_, k_row_, weights_row_;  // the first that the lane reads
  const TileCopy copy_;
  const SharedPtr<ptx::f32> k_place_, v_place_;  // where the thread's first vectors are copied to
  const int k_apart_, v_apart_;                  // from there to those of the next pass
  std::vector<U32> columns_;                     // the lane's first of each piece of the output
  Matrix output_;
  OnlineSoftmax softmax_;
  std::optional<HeadRows> k_source_, v_source_;  // the head's keys and values, for the copy
};

}  // namespace ptxmill::kernels
