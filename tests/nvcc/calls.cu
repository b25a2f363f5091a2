// Functions that are not inlined: recursion, pointers to functions, virtual calls, structs.
#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)
using u32 = unsigned int;

// Solutions of the n-queens problem that begin with thread i's first two rows.
__device__ __noinline__ u32 queens(u32 all, u32 cols, u32 left, u32 right) {
  if (cols == all) return 1;
  u32 count = 0;
  for (u32 free = all & ~(cols | left | right); free != 0; free &= free - 1) {
    const u32 bit = free & (0u - free);
    count += queens(all, cols | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return count;
}

extern "C" __global__ void n_queens(u32 n, u32* counts) {
  const u32 i = INDEX;
  if (i >= n * n) return;
  const u32 all = (1u << n) - 1, a = 1u << (i / n), b = 1u << (i % n);
  const u32 left = a << 1, right = a >> 1;
  counts[i] = (b & (a | left | right)) != 0
                  ? 0
                  : queens(all, a | b, (left | b) << 1, (right | b) >> 1);
}

__device__ __noinline__ int is_odd(int n);
__device__ __noinline__ int is_even(int n) { return n == 0 ? 1 : is_odd(n - 1); }
__device__ __noinline__ int is_odd(int n) { return n == 0 ? 0 : is_even(n - 1) + 0 * n; }
__device__ __noinline__ u32 ackermann(u32 m, u32 n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}
__device__ __noinline__ u32 fibonacci(u32 n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

extern "C" __global__ void recursions(u32* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  out[3 * i] = (u32)is_even((int)i) + 2 * (u32)is_odd((int)i);
  out[3 * i + 1] = ackermann(2, i % 5);
  out[3 * i + 2] = fibonacci(i % 13);
}

// Quicksort of a thread's own stretch: pointers into memory go down the recursion.
__device__ __noinline__ void quicksort(int* a, int lo, int hi) {
  if (lo >= hi) return;
  const int pivot = a[(lo + hi) / 2];
  int i = lo, j = hi;
  while (i <= j) {
    while (a[i] < pivot) ++i;
    while (a[j] > pivot) --j;
    if (i <= j) {
      const int t = a[i];
      a[i++] = a[j];
      a[j--] = t;
    }
  }
  quicksort(a, lo, j);
  quicksort(a, i, hi);
}

extern "C" __global__ void sort_each(int* data, int each) {
  int local[24];
  for (int k = 0; k < each; ++k) local[k] = data[INDEX * each + k];
  quicksort(local, 0, each - 1);
  for (int k = 0; k < each; ++k) data[INDEX * each + k] = local[k];
}

using Operation = int (*)(int, int);
__device__ __noinline__ int op_add(int a, int b) { return a + b; }
__device__ __noinline__ int op_sub(int a, int b) { return a - b; }
__device__ __noinline__ int op_mul(int a, int b) { return a * b; }
__device__ __noinline__ int op_apply_twice(int a, int b);
__device__ Operation operations[4] = {op_add, op_sub, op_mul, op_apply_twice};
__device__ __noinline__ int op_apply_twice(int a, int b) {
  const Operation f = operations[(u32)(a ^ b) % 3];
  return f(f(a, b), b);
}

extern "C" __global__ void function_table(const int* a, const int* b, int* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  out[i] = operations[(u32)a[i] % 4](a[i], b[i]);
}

struct Shape {
  __device__ virtual float area() const = 0;
  __device__ virtual float grown(float by) const { return area() * by; }
};
struct Square : Shape {
  float side;
  __device__ explicit Square(float s) : side(s) {}
  __device__ float area() const override { return side * side; }
};
struct Box : Shape {
  float w, h;
  __device__ Box(float a, float b) : w(a), h(b) {}
  __device__ float area() const override { return w * h; }
  __device__ float grown(float by) const override { return (w + by) * (h + by); }
};

extern "C" __global__ void virtual_calls(const float* in, float* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  Square square(in[i]);
  Box box(in[i], in[i] + 1.f);
  Shape* shapes[2] = {&square, &box};
  const Shape* s = shapes[(u32)in[i] % 2];
  out[2 * i] = s->area();
  out[2 * i + 1] = s->grown(2.f);
}

struct Particle {
  double mass;
  float3 at;
  char tag;
  short id;
};
__device__ __noinline__ Particle merge(Particle a, const Particle& b, float by) {
  Particle r = a;
  r.mass += b.mass;
  r.at.x = a.at.x * by + b.at.x;
  r.at.y += b.at.y;
  r.at.z -= b.at.z;
  r.tag = (char)(a.tag + b.tag);
  r.id = (short)(a.id * b.id);
  return r;
}

extern "C" __global__ void structs(Particle first, const Particle* in, double* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  const Particle p = merge(first, in[i], 0.5f);
  const Particle q = i % 2 != 0 ? merge(p, first, 2.f) : p;
  out[6 * i] = q.mass;
  out[6 * i + 1] = q.at.x;
  out[6 * i + 2] = q.at.y;
  out[6 * i + 3] = q.at.z;
  out[6 * i + 4] = q.tag;
  out[6 * i + 5] = q.id;
}

// A switch with enough cases for a table, in a small machine with a stack.
extern "C" __global__ void byte_code(const unsigned char* programs, int length, int* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  int stack[16];
  int top = 0;
  stack[0] = (int)i;
  for (int pc = 0; pc < length; ++pc) {
    const int op = programs[i * length + pc];
    switch (op) {
      case 0: stack[top] += 3; break;
      case 1: stack[top] *= 5; break;
      case 2: stack[top] ^= 0x55; break;
      case 3: stack[top] = -stack[top]; break;
      case 4: if (top < 15) { stack[top + 1] = stack[top]; ++top; } break;
      case 5: if (top > 0) { stack[top - 1] += stack[top]; --top; } break;
      case 6: if (top > 0) { const int t = stack[top]; stack[top] = stack[top - 1]; stack[top - 1] = t; } break;
      case 7: stack[top] = (int)((u32)stack[top] >> 3); break;
      case 8: stack[top] = __popc((u32)stack[top]); break;
      case 9: if (stack[top] & 1) ++pc; break;
      case 10: stack[top] %= 1000; break;
      case 11: stack[top] += pc; break;
      default: stack[top] -= op; break;
    }
  }
  out[i] = stack[top] * 31 + top;
}

// Memory that the caller sizes, on the stack.
__device__ __noinline__ int sum_squares(const int* a, int n) {
  int s = 0;
  for (int k = 0; k < n; ++k) s += a[k] * a[k];
  return s;
}
extern "C" __global__ void stack_memory(int* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  const int size = (int)(i % 7) + 1;
  int* a = (int*)alloca((size_t)size * sizeof(int));
  for (int k = 0; k < size; ++k) a[k] = k + (int)i;
  out[i] = sum_squares(a, size);
}

// The Towers of Hanoi with a record of the moves, and an early way out of the recursion.
__device__ __noinline__ bool hanoi(int n, int from, int to, u32* moves, u32 limit) {
  if (n == 0) return true;
  const int via = 3 - from - to;
  if (!hanoi(n - 1, from, via, moves, limit)) return false;
  if (*moves >= limit) return false;
  *moves += 1;
  return hanoi(n - 1, via, to, moves, limit);
}
extern "C" __global__ void towers(u32* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  u32 moves = 0;
  const bool done = hanoi((int)(i % 8), 0, 2, &moves, 50);
  out[i] = moves * 2 + (done ? 1 : 0);
}
