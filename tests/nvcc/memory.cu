// State spaces: constants, module variables, local arrays, vectors, generic pointers.
#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)
using u32 = unsigned int;

__constant__ float weights[4][4] = {{1, 2, 3, 4}, {.5f, .25f, .125f, 0}, {-1, -2, -3, -4}, {7}};
__constant__ u32 host_filled[64];
__device__ int table[8] = {3, 1, 4, 1, 5, 9, 2, 6};
__device__ int* pointer_to_table = table + 2;
__device__ const char* const names[3] = {"zero", "one", "two"};
__device__ double scalar = 2.5;
__device__ u32 uninitialised[16];
__device__ struct {
  char c;
  double d;
  short s[3];
} record = {'x', 0.125, {1, -2, 3}};

extern "C" __global__ void module_variables(double* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  double* o = out + 8 * i;
  o[0] = weights[i % 4][i / 4 % 4];
  o[1] = host_filled[i % 64];
  o[2] = table[i % 8] + pointer_to_table[i % 6];
  o[3] = names[i % 3][i % 4];
  o[4] = scalar * (double)i;
  o[5] = atomicAdd(&uninitialised[i % 16], 0u);
  o[6] = record.d + record.s[i % 3] + record.c;
  o[7] = (double)(u32)((const char*)&table[1] - (const char*)table);
}

extern "C" __global__ void write_variables(int add) {
  if (INDEX < 8) table[INDEX] += add;
  if (INDEX == 0) scalar = add * 0.5;
}

struct Big {
  int words[40];
  float scale;
};

// A parameter of many bytes, indexed while running.
extern "C" __global__ void big_parameter(const Big big, const u32* index, float* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  out[i] = (float)big.words[index[i] % 40] * big.scale;
}

// A local array that stays in memory.
extern "C" __global__ void local_array(const u32* in, u32* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  u32 ring[17];
  for (u32 k = 0; k < 17; ++k) ring[k] = k * k;
  u32 x = in[i];
  for (u32 k = 0; k < 40; ++k) {
    ring[x % 17] += x;
    x = x * 1664525u + 1013904223u + ring[k % 17];
  }
  out[i] = ring[in[i] % 17] ^ x;
}

extern "C" __global__ void vectors(const float4* a, const uchar4* b, const longlong2* c,
                                   const short2* d, float4* out, longlong2* wide, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  const float4 x = a[i];
  const uchar4 y = __ldg(b + i);
  const short2 w = d[i];
  const longlong2 z = c[i];
  out[i] = make_float4(x.x + y.x, x.y * y.y, x.z - (float)w.x, x.w + (float)(w.y * y.w));
  wide[i] = make_longlong2(z.y - z.x, z.x ^ z.y);
}

// Which space a generic pointer leads to is known when it runs.
__device__ __noinline__ int read_through(const int* p, int k) { return p[k]; }
extern "C" __global__ void generic_pointers(const int* global, int* out, u32 n) {
  __shared__ int shared[64];
  int local[4] = {10, 20, 30, 40};
  const u32 i = INDEX;
  if (threadIdx.x < 64) shared[threadIdx.x] = (int)threadIdx.x * 3;
  __syncthreads();
  if (i >= n) return;
  local[i % 4] += (int)i;
  const int* p = i % 3 == 0 ? global : i % 3 == 1 ? shared : local;
  out[i] = read_through(p, (int)(i % 4)) + (__isShared(p) ? 1000 : 0) + (__isGlobal(p) ? 2000 : 0) +
           (__isLocal(p) ? 4000 : 0);
}

union Bits {
  double d;
  struct {
    u32 lo, hi;
  } w;
  unsigned char b[8];
};

extern "C" __global__ void unions_and_copies(const double* in, u32* out, char* bytes, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  Bits x;
  x.d = in[i];
  x.b[i % 8] ^= 0x5a;
  out[2 * i] = x.w.lo;
  out[2 * i + 1] = x.w.hi;
  memset(bytes + 16 * i, (int)i, 16);
  memcpy(bytes + 16 * i + 3, &x, 8);
}

// Search for a word in a text; the matches are counted in one place a word.
extern "C" __global__ void find_words(const char* text, u32 length, const char* words,
                                      const u32* starts, u32 count, u32* matches) {
  const u32 i = INDEX;
  if (i >= length) return;
  for (u32 w = 0; w < count; ++w) {
    u32 k = starts[w];
    const u32 end = starts[w + 1];
    u32 j = i;
    while (k < end && j < length && text[j] == words[k]) ++j, ++k;
    if (k == end) atomicAdd(matches + w, 1u);
  }
}
