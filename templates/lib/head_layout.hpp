// The two orders in which attention's heads stand in memory, and the kernel that copies one into
// the other.
#pragma once

#include "templates/emitter.hpp"
#include "templates/lib/row_tile.hpp"

namespace ptxmill::kernels {

/// The base of split_heads and merge_heads: [batch, seq_len, heads * head_dim], as a linear layer
/// makes it, and [batch, heads, seq_len, head_dim], as attention reads it. A copy, bit for bit.
class HeadLayout : public Template {
 public:
  enum class Order : std::uint8_t { joined, split };

  DtypeField dtype{
      *this, "dtype", "element type of both tensors", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  Dim batch{*this, "batch", "sequences", {.min = 0, .dynamic_by_default = true}};
  Dim seq_len{*this, "seq_len", "positions", {.min = 0, .dynamic_by_default = true}};
  // The product of both counts columns in 32 bits.
  Dim heads{*this, "heads", "heads", {.min = 0, .max = 65535, .dynamic_by_default = true}};
  Dim head_dim{*this,
               "head_dim",
               "elements of a head",
               {.min = 0, .max = 65535, .dynamic_by_default = true}};

  std::vector<Form> forms() const override;
  Launch launch(const Form& form) const override;

 protected:
  Shape shape(Order order) const;
  /// Copies `from`, which has the order `source`, to `to`, which has the other.
  void copy(Emitter& k, const Form& form, Order source, const Tensor& from, const Tensor& to) const;
};

}  // namespace ptxmill::kernels
