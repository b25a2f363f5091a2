// Atomics, memory orders, and what is built of them.
#include <cuda/atomic>

#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)
using u32 = unsigned int;
using u64 = unsigned long long;

// All threads change the same places.
extern "C" __global__ void atomic_kinds(int* i32, u32* w32, u64* w64, float* f32, double* f64,
                                        u32* seen) {
  const u32 i = INDEX;
  atomicAdd(i32, (int)i - 50);
  atomicSub(i32 + 1, (int)i);
  atomicMin(i32 + 2, (int)(i * 7919 % 1000) - 500);
  atomicMax(i32 + 3, (int)(i * 7919 % 1000) - 500);
  atomicInc(w32, 99);
  atomicDec(w32 + 1, 77);
  atomicAnd(w32 + 2, ~(1u << (i % 20)));
  atomicOr(w32 + 3, 1u << (i % 30));
  atomicXor(w32 + 4, i * 2654435761u);
  const u32 before = atomicExch(w32 + 5, i + 1);
  if (before != 0) atomicAdd(w32 + 6, before);
  atomicAdd(w64, (u64)i << 33);
  atomicMax(w64 + 1, (u64)i * 0x100000001ull);
  atomicCAS(w64 + 2, 0ull, (u64)i + 1);
  atomicAdd(f32, 0.5f * (float)(i % 8));
  atomicAdd(f64, 0.25 * (double)i);
  const u32 place = atomicAdd(w32 + 7, 1u);
  seen[place] = i;
}

__device__ float atomic_min(float* p, float v) {
  int* as_int = (int*)p;
  int old = *as_int;
  while (__int_as_float(old) > v) {
    const int assumed = old;
    old = atomicCAS(as_int, assumed, __float_as_int(v));
    if (old == assumed) break;
  }
  return __int_as_float(old);
}

extern "C" __global__ void cas_loops(const float* in, float* least, unsigned short* halves, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  atomic_min(least, in[i]);
  unsigned short assumed, old = 0;
  do {
    assumed = old;
    old = atomicCAS(halves, assumed, (unsigned short)(assumed + 3));
  } while (old != assumed);
}

// cuda::atomic_ref in its orders and scopes.
extern "C" __global__ void atomic_refs(u32* words, u64* wide, int* out) {
  const u32 i = INDEX;
  cuda::atomic_ref<u32, cuda::thread_scope_device> device(words[0]);
  cuda::atomic_ref<u32, cuda::thread_scope_system> system(words[1]);
  cuda::atomic_ref<u32, cuda::thread_scope_block> block(words[2 + blockIdx.x]);
  cuda::atomic_ref<u64, cuda::thread_scope_device> pair(wide[0]);
  device.fetch_add(1, cuda::memory_order_relaxed);
  system.fetch_add(2, cuda::memory_order_seq_cst);
  block.fetch_or(1u << (i % 32), cuda::memory_order_acq_rel);
  pair.fetch_sub(3, cuda::memory_order_release);
  cuda::atomic_thread_fence(cuda::memory_order_seq_cst, cuda::thread_scope_device);
  u32 expected = device.load(cuda::memory_order_acquire);
  while (!device.compare_exchange_weak(expected, expected + 1, cuda::memory_order_acq_rel)) {
  }
  out[i] = device.load(cuda::memory_order_seq_cst) >= 2 ? 1 : 0;
  wide[1 + i] = 7;
  cuda::atomic_ref<u64, cuda::thread_scope_system> last(wide[1 + i]);
  last.store(i, cuda::memory_order_release);
}

__device__ u32 blocks_done = 0;

// The last block to finish adds up what the others left.
extern "C" __global__ void last_block(const int* in, volatile int* partial, int* total, u32 n) {
  __shared__ int s;
  __shared__ bool last;
  if (threadIdx.x == 0) s = 0;
  __syncthreads();
  for (u32 i = INDEX; i < n; i += gridDim.x * blockDim.x) atomicAdd(&s, in[i]);
  __syncthreads();
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = s;
    __threadfence();
    last = atomicInc(&blocks_done, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    int sum = 0;
    for (u32 b = 0; b < gridDim.x; ++b) sum += partial[b];
    *total = sum;
  }
}

// A lock that one thread of each warp takes at a time.
extern "C" __global__ void spin_lock(int* lock, volatile u32* counter, u32 rounds) {
  for (u32 r = 0; r < rounds; ++r) {
    bool done = false;
    while (!done) {
      if (atomicCAS(lock, 0, 1) == 0) {
        __threadfence();
        *counter = *counter + 1;
        __threadfence();
        atomicExch(lock, 0);
        done = true;
      }
    }
  }
}

struct Node {
  u32 key, value;
  Node* next;
};

// A hash table of linked lists, filled with compare-and-swap.
extern "C" __global__ void hash_insert(Node** buckets, Node* nodes, const u32* keys, u32 n,
                                       u32 bucket_mask) {
  const u32 i = INDEX;
  if (i >= n) return;
  Node* node = nodes + i;
  node->key = keys[i];
  node->value = i;
  Node** head = buckets + ((keys[i] * 2654435761u) >> 7 & bucket_mask);
  u64 old = *(volatile u64*)head, assumed;
  do {
    assumed = old;
    *(volatile u64*)&node->next = assumed;
    __threadfence();
    old = atomicCAS((u64*)head, assumed, (u64)node);
  } while (old != assumed);
}

extern "C" __global__ void hash_find(Node* const* buckets, const u32* keys, u32* values, u32 n,
                                     u32 bucket_mask) {
  const u32 i = INDEX;
  if (i >= n) return;
  u32 found = 0xffffffffu;
  for (const Node* p = buckets[(keys[i] * 2654435761u) >> 7 & bucket_mask]; p != nullptr;
       p = p->next) {
    if (p->key == keys[i]) found = p->value;
  }
  values[i] = found;
}

// One level of a breadth-first search; the next frontier is a queue.
extern "C" __global__ void bfs_level(const u32* offsets, const u32* edges, u32* distance,
                                     const u32* frontier, u32 frontier_size, u32* next,
                                     u32* next_size, u32 level) {
  const u32 i = INDEX;
  if (i >= frontier_size) return;
  const u32 v = frontier[i];
  for (u32 e = offsets[v]; e < offsets[v + 1]; ++e) {
    if (atomicCAS(distance + edges[e], 0xffffffffu, level) == 0xffffffffu) {
      next[atomicAdd(next_size, 1u)] = edges[e];
    }
  }
}
