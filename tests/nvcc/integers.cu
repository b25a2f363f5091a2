// Integer, logic and bit-field operations.
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using s64 = long long;

#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)

// out[32 * i ...]: one operation a place.
extern "C" __global__ void bit_operations(const u32* a, const u32* b, u32* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  const u32 x = a[i], y = b[i];
  u32* o = out + 32 * i;
  o[0] = __popc(x);
  o[1] = __clz(x);
  o[2] = __ffs(x);
  o[3] = __brev(x);
  o[4] = __byte_perm(x, y, y & 0x7777);
  o[5] = __funnelshift_l(x, y, y);
  o[6] = __funnelshift_r(x, y, y);
  o[7] = __funnelshift_lc(x, y, y & 63);
  o[8] = __funnelshift_rc(x, y, y & 63);
  o[9] = __umulhi(x, y);
  o[10] = __mulhi((int)x, (int)y);
  o[11] = __umul24(x, y);
  o[12] = __mul24((int)x, (int)y);
  o[13] = __usad(x, y, 7u);
  o[14] = __sad((int)x, (int)y, 9u);
  o[15] = __uhadd(x, y);
  o[16] = __hadd((int)x, (int)y);
  o[17] = __urhadd(x, y);
  o[18] = __rhadd((int)x, (int)y);
  o[19] = abs((int)x);
  o[20] = min((int)x, (int)y);
  o[21] = max(x, y);
  o[22] = x << (y & 31) | x >> (-y & 31);
  o[23] = (int)x >> (y & 31);
  o[24] = (x & y) | (~x & (y ^ 0x5a5a5a5au));
  o[25] = (x >> 5) & 0x3ffu;
  o[26] = ((int)(x << 9)) >> 20;
  o[27] = (x & ~0xff00u) | ((y & 0xffu) << 8);
  o[28] = x == 0 ? 1u : 0u;
  o[29] = __dp4a((int)x, (int)y, 5) + __dp4a(x, y, 6u);
  o[30] = __dp2a_lo((int)x, (int)y, 5) + __dp2a_hi(x, y, 6u);
  o[31] = x * 2654435761u + y;
}

extern "C" __global__ void wide_operations(const u64* a, const u64* b, u64* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  const u64 x = a[i], y = b[i];
  u64* o = out + 16 * i;
  const u64 d = y == 0 ? 1 : y;
  const s64 e = (s64)d == -1 ? 3 : (s64)d;
  o[0] = x / d;
  o[1] = x % d;
  o[2] = (s64)x / e;
  o[3] = (s64)x % e;
  o[4] = __umul64hi(x, y);
  o[5] = __mul64hi((s64)x, (s64)y);
  o[6] = x * y + 17;
  o[7] = __popcll(x);
  o[8] = __clzll(x);
  o[9] = __brevll(x);
  o[10] = __ffsll(x);
  o[11] = x << (y & 63);
  o[12] = (s64)x >> (y & 63);
  o[13] = min((s64)x, (s64)y);
  o[14] = llabs((s64)x);
  o[15] = (u64)(u32)x / (u32)(d | 1) + (u32)x % ((u32)d | 1);
}

// Types narrower than a register, with their wrap-around and sign.
extern "C" __global__ void narrow_types(const signed char* a, const u8* b, const short* c,
                                        const u16* d, int* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  signed char x = a[i];
  u8 y = b[i];
  short z = c[i];
  u16 w = d[i];
  x = (signed char)(x * 3 + y);
  y = (u8)(y - 77);
  z = (short)(z * w + x);
  w = (u16)(w << 3 | w >> 13);
  out[4 * i] = x;
  out[4 * i + 1] = y;
  out[4 * i + 2] = z / (short)(y | 1) + z % (short)(y | 1);
  out[4 * i + 3] = w;
}

