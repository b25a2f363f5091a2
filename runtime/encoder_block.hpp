// The encoder block of a transformer, as Whisper and BERT have it.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/plan.hpp"

namespace ptxmill::rt {

/// A typed front over a plan of the family `encoder`. Pre-norm: y = x + O(attention(LN(x))),
/// out = y + W2 activation(W1 LN(y)). The weights, their names and shapes are the plan's
/// (`block().info().weights`); linear weights are [out_features, in_features].
class EncoderBlock {
 public:
  /// Throws as Block::open does, and `invalid_argument` where the block is of another family.
  static EncoderBlock open(const KernelLibrary& library, std::string_view name = "encoder");

  /// Packs the weights and takes workspace for up to `max_batch` x `max_seq_len`; a `max_seq_len`
  /// of 0 means the most that the block allows.
  void prepare(const Stream& stream, const Tensors& weights, std::int64_t max_batch,
               std::int64_t max_seq_len = 0);

  /// x and out are [batch, seq_len, d_model], contiguous and apart.
  void forward(const Stream& stream, const Tensor& x, const Tensor& out);
  /// As above, into a tensor from the stream-ordered pool.
  Tensor forward(const Stream& stream, const Tensor& x);

  std::int64_t d_model() const { return d_model_; }
  Block& block() { return block_; }
  const Block& block() const { return block_; }

 private:
  EncoderBlock(Block block, std::int64_t d_model) : block_(std::move(block)), d_model_(d_model) {}
  void require_input(const Tensor& x) const;

  Block block_;
  std::int64_t d_model_;
};

}  // namespace ptxmill::rt
