// f16 and bf16, alone and in pairs.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)

// out[16 * i ...] from pairs.
extern "C" __global__ void half_arithmetic(const __half2* a, const __half2* b, const __half2* c,
                                           __half2* out, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const __half2 x = a[i], y = b[i], z = c[i];
  __half2* o = out + 16 * i;
  o[0] = __hadd2(x, y);
  o[1] = __hsub2(x, y);
  o[2] = __hmul2(x, y);
  o[3] = __hfma2(x, y, z);
  o[4] = __hfma2_relu(x, y, z);
  o[5] = __hadd2_sat(x, y);
  o[6] = __hmax2(x, y);
  o[7] = __hmin2_nan(x, y);
  o[8] = __habs2(x);
  o[9] = __hneg2(x);
  o[10] = __h2div(x, y);
  o[11] = __hgt2(x, y);
  o[12] = __hne2(x, y);
  o[13] = __halves2half2(__high2half(x), __low2half(y));
  o[14] = __hmul2_sat(x, y);
  o[15] = __halves2half2(__hadd_sat(x.x, y.x), __hfma_sat(x.y, y.y, z.y));
}

extern "C" __global__ void bfloat_arithmetic(const __nv_bfloat162* a, const __nv_bfloat162* b,
                                             const __nv_bfloat162* c, __nv_bfloat162* out,
                                             unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const __nv_bfloat162 x = a[i], y = b[i], z = c[i];
  __nv_bfloat162* o = out + 8 * i;
  o[0] = __hadd2(x, y);
  o[1] = __hmul2(x, y);
  o[2] = __hfma2(x, y, z);
  o[3] = __hfma2_relu(x, y, z);
  o[4] = __hmax2(x, y);
  o[5] = __hmin2_nan(x, y);
  o[6] = __hneg2(__habs2(x));
  o[7] = __hsub2(x, y);
}

// Between the half formats and the others: rounding, integers, saturation.
extern "C" __global__ void half_conversions(const float* a, const __half* h, unsigned* out,
                                            unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const float x = a[i];
  const __half y = h[i];
  unsigned* o = out + 20 * i;
  o[0] = __half_as_ushort(__float2half_rn(x));
  o[1] = __half_as_ushort(__float2half_rz(x));
  o[2] = __half_as_ushort(__float2half_rd(x));
  o[3] = __half_as_ushort(__float2half_ru(x));
  o[4] = __float_as_uint(__half2float(y));
  o[5] = __half2int_rn(y);
  o[6] = __half2int_rd(y);
  o[7] = __half2uint_rz(y);
  o[8] = (unsigned short)__half2short_rn(y);
  o[9] = __half_as_ushort(__int2half_rn((int)x));
  o[10] = __half_as_ushort(__ushort2half_rz((unsigned short)(int)x));
  o[11] = __half_as_ushort(hrint(y));
  o[12] = __half_as_ushort(hfloor(y));
  o[13] = __half_as_ushort(htrunc(y));
  o[14] = __bfloat16_as_ushort(__float2bfloat16_rn(x));
  o[15] = __bfloat16_as_ushort(__float2bfloat16_rz(x));
  o[16] = __bfloat16_as_ushort(__float2bfloat16_ru(x));
  const __half2 pair = __floats2half2_rn(x, -x);
  o[17] = *(const unsigned*)&pair;
  const __nv_bfloat162 wide = __floats2bfloat162_rn(x, 2.f * x);
  o[18] = *(const unsigned*)&wide;
  o[19] = __half_as_ushort(__double2half((double)x));
}

// The functions of the half library.
extern "C" __global__ void half_library(const __half2* a, __half2* out, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const __half2 x = a[i];
  __half2* o = out + 10 * i;
  o[0] = h2exp(x);
  o[1] = h2log(__habs2(x));
  o[2] = h2sqrt(__habs2(x));
  o[3] = h2rcp(x);
  o[4] = h2sin(x);
  o[5] = h2cos(x);
  o[6] = h2exp2(x);
  o[7] = h2rsqrt(__habs2(x));
  o[8] = h2tanh(x);
  o[9] = __halves2half2(hexp10(x.x), hlog2(__habs(x.y)));
}

// A dot product in pairs with atomics on f16x2 and bf16x2.
extern "C" __global__ void half_atomics(const __half2* a, __half2* sum, __nv_bfloat162* sum_bf,
                                        unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  atomicAdd(sum, a[i]);
  atomicAdd(sum_bf, __floats2bfloat162_rn(__low2float(a[i]), __high2float(a[i])));
}
