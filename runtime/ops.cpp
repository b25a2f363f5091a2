#include "runtime/ops.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "runtime/error.hpp"
#include "runtime/resolve.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

[[noreturn]] void refuse(const char* op, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, concat(op, ": ", why));
}

/// Refuses a tensor that is missing or has fewer dimensions than `rank`.
void require_rank(const char* op, const char* argument, const Tensor& tensor, int rank) {
  if (!tensor.valid() || tensor.shape().rank() < rank)
    refuse(op, concat("'", argument, "' is ", tensor.text(), ", and must have ", rank,
                      " dimensions at least"));
}

void require_shape(const char* op, const char* argument, const Tensor& tensor, const Shape& shape) {
  if (!tensor.valid() || !(tensor.shape() == shape))
    refuse(op, concat("'", argument, "' is ", tensor.text(), ", and must be ", shape.text()));
}

std::int64_t product(std::span<const std::int64_t> extents) {
  std::int64_t result = 1;
  for (const std::int64_t extent : extents) result *= extent;
  return result;
}

/// The extents of x but for its last `dropped`, then `added`.
Shape with_last(const Tensor& x, int dropped, std::initializer_list<std::int64_t> added) {
  std::array<std::int64_t, Shape::max_rank + 4> extents{};
  const auto kept = x.shape().extents().first(static_cast<std::size_t>(x.shape().rank() - dropped));
  const auto end = std::copy(kept.begin(), kept.end(), extents.begin());
  std::copy(added.begin(), added.end(), end);
  return Shape(std::span<const std::int64_t>(extents.data(), kept.size() + added.size()));
}

/// The number of rows of x [..., cols].
std::int64_t rows_of(const Tensor& x) {
  const auto extents = x.shape().extents();
  return product(extents.first(extents.size() - 1));
}

template <std::size_t Options, std::size_t Dims>
void run(const KernelLibrary& library, const Stream& stream, std::string_view template_name,
         std::initializer_list<RequestedDType> dtypes,
         const std::array<RequestedOption, Options>& options, const std::array<Dim, Dims>& dims,
         std::span<const Argument> arguments) {
  const Kernel kernel =
      resolve(library, {template_name, std::span(dtypes.begin(), dtypes.size()), options, dims});
  kernel.launch_packed(stream, dims, arguments);
}

/// The arguments of a product: a, w, bias and residual where there are any, out.
class ProductArguments {
 public:
  ProductArguments(const Tensor& a, const Tensor& w, const Tensor& out,
                   const GemmOptions& options) {
    add(a);
    add(w);
    if (options.bias.valid()) add(options.bias);
    if (options.residual.valid()) add(options.residual);
    add(out);
  }
  std::span<const Argument> all() const { return std::span(arguments_).first(count_); }

 private:
  void add(const Tensor& tensor) { arguments_[count_++] = Argument(tensor); }
  std::array<Argument, 5> arguments_{nullptr, nullptr, nullptr, nullptr, nullptr};
  std::size_t count_ = 0;
};

std::array<RequestedOption, 7> product_options(const GemmOptions& options) {
  return {{{"activation", options.activation},
           {"alpha", options.alpha},
           {"bias", options.bias.valid()},
           {"layout", options.layout},
           {"math", "f32", true},
           {"out_layout", "rows", true},
           {"residual", options.residual.valid()}}};
}

/// n, from the weights; checks them, the bias and the residual.
std::int64_t product_width(const char* op, const Tensor& w, std::int64_t k,
                           const GemmOptions& options) {
  require_rank(op, "w", w, 2);
  const bool in_out = options.layout == "in_out";
  if (!in_out && options.layout != "out_in")
    refuse(op, concat("layout is '", options.layout, "', and must be out_in or in_out"));
  const std::int64_t n = w.shape()[in_out ? 1 : 0];
  require_shape(op, "w", w, in_out ? Shape{k, n} : Shape{n, k});
  if (options.bias.valid()) require_shape(op, "bias", options.bias, {n});
  return n;
}

