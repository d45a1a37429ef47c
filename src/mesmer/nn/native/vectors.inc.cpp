// Vectors and register tiles shared by the kernels; included, not compiled by itself.
//
// A tile is ROWS x 2 vectors of float accumulators that stay in registers while k runs over 32-bit units: one float, or
// two neighbouring bfloat16. AVX-512 has 32 registers of 16 floats, AVX2 has 16 of 8.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <immintrin.h>

#if defined(__AVX512F__)
constexpr int LANES = 16, TILE_ROWS = 14;
#else
constexpr int LANES = 8, TILE_ROWS = 6;
#endif
constexpr int PANEL = 2 * LANES;   // output channels of one packed weight panel
constexpr int DEPTH = 128;         // units of k taken at a time: a panel of that depth stays in the L1 cache
constexpr int STRIDE = DEPTH + 16; // units between packed rows; not a power of two, so that rows do not share cache sets

typedef float Vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline Vec load(const void *p) { return *reinterpret_cast<const Vec *>(p); }
static inline void store(float *p, Vec v) { *reinterpret_cast<Vec *>(p) = v; }

// Copies a short row; calling memcpy for each would cost as much as the copying.
static inline void copy_row(void *to, const void *from, size_t bytes) {
  auto *target = static_cast<char *>(to);
  auto *source = static_cast<const char *>(from);
  size_t done = 0;
  for (; done + LANES * 4 <= bytes; done += LANES * 4) store(reinterpret_cast<float *>(target + done), load(source + done));
  if (done < bytes) std::memcpy(target + done, source + done, bytes - done);
}

static inline Vec splat(float v) { return v - Vec{}; }
static inline Vec positive(Vec v) { return v > 0.0f ? v : Vec{}; }
static inline int ceil_div(int64_t a, int64_t b) { return int((a + b - 1) / b); }

struct Float32 {
  using Value = float;
  static constexpr int PER_UNIT = 1;
  static inline Vec multiply_add(const float *a, Vec w, Vec sum) { return splat(*a) * w + sum; }
};

#if defined(__AVX512BF16__) && defined(__AVX512F__)
#define HAS_BFLOAT16 1
struct BFloat16 {
  using Value = uint16_t;
  static constexpr int PER_UNIT = 2;
  static inline Vec multiply_add(const float *a, Vec w, Vec sum) {
    int pair;
    std::memcpy(&pair, a, 4);
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)w);
  }
};
#else
#define HAS_BFLOAT16 0
#endif

// c[m] += a[m] . w for ROWS rows: a is packed with STEP units between rows, w is a panel [depth][PANEL]. FRESH: c[m] = a[m] . w.
template <class Type, int ROWS, int STEP = STRIDE, bool FRESH = false>
static inline void tile(const float *a, const float *w, int depth, float *const *c) {
  Vec sum[ROWS][2];
  for (int m = 0; m < ROWS; m++) {
    sum[m][0] = FRESH ? Vec{} : load(c[m]);
    sum[m][1] = FRESH ? Vec{} : load(c[m] + LANES);
  }
  for (int k = 0; k < depth; k++) {
    const Vec w0 = load(w + k * PANEL), w1 = load(w + k * PANEL + LANES);
#pragma GCC unroll 16
    for (int m = 0; m < ROWS; m++) {
      sum[m][0] = Type::multiply_add(a + m * STEP + k, w0, sum[m][0]);
      sum[m][1] = Type::multiply_add(a + m * STEP + k, w1, sum[m][1]);
    }
  }
  for (int m = 0; m < ROWS; m++) store(c[m], sum[m][0]), store(c[m] + LANES, sum[m][1]);
}

// Calls body(std::integral_constant<int, rows>) for 1 <= rows <= TILE_ROWS.
template <class Body, int ROWS = TILE_ROWS> static inline void with_rows(int rows, Body &&body) {
  if constexpr (ROWS == 1) {
    body(std::integral_constant<int, 1>{});
  } else if (rows == ROWS) {
    body(std::integral_constant<int, ROWS>{});
  } else {
    with_rows<Body, ROWS - 1>(rows, std::forward<Body>(body));
  }
}
