// merge_heads: [batch, heads, seq_len, head_dim] to [batch, seq_len, heads * head_dim].
#include "templates/lib/head_layout.hpp"

namespace ptxmill::kernels {
namespace {

class MergeHeads final : public HeadLayout {
 public:
  Tensor x{*this, "x", Direction::in, dtype, "the input", [this] { return shape(Order::split); }};
  Tensor out{*this, "out", Direction::out, dtype, "the same elements in the other order", [this] {
               return shape(Order::joined);
             }};

  void emit(Emitter& k, const Form& form) const override { copy(k, form, Order::split, x, out); }
};

PTXMILL_TEMPLATE(
    MergeHeads, "merge_heads",
    "[batch, heads, seq_len, head_dim] to [batch, seq_len, heads * head_dim], bit for bit.");

}  // namespace
}  // namespace ptxmill::kernels