/// The columns of a product's result, where the weights have n.
std::int64_t result_width(std::int64_t n, const GemmOptions& options) {
  return options.activation == "silu_multiply" ? n / 2 : n;
}

struct AttentionDims {
  std::int64_t batch, heads, kv_heads, q_len, kv_len, head_dim;
};

AttentionDims attention_dims(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
                             const AttentionOptions& options) {
  constexpr const char* op = "attention";
  const bool heads_first = options.layout == "bhsd";
  if (!heads_first && options.layout != "bshd")
    refuse(op, concat("layout is '", options.layout, "', and must be bhsd or bshd"));
  require_rank(op, "q", q, 4);
  require_rank(op, "k", k, 4);
  const int heads_at = heads_first ? 1 : 2, length_at = heads_first ? 2 : 1;
  const AttentionDims dims{q.shape()[0],         q.shape()[heads_at],  k.shape()[heads_at],
                           q.shape()[length_at], k.shape()[length_at], q.shape()[3]};
  const Shape kv = heads_first ? Shape{dims.batch, dims.kv_heads, dims.kv_len, dims.head_dim}
                               : Shape{dims.batch, dims.kv_len, dims.kv_heads, dims.head_dim};
  require_shape(op, "k", k, kv);
  require_shape(op, "v", v, kv);
  require_shape(op, "out", out, q.shape());
  if (dims.kv_heads == 0 || dims.heads % dims.kv_heads != 0)
    refuse(op,
           concat(dims.heads, " heads are no multiple of ", dims.kv_heads, " heads of k and v"));
  if (options.lse.valid())
    require_shape(op, "lse", options.lse, {dims.batch, dims.heads, dims.q_len});
  return dims;
}

}  // namespace

void layer_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                const Tensor& gamma, const Tensor& beta, const Tensor& out, double eps) {
  constexpr const char* op = "layer_norm";
  require_rank(op, "x", x, 1);
  const std::int64_t d_model = x.shape()[-1];
  require_shape(op, "gamma", gamma, {d_model});
  require_shape(op, "beta", beta, {d_model});
  require_shape(op, "out", out, x.shape());
  const std::array<Argument, 4> arguments{x, gamma, beta, out};
  run(library, stream, op, {{"dtype", x.dtype()}}, std::array{RequestedOption{"eps", eps}},
      std::array{Dim{"d_model", d_model}, Dim{"rows", rows_of(x)}}, arguments);
}

Tensor layer_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                  const Tensor& gamma, const Tensor& beta, double eps) {
  require_rank("layer_norm", "x", x, 1);
  Tensor out = Tensor::empty(stream, x.dtype(), x.shape());
  layer_norm(library, stream, x, gamma, beta, out, eps);
  return out;
}

void rms_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
              const Tensor& gamma, const Tensor& out, double eps) {
  constexpr const char* op = "rms_norm";
  require_rank(op, "x", x, 1);
  const std::int64_t d_model = x.shape()[-1];
  require_shape(op, "gamma", gamma, {d_model});
  require_shape(op, "out", out, x.shape());
  const std::array<Argument, 3> arguments{x, gamma, out};
  run(library, stream, op, {{"dtype", x.dtype()}}, std::array{RequestedOption{"eps", eps}},
      std::array{Dim{"d_model", d_model}, Dim{"rows", rows_of(x)}}, arguments);
}

Tensor rms_norm(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                const Tensor& gamma, double eps) {
  require_rank("rms_norm", "x", x, 1);
  Tensor out = Tensor::empty(stream, x.dtype(), x.shape());
  rms_norm(library, stream, x, gamma, out, eps);
  return out;
}

void softmax(const KernelLibrary& library, const Stream& stream, const Tensor& x, const Tensor& out,
             bool log) {
  constexpr const char* op = "softmax";
  require_rank(op, "x", x, 1);
  require_shape(op, "out", out, x.shape());
  const std::array<Argument, 2> arguments{x, out};
  run(library, stream, op, {{"dtype", x.dtype()}}, std::array{RequestedOption{"log", log}},
      std::array{Dim{"cols", x.shape()[-1]}, Dim{"rows", rows_of(x)}}, arguments);
}

