// What a kernel asks of the machine: clocks, special registers, printing, failing.
#include <cassert>
#include <cstdio>
#include <cuda_pipeline.h>

#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)
using u32 = unsigned int;
using u64 = unsigned long long;

extern "C" __global__ void special_registers(u32* out) {
  u32* o = out + 16 * (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * blockIdx.x));
  u32 v;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(v));
  o[0] = v;
  asm volatile("mov.u32 %0, %%lanemask_lt;" : "=r"(v));
  o[1] = v;
  asm volatile("mov.u32 %0, %%lanemask_ge;" : "=r"(v));
  o[2] = v;
  o[3] = threadIdx.x;
  o[4] = threadIdx.y;
  o[5] = blockDim.x;
  o[6] = blockDim.y * blockDim.z;
  o[7] = gridDim.x;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(v));
  u32 sms;
  asm volatile("mov.u32 %0, %%nsmid;" : "=r"(sms));
  o[8] = v < sms ? 1 : 0;
  asm volatile("mov.u32 %0, %%warpid;" : "=r"(v));
  u32 warps;
  asm volatile("mov.u32 %0, %%nwarpid;" : "=r"(warps));
  o[9] = v < warps ? 1 : 0;
  asm volatile("mov.u32 %0, %%dynamic_smem_size;" : "=r"(v));
  o[10] = v;
  const long long c0 = clock64();
  const u32 t0 = (u32)clock();
  u64 g0, g1;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(g0));
  __nanosleep(2000);
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(g1));
  o[11] = clock64() > c0 ? 1 : 0;
  o[12] = (u32)clock() != t0 ? 1 : 0;
  o[13] = g1 >= g0 ? 1 : 0;
  o[14] = warpSize;
  o[15] = blockIdx.x;
}

// Inline assembly: predicates, scopes of its own, branches.
extern "C" __global__ void inline_assembly(const int* in, int* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  int r;
  asm("{\n\t.reg .pred p, q;\n\t.reg .s32 t;\n\t"
      "setp.gt.s32 p|q, %1, 10;\n\t"
      "@p mul.lo.s32 t, %1, 3;\n\t"
      "@q sub.s32 t, 100, %1;\n\t"
      "@!p bra skip%=;\n\t"
      "add.s32 t, t, 1000;\n"
      "skip%=:\n\t"
      "mov.s32 %0, t;\n\t}"
      : "=r"(r)
      : "r"(in[i]));
  int s;
  asm("bfe.s32 %0, %1, 3, 7;" : "=r"(s) : "r"(in[i]));
  int u;
  asm("{.reg .b16 lo, hi; mov.b32 {lo, hi}, %1; mov.b32 %0, {hi, lo};}" : "=r"(u) : "r"(in[i]));
  int v;
  asm("vadd.s32.u32.s32.sat %0, %1, %2;" : "=r"(v) : "r"(in[i]), "r"(r));
  int w;
  asm("vabsdiff.s32.s32.s32.add %0, %1.b0, %2.b1, %3;" : "=r"(w) : "r"(in[i]), "r"(in[i]), "r"(r));
  out[5 * i] = r;
  out[5 * i + 1] = s;
  out[5 * i + 2] = u;
  out[5 * i + 3] = v;
  out[5 * i + 4] = w;
}

extern "C" __global__ void print_some(int n, double x) {
  if (threadIdx.x < 2) {
    printf("thread %u of %d: %5.2f %s %c %lld %%\n", threadIdx.x, n, x, "text", 'c', 1ll << 40);
  }
}

extern "C" __global__ void check_below(const int* in, int limit) { assert(in[INDEX] < limit); }

extern "C" __global__ void trap_at(u32 which) {
  if (INDEX == which) __trap();
}

// Memory from the device's heap.
extern "C" __global__ void heap(u32* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  u32* p = (u32*)malloc((i % 5 + 1) * sizeof(u32));
  for (u32 k = 0; k <= i % 5; ++k) p[k] = i + k;
  u32 sum = 0;
  for (u32 k = 0; k <= i % 5; ++k) sum += p[k];
  out[i] = sum;
  free(p);
}

// Two stages of copies that overlap the arithmetic.
extern "C" __global__ void pipeline(const float4* in, float4* out, u32 tiles) {
  __shared__ float4 stage[2][64];
  const u32 t = threadIdx.x;
  __pipeline_memcpy_async(&stage[0][t], in + t, sizeof(float4));
  __pipeline_commit();
  for (u32 k = 0; k < tiles; ++k) {
    if (k + 1 < tiles) {
      __pipeline_memcpy_async(&stage[(k + 1) % 2][t], in + (k + 1) * 64 + t, sizeof(float4));
    }
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
    const float4 a = stage[k % 2][t], b = stage[k % 2][63 - t];
    out[k * 64 + t] = make_float4(a.x + b.x, a.y * b.y, a.z - b.z, a.w);
    __syncthreads();
  }
}