// The product of two numbers of `words` words each: one output word a thread, carries by inline
// assembly, then one thread carries on.
extern "C" __global__ void big_multiply(const u32* a, const u32* b, u32* product, u32 words) {
  extern __shared__ u32 columns[];  // three words a column
  for (u32 k = threadIdx.x; k < 2 * words; k += blockDim.x) {
    u32 lo = 0, mid = 0, hi = 0;
    const u32 first = k < words ? 0 : k - words + 1;
    for (u32 j = first; j < words && j <= k; ++j) {
      asm("mad.lo.cc.u32 %0, %3, %4, %0;\n\t"
          "madc.hi.cc.u32 %1, %3, %4, %1;\n\t"
          "addc.u32 %2, %2, 0;"
          : "+r"(lo), "+r"(mid), "+r"(hi)
          : "r"(a[j]), "r"(b[k - j]));
    }
    columns[3 * k] = lo;
    columns[3 * k + 1] = mid;
    columns[3 * k + 2] = hi;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  u32 lo = 0, mid = 0, hi = 0;
  for (u32 k = 0; k < 2 * words; ++k) {
    asm("add.cc.u32 %0, %0, %3;\n\taddc.cc.u32 %1, %1, %4;\n\taddc.u32 %2, %2, %5;"
        : "+r"(lo), "+r"(mid), "+r"(hi)
        : "r"(columns[3 * k]), "r"(columns[3 * k + 1]), "r"(columns[3 * k + 2]));
    product[k] = lo;
    lo = mid;
    mid = hi;
    hi = 0;
  }
}

__constant__ u32 sha_rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

__device__ u32 rotate(u32 x, int n) { return __funnelshift_r(x, x, n); }

// SHA-256 of one message of 64 bytes a thread (two compressions).
extern "C" __global__ void sha256(const u32* messages, u32* digests, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
#pragma unroll 1
  for (int block = 0; block < 2; ++block) {
    u32 w[64];
    for (int t = 0; t < 16; ++t) {
      w[t] = block == 0 ? __byte_perm(messages[16 * i + t], 0, 0x0123)
             : t == 0   ? 0x80000000u
             : t == 15  ? 512u
                        : 0u;
    }
    for (int t = 16; t < 64; ++t) {
      const u32 s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
      const u32 s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    u32 v[8];
    for (int k = 0; k < 8; ++k) v[k] = h[k];
#pragma unroll 1
    for (int t = 0; t < 64; ++t) {
      const u32 s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
      const u32 t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_rounds[t] + w[t];
      const u32 s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
      const u32 t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      for (int k = 7; k > 0; --k) v[k] = v[k - 1];
      v[4] += t1;
      v[0] = t1 + t2;
    }
    for (int k = 0; k < 8; ++k) h[k] += v[k];
  }
  for (int k = 0; k < 8; ++k) digests[8 * i + k] = h[k];
}

// Philox 4x32-10: a counter-based generator.
extern "C" __global__ void philox(u32 key0, u32 key1, uint4* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  uint4 c = {i, 0, 0x12345678u, 0};
  for (int round = 0; round < 10; ++round) {
    const u32 hi0 = __umulhi(0xD2511F53u, c.x), lo0 = 0xD2511F53u * c.x;
    const u32 hi1 = __umulhi(0xCD9E8D57u, c.z), lo1 = 0xCD9E8D57u * c.z;
    c = {hi1 ^ c.y ^ key0, lo1, hi0 ^ c.w ^ key1, lo0};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  out[i] = c;
}

// Bytes in a word: the intrinsics named __v...
extern "C" __global__ void packed_bytes(const u32* a, const u32* b, u32* out, u32 n) {
  const u32 i = INDEX;
  if (i >= n) return;
  const u32 x = a[i], y = b[i];
  u32* o = out + 16 * i;
  o[0] = __vadd4(x, y);
  o[1] = __vsub2(x, y);
  o[2] = __vabsdiffu4(x, y);
  o[3] = __vmaxs2(x, y);
  o[4] = __vminu4(x, y);
  o[5] = __vcmpgtu4(x, y);
  o[6] = __vavgu4(x, y);
  o[7] = __vaddus4(x, y);
  o[8] = __vsubss2(x, y);
  o[9] = __vsadu4(x, y);
  o[10] = __vabs2(x);
  o[11] = __vneg4(x);
  o[12] = __vseteq4(x, y);
  o[13] = __viaddmax_s32((int)x, (int)y, 5);
  o[14] = __vimin3_s32((int)x, (int)y, -3);
  bool first = false;
  o[15] = __vibmax_u32(x, y, &first) ^ (first ? 1u : 0u);
}