Tensor softmax(const KernelLibrary& library, const Stream& stream, const Tensor& x, bool log) {
  require_rank("softmax", "x", x, 1);
  Tensor out = Tensor::empty(stream, x.dtype(), x.shape());
  softmax(library, stream, x, out, log);
  return out;
}

void transpose(const KernelLibrary& library, const Stream& stream, const Tensor& x,
               const Tensor& out) {
  constexpr const char* op = "transpose";
  require_rank(op, "x", x, 2);
  const std::int64_t rows = x.shape()[-2], cols = x.shape()[-1];
  require_shape(op, "out", out, with_last(x, 2, {cols, rows}));
  const auto extents = x.shape().extents();
  const std::array<Argument, 2> arguments{x, out};
  run(library, stream, op, {{"dtype", x.dtype()}}, std::array<RequestedOption, 0>{},
      std::array{Dim{"batch", product(extents.first(extents.size() - 2))}, Dim{"cols", cols},
                 Dim{"rows", rows}},
      arguments);
}

Tensor transpose(const KernelLibrary& library, const Stream& stream, const Tensor& x) {
  require_rank("transpose", "x", x, 2);
  Tensor out = Tensor::empty(stream, x.dtype(), with_last(x, 2, {x.shape()[-1], x.shape()[-2]}));
  transpose(library, stream, x, out);
  return out;
}

namespace {

/// split_heads and merge_heads: `split` is the tensor [batch, heads, seq_len, head_dim].
void move_heads(const char* op, const KernelLibrary& library, const Stream& stream, const Tensor& x,
                const Tensor& out, const Tensor& split) {
  const Shape& s = split.shape();
  const std::array<Argument, 2> arguments{x, out};
  run(library, stream, op, {{"dtype", x.dtype()}}, std::array<RequestedOption, 0>{},
      std::array{Dim{"batch", s[0]}, Dim{"head_dim", s[3]}, Dim{"heads", s[1]},
                 Dim{"seq_len", s[2]}},
      arguments);
}

}  // namespace

void split_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                 const Tensor& out) {
  constexpr const char* op = "split_heads";
  require_rank(op, "out", out, 4);
  const Shape& s = out.shape();
  require_shape(op, "x", x, {s[0], s[2], s[1] * s[3]});
  move_heads(op, library, stream, x, out, out);
}

Tensor split_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                   std::int64_t heads) {
  constexpr const char* op = "split_heads";
  require_rank(op, "x", x, 3);
  const Shape& s = x.shape();
  if (heads <= 0 || s[2] % heads != 0)
    refuse(op, concat("the last extent of ", x.text(), " is no multiple of ", heads, " heads"));
  Tensor out = Tensor::empty(stream, x.dtype(), {s[0], heads, s[1], s[2] / heads});
  split_heads(library, stream, x, out);
  return out;
}

void merge_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x,
                 const Tensor& out) {
  constexpr const char* op = "merge_heads";
  require_rank(op, "x", x, 4);
  const Shape& s = x.shape();
  require_shape(op, "out", out, {s[0], s[2], s[1] * s[3]});
  move_heads(op, library, stream, x, out, x);
}

Tensor merge_heads(const KernelLibrary& library, const Stream& stream, const Tensor& x) {
  require_rank("merge_heads", "x", x, 4);
  const Shape& s = x.shape();
  Tensor out = Tensor::empty(stream, x.dtype(), {s[0], s[2], s[1] * s[3]});
  merge_heads(library, stream, x, out);
  return out;
}

void gemm(const KernelLibrary& library, const Stream& stream, const Tensor& a, const Tensor& w,
          const Tensor& out, const GemmOptions& options) {
  constexpr const char* op = "gemm";
  require_rank(op, "a", a, 1);
  const std::int64_t k = a.shape()[-1], m = rows_of(a);
  const std::int64_t n = product_width(op, w, k, options);
  require_shape(op, "out", out, with_last(a, 1, {result_width(n, options)}));
  if (options.residual.valid()) require_shape(op, "residual", options.residual, out.shape());
  run(library, stream, op,
      {{"dtype", a.dtype()}, {"weight_dtype", w.dtype()}, {"out_dtype", out.dtype()}},
      product_options(options), std::array{Dim{"k", k}, Dim{"m", m}, Dim{"n", n}},
      ProductArguments(a, w, out, options).all());
}

