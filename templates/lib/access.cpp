#include "templates/lib/access.hpp"

#include <array>

namespace ptxmill::kernels {
namespace {

/// a * b in 64 bits.
U64 product(Emitter& k, const Extent& a, const Extent& b) {
  if (a.is_static() && b.is_static()) return k.constant<ptx::u64>(a.get() * b.get());
  if (b.is(1)) return k.cvt<ptx::u64>(a.value());
  return k.mul_wide(a, b);
}

}  // namespace

std::vector<int> vector_widths(const Dim& dim, Dtype dtype) {
  // A kernel for any extent has few forms: each is a file that review reads. Models whose speed
  // matters fix the extent, which leaves one form.
  if (dtype == Dtype::f32 || !dim.is_static()) return {widest_vector(dtype)};
  return {widest_vector(dtype), 4, 2};
}

std::vector<Form> vector_forms(const Dim& dim, Dtype dtype) {
  std::vector<Form> all;
  for (const int width : vector_widths(dim, dtype))
    all.push_back({.name = "vec" + std::to_string(width),
                   .when = {{.dim = &dim, .multiple_of = width}},
                   .vector = width});
  all.push_back({.name = "scalar"});
  return all;
}

ElementPtr advance(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b) {
  constexpr std::int64_t most = 1 << 28;  // elements of a constant offset
  if (a.is(0)) return p;
  if (a.is_static() && b.is_static() && b.get() <= most / a.get()) return p + a * b;
  return p + product(k, a, b);
}

ElementPtr go_back(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b) {
  if (a.is(0)) return p;
  const U64 bytes = product(k, a, b) * spec::size_bytes(p.dtype());
  return {p.dtype(), p.base() - bytes, p.offset()};
}

std::vector<F32> load_shared(Emitter& k, const SharedPtr<ptx::f32>& p, int n) {
  if (n == 1) return {k.load(p)};
  if (n == 2) {
    const auto v = k.load<2>(p);
    return {v.begin(), v.end()};
  }
  const auto v = k.load<4>(p);
  return {v.begin(), v.end()};
}

std::vector<F32> add_shared(Emitter& k, const SharedPtr<ptx::f32>& p, int n, int parts, int apart) {
  std::vector<F32> sums = load_shared(k, p, n);
  for (int part = 1; part < parts; ++part) {
    const std::vector<F32> own = load_shared(k, p + part * apart, n);
    for (int i : unroll(n)) sums[i] = sums[i] + own[i];
  }
  return sums;
}

void store_shared(Emitter& k, const SharedPtr<ptx::f32>& p, const std::vector<F32>& v) {
  if (v.size() == 8) {
    store_shared(k, p, {v.begin(), v.begin() + 4});
    store_shared(k, p + 4, {v.begin() + 4, v.end()});
  } else if (v.size() == 1)
    k.store(p, v[0]);
  else if (v.size() == 2)
    k.store(p, std::array<F32, 2>{v[0], v[1]});
  else
    k.store(p, std::array<F32, 4>{v[0], v[1], v[2], v[3]});
}

}  // namespace ptxmill::kernels
