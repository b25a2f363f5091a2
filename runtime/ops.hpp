// Ops by name: each finds the most specific kernel of a library and launches it.
//
// Shapes are taken from the tensors and checked; none of these functions waits for the stream. The
// forms that return a tensor allocate it from the stream-ordered pool.
#pragma once

#include <string_view>

#include "runtime/library.hpp"

namespace ptxmill::rt {

/// out = (x - mean) / sqrt(variance + eps) * gamma + beta over the last dimension of x [...,
/// d_model]; the variance is that of the population. gamma, beta: [d_model].
void layer_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                const Tensor& gamma, const Tensor& beta, const Tensor& out, double eps = 1e-5);
Tensor layer_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                  const Tensor& gamma, const Tensor& beta, double eps = 1e-5);

/// out = x / sqrt(mean of squares + eps) * gamma over the last dimension of x [..., d_model].
/// gamma: [d_model].
void rms_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
              const Tensor& gamma, const Tensor& out, double eps = 1e-5);
Tensor rms_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                const Tensor& gamma, double eps = 1e-5);

/// Softmax over the last dimension of x [..., cols]; its logarithm where `log` is set.
void softmax(const KernelLibrary& library, const Stream& stream, const Tensor& x, const Tensor& out,
             bool log = false);
Tensor softmax(const KernelLibrary& library, const Stream& stream, const Tensor& x,
               bool log = false);

/// Swaps the last two dimensions: x [batch, rows, cols] or [rows, cols].
void transpose(const KernelLibrary& library, const Stream& stream, const Tensor& x,
               const Tensor& out);
Tensor transpose(const KernelLibrary& library, const Stream& stream, const Tensor& x);

/// x [batch, seq_len, heads * head_dim] -> out [batch, heads, seq_len, head_dim].
void split_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                 const Tensor& out);
Tensor split_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                   std::int64_t heads);

/// x [batch, heads, seq_len, head_dim] -> out [batch, seq_len, heads * head_dim].
void merge_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                 const Tensor& out);
Tensor merge_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x);

/// What a matrix product does besides multiplying. Tensors that are not valid are left out.
struct GemmOptions {
  std::string_view layout = "out_in";  ///< weights [n, k]; `in_out`: [k, n]
  /// relu, gelu (erf), gelu_tanh, silu; silu_multiply: features 16 j to 16 j + 7 are gates of the
  /// eight that follow, and out is silu(gate) * x of n / 2 features.
  std::string_view activation = "none";
  double alpha = 1;
  Tensor bias;      ///< [n]
  Tensor residual;  ///< as out
};

/// out = activation(alpha * a w^T + bias) + residual. a [..., k] with m rows in all, w [n, k],
/// out [..., n] (n / 2 with silu_multiply), which may have another element type than a.
void gemm(const KernelLibrary& library, const Stream& stream, const Tensor& a, const Tensor& w,
          const Tensor& out, const GemmOptions& options = {});
Tensor gemm(const KernelLibrary& library, const Stream& stream, const Tensor& a, const Tensor& w,
            const GemmOptions& options = {});

/// The product for one row: x [k] or [..., k] of k elements, out of n elements.
void gemv(const KernelLibrary& library, const Stream& stream, const Tensor& x, const Tensor& w,
          const Tensor& out, const GemmOptions& options = {});
Tensor gemv(const KernelLibrary& library, const Stream& stream, const Tensor& x, const Tensor& w,
            const GemmOptions& options = {});

struct AttentionOptions {
  bool causal = false;               ///< aligned to the bottom right where the lengths differ
  std::string_view layout = "bhsd";  ///< [batch, heads, seq, head_dim]; `bshd`: heads after seq
  double scale = 0;                  ///< of the scores; 0 is 1 / sqrt(head_dim)
  Tensor lse;  ///< f32 [batch, heads, q_len]: log-sum-exp of the scaled scores
};

/// out = softmax(scale q k^T) v. k and v may have fewer heads than q, whose number is then a
/// multiple of theirs. out is shaped as q. Where `lse` is left out and the library has only a
/// kernel that writes it, it goes to a temporary tensor, which cannot be while a graph is recorded.
void attention(const KernelLibrary& library, const Stream& stream, const Tensor& q, const Tensor& k,
               const Tensor& v, const Tensor& out, const AttentionOptions& options = {});
Tensor attention(const KernelLibrary& library, const Stream& stream, const Tensor& q,
                 const Tensor& k, const Tensor& v, const AttentionOptions& options = {});

}  // namespace ptxmill::rt
