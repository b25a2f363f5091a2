// Small numerical programs.
#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)
using u32 = unsigned int;

extern "C" __global__ void mandelbrot(u32* out, u32 width, u32 height, u32 limit) {
  const u32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  const double re = -2.0 + 3.0 * x / width, im = -1.5 + 3.0 * y / height;
  double a = 0, b = 0;
  u32 k = 0;
  while (k < limit) {
    const double aa = __dmul_rn(a, a), bb = __dmul_rn(b, b);
    if (__dadd_rn(aa, bb) > 4.0) break;
    b = __dadd_rn(__dmul_rn(__dadd_rn(a, a), b), im);
    a = __dadd_rn(__dsub_rn(aa, bb), re);
    ++k;
  }
  out[y * width + x] = k;
}

// A Fourier transform of one block's 256 points in shared memory.
extern "C" __global__ void fft_256(const float2* in, float2* out) {
  __shared__ float2 s[256];
  const u32 t = threadIdx.x;
  s[__brev(t) >> 24] = in[blockIdx.x * 256 + t];
  s[__brev(t + 128) >> 24] = in[blockIdx.x * 256 + t + 128];
  __syncthreads();
  for (u32 half = 1; half < 256; half *= 2) {
    const u32 k = t & (half - 1), a = (t - k) * 2 + k, b = a + half;
    float sn, cs;
    sincospif(-(float)k / (float)half, &sn, &cs);
    const float2 x = s[a], y = s[b];
    const float2 z = {y.x * cs - y.y * sn, y.x * sn + y.y * cs};
    s[a] = {x.x + z.x, x.y + z.y};
    s[b] = {x.x - z.x, x.y - z.y};
    __syncthreads();
  }
  out[blockIdx.x * 256 + t] = s[t];
  out[blockIdx.x * 256 + t + 128] = s[t + 128];
}

// A sparse matrix times a vector, a warp a row.
extern "C" __global__ void spmv(const u32* offsets, const u32* columns, const float* values,
                                const float* x, float* y, u32 rows) {
  const u32 row = INDEX / 32, lane = threadIdx.x % 32;
  if (row >= rows) return;
  float sum = 0.f;
  for (u32 e = offsets[row] + lane; e < offsets[row + 1]; e += 32) sum += values[e] * x[columns[e]];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (lane == 0) y[row] = sum;
}

// One step of k-means in the plane: assignments and sums.
extern "C" __global__ void k_means_step(const float2* points, u32 n, const float2* centres, u32 k,
                                        u32* assigned, int* sums, u32* counts) {
  const u32 i = INDEX;
  if (i >= n) return;
  u32 best = 0;
  float least = __int_as_float(0x7f800000);
  for (u32 c = 0; c < k; ++c) {
    const float dx = points[i].x - centres[c].x, dy = points[i].y - centres[c].y;
    const float d = fmaf(dx, dx, dy * dy);
    if (d < least) least = d, best = c;
  }
  assigned[i] = best;
  atomicAdd(sums + 2 * best, (int)points[i].x);
  atomicAdd(sums + 2 * best + 1, (int)points[i].y);
  atomicAdd(counts + best, 1u);
}

// A Jacobi step in two dimensions.
extern "C" __global__ void jacobi(const double* in, double* out, u32 n) {
  const u32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= n || y >= n) return;
  const bool edge = x == 0 || y == 0 || x == n - 1 || y == n - 1;
  out[y * n + x] = edge ? in[y * n + x]
                        : 0.25 * (in[y * n + x - 1] + in[y * n + x + 1] + in[(y - 1) * n + x] +
                                  in[(y + 1) * n + x]);
}

// Simpson's rule over a template's function, one interval a thread.
template <class F>
__device__ double simpson(F f, double a, double b) {
  return (b - a) / 6 * (f(a) + 4 * f((a + b) / 2) + f(b));
}
extern "C" __global__ void integrate(double from, double to, double* total, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  const double h = (to - from) / n, a = from + h * i;
  atomicAdd(total, simpson([](double x) { return exp(-x * x) * cos(3 * x); }, a, a + h));
}

// Edit distance of each pair of short words, by dynamic programming.
extern "C" __global__ void edit_distance(const char* words, u32 length, u32* distance, u32 count) {
  const u32 a = blockIdx.x * blockDim.x + threadIdx.x, b = blockIdx.y * blockDim.y + threadIdx.y;
  if (a >= count || b >= count) return;
  unsigned char row[17];
  for (u32 j = 0; j <= length; ++j) row[j] = (unsigned char)j;
  for (u32 i = 1; i <= length; ++i) {
    unsigned char diagonal = row[0];
    row[0] = (unsigned char)i;
    for (u32 j = 1; j <= length; ++j) {
      const unsigned char above = row[j];
      const int swap = diagonal + (words[a * length + i - 1] != words[b * length + j - 1]);
      row[j] = (unsigned char)min(min(above + 1, row[j - 1] + 1), swap);
      diagonal = above;
    }
  }
  distance[a * count + b] = row[length];
}
