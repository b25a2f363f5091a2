// elementwise: a chain of operations on each element of a matrix, in one pass over memory.
#include "templates/emitter.hpp"
#include "templates/lib/activations.hpp"

namespace ptxmill::kernels {
namespace {

class Elementwise final : public Template {
 public:
  DtypeField dtype{*this, "dtype", "element type of every tensor", {Dtype::f32}};
  ChoiceList ops{*this, "ops", "the operations, applied in this order: add (a second tensor), scale (a launch "
                 "argument), bias (one value a column), and activations",
                 {"add", "scale", "bias", "relu", "gelu", "gelu_tanh", "silu"}, 8};
  Dim rows{*this, "rows", "rows of the matrix", {.min = 0, .dynamic_by_default = true}};
  Dim cols{*this, "cols", "columns of the matrix", {.dynamic_by_default = true}};
  Integer block{*this, "block", "threads of a CTA", 256, {.min = 32, .max = 1024, .multiple_of = 32}};

  Tensor x{*this, "x", Direction::in, dtype, "the input", [this] { return Shape{rows, cols}; }};
  Tensor y{*this, "y", Direction::in, dtype, "what `add` adds", [this] { return Shape{rows, cols}; },
           [this] { return ops.has("add"); }};
  Scalar factor{*this, "factor", "what `scale` multiplies by", [this] { return ops.has("scale"); }};
  Tensor bias{*this, "bias", Direction::in, dtype, "what `bias` adds to each row", [this] { return Shape{cols}; },
              [this] { return ops.has("bias"); }};
  Tensor out{*this, "out", Direction::out, dtype, "the result; may be x or y", [this] { return Shape{rows, cols}; }};

  void check() const override {
    for (const char* once : {"add", "scale", "bias"})
      if (std::count(ops.get().begin(), ops.get().end(), once) > 1)
        refuse(ops, std::string("\"") + once + "\" may stand once");
  }

  std::vector<Form> forms() const override {
    return {{.name = "vec4", .when = {{.dim = &cols, .multiple_of = 4}}, .vector = 4}, {.name = "scalar"}};
  }

  // A CTA walks rows (y) and pieces of a row (x): no division to find a bias's column.
  Launch launch(const Form& form) const override {
    const Expr per_row = ceil_div(cols, std::int64_t{block} * form.vector);
    return {.grid = {per_row, min(rows, Expr(65535)), 1}, .block = {block, 1, 1}};
  }

  void emit(Emitter& k, const Form& form) const override;

 private:
  void apply(Emitter& k, std::vector<F32>& v, const U64& element, const U32& col) const;
};

void Elementwise::apply(Emitter& k, std::vector<F32>& v, const U64& element, const U32& col) const {
  const int width = static_cast<int>(v.size());
  for (const std::string& op : ops.get()) {
    if (op == "add") {
      const std::vector<F32> other = k.load_vector(k.ptr(y) + element, width);
      for (int i : unroll(width)) v[i] = v[i] + other[i];
    } else if (op == "bias") {
      const std::vector<F32> b = k.load_vector(k.ptr(bias) + col, width);
      for (int i : unroll(width)) v[i] = v[i] + b[i];
    } else if (op == "scale") {
      for (int i : unroll(width)) v[i] = v[i] * k.scalar(factor);
    } else {
      for (int i : unroll(width)) v[i] = activation(k, op, v[i]);
    }
  }
}

void Elementwise::emit(Emitter& k, const Form& form) const {
  const Extent width = k.dim(cols);
  const U32 col = k.let("col", (k.ctaid_x() * block.get() + k.tid_x()) * form.vector);
  k.exit_if(col >= width);
  k.for_range("row", k.ctaid_y(), k.dim(rows), k.nctaid_y(), [&](const U32& row) {
    k.phase("load, apply, store", [&] {
      // 64 bits: a tensor may hold more than 2^32 elements.
      const U64 element = k.mad_wide(row, width, k.cvt<ptx::u64>(col));
      std::vector<F32> v = k.load_vector(k.ptr(x) + element, form.vector);
      apply(k, v, element, col);
      k.store_vector(k.ptr(out) + element, v);
    });
  });
}

PTXMILL_TEMPLATE(Elementwise, "elementwise", "A chain of operations on each element, in one pass over memory.");

}  // namespace
}  // namespace ptxmill::kernels
