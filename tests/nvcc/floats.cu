// Floating point: rounding modes, conversions, and the mathematical library.
#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)

// out[24 * i ...]
extern "C" __global__ void rounding_f32(const float* a, const float* b, const float* c, float* out,
                                        unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const float x = a[i], y = b[i], z = c[i];
  float* o = out + 24 * i;
  o[0] = __fadd_rn(x, y);
  o[1] = __fadd_rz(x, y);
  o[2] = __fadd_rd(x, y);
  o[3] = __fadd_ru(x, y);
  o[4] = __fmul_rn(x, y);
  o[5] = __fmul_rz(x, y);
  o[6] = __fmul_rd(x, y);
  o[7] = __fmul_ru(x, y);
  o[8] = __fmaf_rn(x, y, z);
  o[9] = __fmaf_rz(x, y, z);
  o[10] = __fmaf_rd(x, y, z);
  o[11] = __fmaf_ru(x, y, z);
  o[12] = __fdiv_rn(x, y);
  o[13] = __fdiv_rz(x, y);
  o[14] = __fdiv_rd(x, y);
  o[15] = __fdiv_ru(x, y);
  o[16] = __fsqrt_rn(fabsf(x));
  o[17] = __fsqrt_rz(fabsf(x));
  o[18] = __fsqrt_rd(fabsf(x));
  o[19] = __fsqrt_ru(fabsf(x));
  o[20] = __frcp_rn(x);
  o[21] = __frcp_ru(x);
  o[22] = __saturatef(x);
  o[23] = fminf(fmaxf(x, y), copysignf(z, x));
}

extern "C" __global__ void rounding_f64(const double* a, const double* b, const double* c,
                                        double* out, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const double x = a[i], y = b[i], z = c[i];
  double* o = out + 16 * i;
  o[0] = __dadd_rn(x, y);
  o[1] = __dadd_rz(x, y);
  o[2] = __dadd_rd(x, y);
  o[3] = __dadd_ru(x, y);
  o[4] = __dmul_rz(x, y);
  o[5] = __dmul_rd(x, y);
  o[6] = __fma_rn(x, y, z);
  o[7] = __fma_rz(x, y, z);
  o[8] = __fma_ru(x, y, z);
  o[9] = __ddiv_rn(x, y);
  o[10] = __ddiv_rd(x, y);
  o[11] = __dsqrt_rn(fabs(x));
  o[12] = __dsqrt_ru(fabs(x));
  o[13] = __drcp_rz(x);
  o[14] = fmin(x, y);
  o[15] = fmax(fabs(x), -y);
}

// Conversions from floating point; integers saturate.
extern "C" __global__ void from_floats(const float* a, const double* b, long long* out,
                                       unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const float x = a[i];
  const double y = b[i];
  long long* o = out + 20 * i;
  o[0] = __float2int_rn(x);
  o[1] = __float2int_rz(x);
  o[2] = __float2int_rd(x);
  o[3] = __float2int_ru(x);
  o[4] = __float2uint_rn(x);
  o[5] = __float2uint_rz(x);
  o[6] = __float2ll_rn(x);
  o[7] = __float2ll_rd(x);
  o[8] = (long long)__float2ull_ru(x);
  o[9] = __double2int_rn(y);
  o[10] = __double2int_rd(y);
  o[11] = __double2uint_rz(y);
  o[12] = __double2ll_rz(y);
  o[13] = (long long)__double2ull_rn(y);
  o[14] = __float_as_int(__double2float_rn(y));
  o[15] = __float_as_int(__double2float_rz(y));
  o[16] = __float_as_int(__double2float_ru(y));
  o[17] = __float_as_int(rintf(x)) ^ __float_as_int(truncf(x));
  o[18] = __float_as_int(floorf(x)) ^ __float_as_int(ceilf(x));
  o[19] = __double_as_longlong(rint(y)) ^ __double_as_longlong(floor(y));
}

// Conversions from integers.
extern "C" __global__ void from_integers(const long long* a, double* out, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const long long x = a[i];
  double* o = out + 12 * i;
  o[0] = __int2float_rn((int)x);
  o[1] = __int2float_rz((int)x);
  o[2] = __uint2float_rd((unsigned)x);
  o[3] = __ll2float_rn(x);
  o[4] = __ll2float_ru(x);
  o[5] = __ull2float_rz((unsigned long long)x);
  o[6] = __ll2double_rn(x);
  o[7] = __ll2double_rd(x);
  o[8] = __ull2double_ru((unsigned long long)x);
  o[9] = (double)(signed char)x;
  o[10] = (float)(unsigned short)x;
  o[11] = __hiloint2double((int)(x >> 32) & 0x3fffffff, (int)x);
}

// The library in single precision, out[20 * i ...].
extern "C" __global__ void library_f32(const float* a, const float* b, float* out, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const float x = a[i], y = b[i];
  float* o = out + 20 * i;
  o[0] = sinf(x);
  o[1] = cosf(x);
  o[2] = tanf(x);
  o[3] = expf(x);
  o[4] = logf(fabsf(x));
  o[5] = powf(fabsf(x), y);
  o[6] = erff(x);
  o[7] = tanhf(x);
  o[8] = atan2f(x, y);
  o[9] = cbrtf(x);
  o[10] = fmodf(x, y);
  o[11] = log1pf(fabsf(x));
  o[12] = expm1f(x);
  o[13] = asinf(x * 0.01f);
  o[14] = hypotf(x, y);
  o[15] = rsqrtf(fabsf(x));
  o[16] = exp2f(x);
  o[17] = lgammaf(fabsf(x) + 0.5f);
  o[18] = roundf(x);
  o[19] = ldexpf(y, (int)x);
}

extern "C" __global__ void library_f64(const double* a, const double* b, double* out, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const double x = a[i], y = b[i];
  double* o = out + 12 * i;
  o[0] = sin(x);
  o[1] = cos(x);
  o[2] = exp(x);
  o[3] = log(fabs(x));
  o[4] = pow(fabs(x), y);
  o[5] = erf(x);
  o[6] = tanh(x);
  o[7] = atan2(x, y);
  o[8] = cbrt(x);
  o[9] = fmod(x, y);
  o[10] = sqrt(fabs(x)) / (y + 100.0);
  o[11] = rsqrt(fabs(x));
}
