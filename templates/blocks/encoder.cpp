// encoder: a transformer encoder layer as in Whisper (Radford et al. 2022, section 2.2): pre-norm,
// self-attention over the whole sequence, a two-layer feed-forward network.
//   h   = x + attention(layer_norm(x)) out_proj^T
//   out = h + activation(layer_norm(h) fc1^T) fc2^T
#include <nlohmann/json.hpp>

#include "templates/block.hpp"

namespace ptxmill::kernels {
namespace {

using nlohmann::json;

class Encoder final : public Block {
 public:
  DtypeField dtype{*this, "dtype", "element type of activations and weights", {Dtype::f32}};
  Integer d_model{*this, "d_model", "width of the residual stream", {.max = 65536}};
  Integer heads{*this, "heads", "attention heads", {.max = 1024}};
  Integer ffn_dim{*this, "ffn_dim", "width of the feed-forward network", {.max = 1 << 20}};
  Integer max_seq_len{*this, "max_seq_len", "longest sequence of a forward pass", {.max = 1 << 24}};
  Choice activation{*this,
                    "activation",
                    "of the feed-forward network",
                    {"gelu", "gelu_tanh", "relu", "silu"},
                    "gelu"};
  Choice norm{
      *this, "norm", "where the norms stand: before attention and feed-forward", {"pre"}, "pre"};
  Number norm_eps{*this, "norm_eps", "added to the variance in the norms", 1e-5, 0, 1};

  void check() const override {
    if (d_model % heads != 0)
      refuse(heads, "d_model " + std::to_string(d_model) + " is not divisible by heads " +
                        std::to_string(heads));
    else if (const int head_dim = d_model / heads;
             head_dim < 16 || head_dim > 128 || head_dim % 8 != 0)
      refuse(heads, "d_model / heads is " + std::to_string(head_dim) +
                        "; attention takes a head_dim from 16 to 128 that is a multiple of 8");
  }

  void plan(PlanBuilder& p, const ptx::Target& target) const override;

 private:
  void declare(PlanBuilder& p, const Expr& batch, const Expr& seq_len) const;
};

void Encoder::declare(PlanBuilder& p, const Expr& batch, const Expr& seq_len) const {
  const int d = d_model, f = ffn_dim;
  p.input("x", dtype, {batch, seq_len, d});
  p.output("out", dtype, {batch, seq_len, d});
  // The names are those of Hugging Face's checkpoints, without the layer's prefix.
  for (const char* norm_name : {"self_attn_layer_norm", "final_layer_norm"}) {
    p.weight(std::string(norm_name) + ".weight", dtype, {d});
    p.weight(std::string(norm_name) + ".bias", dtype, {d});
  }
  for (const char* projection : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
    const std::string prefix = std::string("self_attn.") + projection;
    p.weight(prefix + ".weight", dtype, {d, d});
    p.weight(prefix + ".bias", dtype, {d}, true);
  }
  p.weight("fc1.weight", dtype, {f, d});
  p.weight("fc1.bias", dtype, {f}, true);
  p.weight("fc2.weight", dtype, {d, f});
  p.weight("fc2.bias", dtype, {d}, true);

  p.prepared("qkv.weight", dtype, {3 * d, d});
  p.prepared("qkv.bias", dtype, {3 * d});
  std::int64_t row = 0;
  for (const char* projection : {"q_proj", "k_proj", "v_proj"}) {
    const std::string prefix = std::string("self_attn.") + projection;
    p.pack(prefix + ".weight", "qkv.weight", row * d);
    p.pack(prefix + ".bias", "qkv.bias", row);
    row += d;
  }
  const auto own_bias = [&](const std::string& weight, const std::string& prepared, int n) {
    p.prepared(prepared, dtype, {n});
    p.pack(weight, prepared, 0);
  };
  own_bias("self_attn.out_proj.bias", "attention_out.bias", d);
  own_bias("fc1.bias", "ffn_up.bias", f);
  own_bias("fc2.bias", "ffn_down.bias", d);

  p.buffer("normed", dtype, {batch, seq_len, d});
  p.buffer("qkv", dtype, {batch, seq_len, 3 * d});
  p.buffer("attended", dtype, {batch, seq_len, d});
  p.buffer("h", dtype, {batch, seq_len, d});
  p.buffer("h_normed", dtype, {batch, seq_len, d});
  p.buffer("ffn", dtype, {batch, seq_len, f});
}

void Encoder::plan(PlanBuilder& p, const ptx::Target&) const {
  const Expr batch = p.dim("batch", 0, 65535), seq_len = p.dim("seq_len", 0, max_seq_len);
  declare(p, batch, seq_len);
  const std::string t = spec::name(dtype);
  const int d = d_model, f = ffn_dim;
  const Expr rows = batch * seq_len;
  const json layer_norm{{"dtype", t}, {"d_model", d}, {"eps", norm_eps.get()}};
  const auto gemm = [&](int n, int k, const json& more) {
    json fields{{"dtype", t}, {"n", n}, {"k", k}, {"bias", true}};
    fields.update(more);
    return fields;
  };

  p.step("attention_norm", "layer_norm", layer_norm, {{"rows", rows}},
         {{"x", {"x"}},
          {"gamma", {"self_attn_layer_norm.weight"}},
          {"beta", {"self_attn_layer_norm.bias"}},
          {"out", {"normed"}}});
  p.step("qkv", "gemm", gemm(3 * d, d, json::object()), {{"m", rows}},
         {{"a", {"normed"}}, {"w", {"qkv.weight"}}, {"bias", {"qkv.bias"}}, {"out", {"qkv"}}});
  // Attention reads Q, K and V where the projection left them: side by side in each row.
  p.step("attention", "attention",
         {{"dtype", t},
          {"heads", heads.get()},
          {"kv_heads", heads.get()},
          {"head_dim", d / heads},
          {"layout", "bshd"},
          {"q_row_stride", 3 * d},
          {"kv_row_stride", 3 * d}},
         {{"batch", batch}, {"q_len", seq_len}, {"kv_len", seq_len}},
         {{"q", {"qkv"}}, {"k", {"qkv", d}}, {"v", {"qkv", 2 * d}}, {"out", {"attended"}}});
  p.step("attention_out", "gemm", gemm(d, d, {{"residual", true}}), {{"m", rows}},
         {{"a", {"attended"}},
          {"w", {"self_attn.out_proj.weight"}},
          {"bias", {"attention_out.bias"}},
          {"residual", {"x"}},
          {"out", {"h"}}});
  p.step("ffn_norm", "layer_norm", layer_norm, {{"rows", rows}},
         {{"x", {"h"}},
          {"gamma", {"final_layer_norm.weight"}},
          {"beta", {"final_layer_norm.bias"}},
          {"out", {"h_normed"}}});
  p.step("ffn_up", "gemm", gemm(f, d, {{"activation", activation.get()}}), {{"m", rows}},
         {{"a", {"h_normed"}}, {"w", {"fc1.weight"}}, {"bias", {"ffn_up.bias"}}, {"out", {"ffn"}}});
  p.step("ffn_down", "gemm", gemm(d, f, {{"residual", true}}), {{"m", rows}},
         {{"a", {"ffn"}},
          {"w", {"fc2.weight"}},
          {"bias", {"ffn_down.bias"}},
          {"residual", {"h"}},
          {"out", {"out"}}});
}

PTXMILL_BLOCK(Encoder, "encoder", "A transformer encoder layer, pre-norm, as in Whisper.");

}  // namespace
}  // namespace ptxmill::kernels
