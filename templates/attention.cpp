// attention: out = softmax(scale Q K^T + mask) V for whole sequences, in one pass over K and V
// (Dao et al., "FlashAttention", 2022, algorithm 1; the loop order of its second version).
#include <cmath>
#include <string>

#include "templates/attention_body.hpp"

namespace ptxmill::kernels {
namespace {

class Attention final : public Template {
 public:
  DtypeField dtype{*this, "dtype", "element type of every tensor", {Dtype::f32}};
  Dim batch{*this, "batch", "sequences", {.min = 0, .max = 65535, .dynamic_by_default = true}};
  Dim heads{*this, "heads", "query heads", {.max = 65535}};
  Dim kv_heads{*this,
               "kv_heads",
               "key and value heads; divides heads, and query head h reads head "
               "h / (heads / kv_heads)",
               {.max = 65535}};
  Dim q_len{*this,
            "q_len",
            "queries of a sequence",
            {.min = 0, .max = 1 << 30, .dynamic_by_default = true}};
  Dim kv_len{*this,
             "kv_len",
             "keys of a sequence",
             {.min = 0, .max = 1 << 30, .dynamic_by_default = true}};
  Dim head_dim{*this,
               "head_dim",
               "elements of a head's row",
               {.min = 16, .max = 128, .multiple_of = 8, .may_be_dynamic = false}};
  Flag causal{*this, "causal", "query i sees the keys up to i + kv_len - q_len", false};
  Flag with_lse{*this, "lse", "also write the logarithm of each softmax's denominator", false};
  Choice layout{*this,
                "layout",
                "order of the extents: bhsd is [batch, heads, len, head_dim], bshd "
                "is [batch, len, heads, head_dim]",
                {"bhsd", "bshd"},
                "bhsd"};
  Integer q_row_stride{*this,
                       "q_row_stride",
                       "elements from a position of q to the next, with bshd; "
                       "0 is dense",
                       0,
                       {.min = 0, .max = 1 << 28, .multiple_of = 4}};
  Integer kv_row_stride{*this,
                        "kv_row_stride",
                        "the same of k and v",
                        0,
                        {.min = 0, .max = 1 << 28, .multiple_of = 4}};
  Number scale{*this, "scale", "of the scores; 0 is 1 / sqrt(head_dim)", 0, 0, 1e6};

  Tensor queries{*this, "q",       Direction::in,
                 dtype, "queries", [this] { return extents(heads, q_len, q_row_stride); }};
  Tensor keys{*this, "k",    Direction::in,
              dtype, "keys", [this] { return extents(kv_heads, kv_len, kv_row_stride); }};
  Tensor values{*this, "v",      Direction::in,
                dtype, "values", [this] { return extents(kv_heads, kv_len, kv_row_stride); }};
  Tensor out{*this,
             "out",
             Direction::out,
             dtype,
             "the result, dense; 0 where a query sees no key",
             [this] {
               return Shape{batch, heads, q_len, head_dim};
             }};
  Tensor lse{*this,
             "lse",
             Direction::out,
             dtype,
             "log of the sum of exp(scale * score), [batch, "
             "heads, q_len]; -inf where a query sees no key",
             [this] {
               return Shape{batch, heads, q_len};
             },
             [this] { return with_lse.get(); }};

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
            .block = {AttentionTile::threads, 1, 1},
            .min_ctas_per_sm = 2};
  }
  void emit(Emitter& k, const Form& form) const override;
  std::vector<std::pair<std::string, std::string>> division(const Form&,
                                                            const ptx::Target&) const override {
    return {{"CTA's tile", std::to_string(AttentionTile::queries) + " queries"},
            {"warp's tile", std::to_string(AttentionTile::warp_queries) + " queries"}};
  }

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
  /// A tensor's extents; where its rows are apart, the one count from its first element to its
  /// last.
  Shape extents(const Dim& row_heads, const Dim& len, const Integer& stride) const {
    if (stride == 0) return {batch, row_heads, len, head_dim};
    const Expr positions = batch * len;
    return {min(positions, 1) * ((max(positions, 1) - 1) * stride.get() + row_heads * head_dim)};
  }
};

void Attention::emit(Emitter& k, const Form&) const {
  AttentionProblem problem{
      .q = k.ptr(queries),
      .k = k.ptr(keys),
      .v = k.ptr(values),
      .out = k.ptr(out),
      .heads = k.dim(heads),
      .kv_heads = k.dim(kv_heads),
      .q_len = k.dim(q_len),
      .kv_len = k.dim(kv_len),
      .head_dim = static_cast<int>(head_dim.get()),
      .causal = causal,
      .heads_inside = layout.is("bshd"),
      .q_row_stride = q_row_stride,
      .kv_row_stride = kv_row_stride,
      .scale = scale.get() != 0 ? scale.get() : 1 / std::sqrt(static_cast<double>(head_dim.get())),
  };
  if (with_lse) problem.lse = k.ptr(lse);
  AttentionBody(k, problem).emit();
}

PTXMILL_TEMPLATE(Attention, "attention", "Attention of whole sequences, by tiles of queries.");

}  // namespace
}  // namespace ptxmill::kernels
