// Shared memory and barriers.
#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)
using u32 = unsigned int;

extern "C" __global__ void transpose(const float* in, float* out, u32 rows, u32 cols) {
  __shared__ float tile[32][33];
  u32 x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
  for (u32 j = 0; j < 32; j += 8) {
    if (x < cols && y + j < rows) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * cols + x];
  }
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x;
  y = blockIdx.x * 32 + threadIdx.y;
  for (u32 j = 0; j < 32; j += 8) {
    if (x < rows && y + j < cols) out[(y + j) * rows + x] = tile[threadIdx.x][threadIdx.y + j];
  }
}

extern "C" __global__ void matrix_product(const float* a, const float* b, float* c, u32 n) {
  __shared__ float ta[16][16], tb[16][16];
  const u32 row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
  float sum = 0.f;
  for (u32 k = 0; k < n; k += 16) {
    ta[threadIdx.y][threadIdx.x] =
        row < n && k + threadIdx.x < n ? a[row * n + k + threadIdx.x] : 0.f;
    tb[threadIdx.y][threadIdx.x] =
        col < n && k + threadIdx.y < n ? b[(k + threadIdx.y) * n + col] : 0.f;
    __syncthreads();
    for (u32 j = 0; j < 16; ++j) sum += ta[threadIdx.y][j] * tb[j][threadIdx.x];
    __syncthreads();
  }
  if (row < n && col < n) c[row * n + col] = sum;
}

// A histogram of bytes: in shared memory first.
extern "C" __global__ void histogram(const unsigned char* in, u32 n, u32* bins) {
  __shared__ u32 local[256];
  for (u32 k = threadIdx.x; k < 256; k += blockDim.x) local[k] = 0;
  __syncthreads();
  for (u32 i = INDEX; i < n; i += gridDim.x * blockDim.x) atomicAdd(&local[in[i]], 1u);
  __syncthreads();
  for (u32 k = threadIdx.x; k < 256; k += blockDim.x) {
    if (local[k] != 0) atomicAdd(&bins[k], local[k]);
  }
}

// An exclusive scan of a block's worth, work-efficient, in dynamic shared memory.
extern "C" __global__ void scan(const u32* in, u32* out, u32 n) {
  extern __shared__ u32 s[];
  const u32 t = threadIdx.x;
  s[2 * t] = 2 * t < n ? in[2 * t] : 0;
  s[2 * t + 1] = 2 * t + 1 < n ? in[2 * t + 1] : 0;
  u32 offset = 1;
  for (u32 d = blockDim.x; d > 0; d >>= 1) {
    __syncthreads();
    if (t < d) s[offset * (2 * t + 2) - 1] += s[offset * (2 * t + 1) - 1];
    offset *= 2;
  }
  if (t == 0) s[2 * blockDim.x - 1] = 0;
  for (u32 d = 1; d <= blockDim.x; d *= 2) {
    offset >>= 1;
    __syncthreads();
    if (t < d) {
      const u32 a = offset * (2 * t + 1) - 1, b = offset * (2 * t + 2) - 1;
      const u32 x = s[a];
      s[a] = s[b];
      s[b] += x;
    }
  }
  __syncthreads();
  if (2 * t < n) out[2 * t] = s[2 * t];
  if (2 * t + 1 < n) out[2 * t + 1] = s[2 * t + 1];
}

// Barriers that count and vote, and named ones between halves of a block.
extern "C" __global__ void barriers(const int* in, int* out) {
  __shared__ int box[128];
  const int x = in[INDEX];
  int* o = out + 4 * INDEX;
  o[0] = __syncthreads_count(x > 0);
  o[1] = __syncthreads_and(x > -100);
  o[2] = __syncthreads_or(x == 42);
  // The first half produces, the second consumes.
  if (threadIdx.x < 64) {
    box[threadIdx.x] = x * 2;
    asm volatile("bar.arrive 1, 128;" ::: "memory");
    o[3] = 0;
  } else {
    asm volatile("bar.sync 1, 128;" ::: "memory");
    o[3] = box[threadIdx.x - 64];
  }
}

// A stencil in one dimension with a halo.
template <int radius>
__device__ void stencil(const float* in, float* out, u32 n) {
  __shared__ float s[256 + 2 * radius];
  const u32 i = INDEX;
  const int t = (int)threadIdx.x + radius;
  s[t] = i < n ? in[i] : 0.f;
  if (threadIdx.x < radius) {
    s[t - radius] = i >= radius && i - radius < n ? in[i - radius] : 0.f;
    s[t + 256] = i + 256 < n ? in[i + 256] : 0.f;
  }
  __syncthreads();
  float sum = 0.f;
  for (int k = -radius; k <= radius; ++k) sum += s[t + k] * (float)(radius + 1 - abs(k));
  if (i < n) out[i] = sum;
}
extern "C" __global__ void stencil_3(const float* in, float* out, u32 n) { stencil<3>(in, out, n); }

// Game of life on a torus, several generations in one block.
extern "C" __global__ void life(const unsigned char* in, unsigned char* out, int generations) {
  __shared__ unsigned char cells[2][32][32];
  const int x = threadIdx.x, y = threadIdx.y;
  cells[0][y][x] = in[y * 32 + x];
  __syncthreads();
  for (int g = 0; g < generations; ++g) {
    int alive = 0;
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 1; ++dx) {
        if (dx != 0 || dy != 0) alive += cells[g & 1][(y + dy) & 31][(x + dx) & 31];
      }
    }
    const bool was = cells[g & 1][y][x] != 0;
    cells[(g + 1) & 1][y][x] = alive == 3 || (was && alive == 2);
    __syncthreads();
  }
  out[y * 32 + x] = cells[generations & 1][y][x];
}
