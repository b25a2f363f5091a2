#include "templates/lib/column_store.hpp"

namespace ptxmill::kernels {

void store_columns(Emitter& k, const StoredTensors& tensors, const std::vector<Var<ptx::f32>>& sums,
                   int panel, const U32& first_feature, const U32& first_row) {
  const MatrixEpilogueFields& epilogue = tensors.epilogue;
  const U32 lane = k.laneid();
  const U32 warp = k.tid_x() % 128 / 32;
  const Extent m = k.dim(tensors.m), n = k.dim(tensors.n);
  const Precision precision = precision_for(tensors.out.dtype());
  const U32 low = first_feature + warp * 16 + lane / 4;
  const U32 row = first_row + panel * 8 + lane % 4 * 2;
  // The upper eight features of a warp, or what their gates multiply.
  const int halves = 2 / epilogue.sums();
  for (int half = 0; half < halves; ++half) {
    const U32 feature = low + 8 * half;
    const Pred has_feature = feature < n.in();
    std::vector<F32> bias;
    for (int part = 0; epilogue.bias && part < epilogue.sums(); ++part) {
      // A feature beyond the last is not stored, and takes the last one's bias.
      const U32 own = part == 0 ? feature : feature + gate_group;
      bias.push_back(k.load(k.ptr(tensors.bias) + k.min(own, n - 1)));
    }
    for (int next : {0, 1}) {
      const U32 at = row + next;
      const auto i = static_cast<std::size_t>(column_store_sums * panel + 2 * half + next);
      const std::string name =
          "element_" + std::to_string(panel) + std::to_string(half) + std::to_string(next);
      // A branch, not a guard: under guards ptxas works out all addresses at once, and spills.
      k.if_(name, has_feature && at < m.in(), [&] {
        std::vector<F32> own{k.present(sums[i])};
        if (epilogue.is_gated()) own.push_back(k.present(sums[i + 2]));
        const U32 col = epilogue.is_gated() ? first_feature / 2 + warp * 8 + lane / 4 : feature;
        const U64 element = out_column(k, epilogue, m, n, col).in_row(k, at);
        std::vector<F32> residual;
        if (epilogue.residual) residual.push_back(k.load(k.ptr(tensors.residual) + element));
        const std::vector<F32> v = apply(k, epilogue, own, bias, residual, precision);
        k.store(k.ptr(tensors.out) + element, v[0]);
      });
    }
  }
}

}  // namespace ptxmill::kernels
