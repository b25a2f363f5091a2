// What the lanes of a warp do together, and cooperative groups.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

namespace cg = cooperative_groups;
#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)

// out[16 * i ...]
extern "C" __global__ void shuffles_and_votes(const int* in, int* out) {
  const unsigned i = INDEX, lane = threadIdx.x % 32;
  const int x = in[i];
  int* o = out + 16 * i;
  o[0] = __shfl_sync(0xffffffffu, x, (lane * 7 + 3) % 32);
  o[1] = __shfl_up_sync(0xffffffffu, x, 3);
  o[2] = __shfl_down_sync(0xffffffffu, x, 5, 16);
  o[3] = __shfl_xor_sync(0xffffffffu, x, 9);
  o[4] = __ballot_sync(0xffffffffu, x > 0);
  o[5] = __any_sync(0xffffffffu, x == 7);
  o[6] = __all_sync(0xffffffffu, x > -1000);
  o[7] = __match_any_sync(0xffffffffu, x & 3);
  int same = 0;
  o[8] = __match_all_sync(0xffffffffu, x >> 20, &same);
  o[9] = same;
  o[10] = __reduce_add_sync(0xffffffffu, x);
  o[11] = __reduce_min_sync(0xffffffffu, x);
  o[12] = (int)__reduce_max_sync(0xffffffffu, (unsigned)x);
  o[13] = (int)__reduce_xor_sync(0xffffffffu, (unsigned)x);
  const double d = __shfl_sync(0xffffffffu, (double)x * 0.5, lane ^ 1);
  o[14] = (int)d;
  o[15] = 0;
  if (x & 1) {
    const unsigned odd = __activemask();
    o[15] = __popc(odd & ((1u << lane) - 1)) + 100;
  }
}

// The sum of an array: warps, then a block, then an atomic.
extern "C" __global__ void reduce_sum(const float* in, float* out, unsigned n) {
  __shared__ float partial[32];
  float sum = 0.f;
  for (unsigned i = INDEX; i < n; i += gridDim.x * blockDim.x) sum += in[i];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.f;
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (threadIdx.x == 0) atomicAdd(out, sum);
  }
}

// Sorts 32 keys a warp in registers, then 1024 a block in shared memory.
extern "C" __global__ void bitonic_sort(unsigned* keys) {
  __shared__ unsigned s[1024];
  const unsigned t = threadIdx.x;
  s[t] = keys[blockIdx.x * 1024 + t];
  __syncthreads();
  for (unsigned k = 2; k <= 1024; k *= 2) {
    for (unsigned j = k / 2; j > 0; j /= 2) {
      const unsigned other = t ^ j;
      if (other > t) {
        const bool up = (t & k) == 0;
        const unsigned a = s[t], b = s[other];
        if ((a > b) == up) {
          s[t] = b;
          s[other] = a;
        }
      }
      __syncthreads();
    }
  }
  keys[blockIdx.x * 1024 + t] = s[t];
}

// Cooperative groups: tiles, coalesced threads, block sync, reduce and scan.
extern "C" __global__ void groups(const int* in, int* out, int* odd_count) {
  cg::thread_block block = cg::this_thread_block();
  cg::thread_block_tile<32> warp = cg::tiled_partition<32>(block);
  cg::thread_block_tile<8> eight = cg::tiled_partition<8>(warp);
  const int x = in[block.group_index().x * block.size() + block.thread_rank()];
  int* o = out + 8 * (block.group_index().x * block.size() + block.thread_rank());
  o[0] = cg::reduce(warp, x, cg::plus<int>());
  o[1] = cg::reduce(eight, x, cg::greater<int>());
  o[2] = cg::inclusive_scan(eight, x);
  o[3] = eight.shfl(x, 2) + (int)eight.meta_group_rank();
  o[4] = (int)warp.ballot(x > 0);
  o[5] = cg::exclusive_scan(warp, x);
  o[6] = eight.any(x == 5) ? (int)eight.thread_rank() : -1;
  o[7] = -1;
  if (x % 2 != 0) {
    cg::coalesced_group odd = cg::coalesced_threads();
    o[7] = (int)odd.thread_rank() + 100 * (int)odd.size() + 10000 * odd.shfl(x, 0);
    if (odd.thread_rank() == 0) atomicAdd(odd_count, (int)odd.size());
  }
  block.sync();
}

// Lanes leave a loop one by one, and meet again.
extern "C" __global__ void collatz(const unsigned* in, unsigned* steps, unsigned n) {
  const unsigned i = INDEX;
  if (i >= n) return;
  unsigned long long x = in[i];
  unsigned count = 0;
  while (x != 1) {
    if (x & 1) {
      x = 3 * x + 1;
    } else {
      x >>= 1;
    }
    ++count;
  }
  steps[i] = count;
  steps[n + i] = __popc(__ballot_sync(__activemask(), count & 1)) > 32 ? 1 : 0;
}

// All blocks of the grid meet, several times (needs a cooperative launch).
extern "C" __global__ void grid_meeting(unsigned* counts, unsigned rounds) {
  cg::grid_group grid = cg::this_grid();
  for (unsigned r = 0; r < rounds; ++r) {
    atomicAdd(counts + r, 1u);
    grid.sync();
    if (counts[r] != grid.size()) atomicAdd(counts + rounds, 1u);
  }
}