Tensor gemm(const KernelLibrary& library, const Stream& stream, const Tensor& a, const Tensor& w,
            const GemmOptions& options) {
  require_rank("gemm", "a", a, 1);
  const std::int64_t n = product_width("gemm", w, a.shape()[-1], options);
  Tensor out = Tensor::empty(stream, a.dtype(), with_last(a, 1, {result_width(n, options)}));
  gemm(library, stream, a, w, out, options);
  return out;
}

void gemv(const KernelLibrary& library, const Stream& stream, const Tensor& x, const Tensor& w,
          const Tensor& out, const GemmOptions& options) {
  constexpr const char* op = "gemv";
  require_rank(op, "x", x, 1);
  const std::int64_t k = x.elements();
  const std::int64_t n = product_width(op, w, k, options);
  if (x.shape()[-1] != k) refuse(op, concat("'x' is ", x.text(), ", and must be one row"));
  require_shape(op, "out", out, with_last(x, 1, {result_width(n, options)}));
  if (options.residual.valid()) require_shape(op, "residual", options.residual, out.shape());
  run(library, stream, op,
      {{"dtype", x.dtype()}, {"weight_dtype", w.dtype()}, {"out_dtype", out.dtype()}},
      product_options(options), std::array{Dim{"k", k}, Dim{"n", n}},
      ProductArguments(x, w, out, options).all());
}

Tensor gemv(const KernelLibrary& library, const Stream& stream, const Tensor& x, const Tensor& w,
            const GemmOptions& options) {
  require_rank("gemv", "x", x, 1);
  const std::int64_t n = product_width("gemv", w, x.elements(), options);
  Tensor out = Tensor::empty(stream, x.dtype(), with_last(x, 1, {result_width(n, options)}));
  gemv(library, stream, x, w, out, options);
  return out;
}

void attention(const KernelLibrary& library, const Stream& stream, const Tensor& q, const Tensor& k,
               const Tensor& v, const Tensor& out, const AttentionOptions& options) {
  const AttentionDims d = attention_dims(q, k, v, out, options);
  const std::array dims{Dim{"batch", d.batch},   Dim{"head_dim", d.head_dim},
                        Dim{"heads", d.heads},   Dim{"kv_heads", d.kv_heads},
                        Dim{"kv_len", d.kv_len}, Dim{"q_len", d.q_len}};
  const RequestedDType dtype{"dtype", q.dtype()};
  std::array<RequestedOption, 6> wanted{{{"causal", options.causal},
                                         {"kv_row_stride", 0.0},
                                         {"layout", options.layout},
                                         {"lse", options.lse.valid()},
                                         {"q_row_stride", 0.0},
                                         {"scale", options.scale}}};
  const OpRequest request{"attention", {&dtype, 1}, wanted, dims};
  if (!options.lse.valid()) {
    if (const std::optional<Kernel> plain = find_kernel(library, request))
      return plain->launch_packed(stream, dims, std::array<Argument, 4>{q, k, v, out});
    wanted[3].value = true;
  }
  const Kernel kernel = resolve(library, request);
  const Tensor lse = options.lse.valid()
                         ? options.lse
                         : Tensor::empty(stream, DType::f32, {d.batch, d.heads, d.q_len});
  kernel.launch_packed(stream, dims, std::array<Argument, 5>{q, k, v, out, lse});
}

Tensor attention(const KernelLibrary& library, const Stream& stream, const Tensor& q,
                 const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  require_rank("attention", "q", q, 4);
  Tensor out = Tensor::empty(stream, q.dtype(), q.shape());
  attention(library, stream, q, k, v, out, options);
  return out;
}

}  // namespace ptxmill::rt
