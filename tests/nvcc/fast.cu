// Compiled with -use_fast_math: flushed subnormals, approximate division, roots and functions.
#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)

extern "C" __global__ void fast_f32(const float* a, const float* b, float* out, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  const float x = a[i], y = b[i];
  float* o = out + 12 * i;
  o[0] = sinf(x);
  o[1] = cosf(x);
  o[2] = expf(x);
  o[3] = logf(fabsf(x));
  o[4] = powf(fabsf(x), y);
  o[5] = x / y;
  o[6] = 1.f / sqrtf(fabsf(x));
  o[7] = exp10f(y);
  o[8] = sqrtf(fabsf(x));
  o[9] = x * y + 1.f;
  o[10] = tanhf(y);
  o[11] = fmaxf(x, y) < 3.f ? x - y : x * 1e-30f * 1e-15f;
}
