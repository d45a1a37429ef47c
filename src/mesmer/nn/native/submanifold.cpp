// Submanifold 3x3 convolution on rows of active sites, forward and backward; taps that meet no active site cost nothing.
//
// rows x [n][c_in], neighbour table [n][9] (a value >= n is a missing neighbour), weights packed by pack_weights.
// Each output row adds up its taps in order and each tap its channels in order, whatever stands beside it in the batch, so
// a row's value is the same to the last bit in every batch and with every number of threads.
#include <algorithm>
#include <vector>

#include <omp.h>

#include "vectors.inc.cpp"

namespace {

constexpr int TAPS = 9;

template <class Type> int units(int channels) { return ceil_div(channels, Type::PER_UNIT); }

int panels(int channels) { return ceil_div(channels, PANEL); }

void write_row(const float *sum, float *y, int channels, bool relu) {
  int c = 0;
  for (; c + LANES <= channels; c += LANES) store(y + c, relu ? positive(load(sum + c)) : load(sum + c));
  for (; c < channels; c++) y[c] = relu && !(sum[c] > 0.0f) ? 0.0f : sum[c];
}

uint16_t rounded(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return uint16_t((bits >> 16) | 0x40u);  // NaN stays NaN
  return uint16_t((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

void write_row(const float *sum, uint16_t *y, int channels, bool relu) {
  int c = 0;
#if HAS_BFLOAT16
  for (; c + 16 <= channels; c += 16) {
    const Vec v = relu ? positive(load(sum + c)) : load(sum + c);
    const __m256bh narrow = _mm512_cvtneps_pbh((__m512)v);
    std::memcpy(y + c, &narrow, 32);
  }
#endif
  for (; c < channels; c++) y[c] = rounded(relu && !(sum[c] > 0.0f) ? 0.0f : sum[c]);
}

// Rows of one chunk: few enough that sums and packed rows stay in the L2 cache, enough chunks for all threads.
int chunk_rows(int64_t n, int c_out, int threads) {
  int rows = c_out >= 512 ? 168 : 252;
  while (rows > 2 * TILE_ROWS && n < int64_t(rows) * 2 * threads) rows /= 2;
  return rows;
}

template <class Type>
void convolve(const typename Type::Value *x, const int32_t *neighbours, const float *weights, const float *bias,
              typename Type::Value *y, int64_t n, int c_in, int c_out, bool relu, int threads) {
  const int depth = units<Type>(c_in), wide = panels(c_out) * PANEL;
  const int rows = chunk_rows(n, c_out, threads);
  const int64_t chunks = (n + rows - 1) / rows;
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> sums(size_t(rows) * wide), packed(size_t(rows) * STRIDE);
    std::vector<const typename Type::Value *> source(rows);
    std::vector<float *> target(rows);
#pragma omp for schedule(dynamic, 1)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
      const int64_t start = chunk * rows;
      const int here = int(std::min<int64_t>(rows, n - start));
      for (int i = 0; i < here; i++) {
        float *sum = &sums[size_t(i) * wide];
        if (bias) std::memcpy(sum, bias, size_t(c_out) * 4);
        std::memset(sum + (bias ? c_out : 0), 0, size_t(wide - (bias ? c_out : 0)) * 4);
      }
      for (int t = 0; t < TAPS; t++) {
        int met = 0;
        for (int i = 0; i < here; i++) {
          const int32_t j = neighbours[(start + i) * TAPS + t];
          if (j < 0 || j >= n) continue;
          source[met] = x + int64_t(j) * c_in;
          target[met++] = &sums[size_t(i) * wide];
        }
        if (!met) continue;
        const int blocks = ceil_div(met, TILE_ROWS);
        for (int k0 = 0; k0 < depth; k0 += DEPTH) {
          const int deep = std::min(DEPTH, depth - k0);
          const int first = k0 * Type::PER_UNIT, values = std::min(c_in - first, deep * Type::PER_UNIT);
          for (int i = 0; i < met; i++) {
            packed[size_t(i) * STRIDE + deep - 1] = 0.0f;  // the second half of the last unit where c_in is odd
            copy_row(&packed[size_t(i) * STRIDE], source[i] + first, size_t(values) * sizeof(typename Type::Value));
          }
          for (int j = 0; j < wide; j += PANEL) {
            const float *panel = weights + (size_t(t) * wide + j) * depth + size_t(k0) * PANEL;
            for (int block = 0, i = 0; block < blocks; block++) {
              const int m = (met - i + blocks - block - 1) / (blocks - block);
              float *c[TILE_ROWS];
              for (int r = 0; r < m; r++) c[r] = target[i + r] + j;
              const float *a = &packed[size_t(i) * STRIDE];
              with_rows(m, [&](auto count) { tile<Type, decltype(count)::value>(a, panel, deep, c); });
              i += m;
            }
          }
        }
      }
      for (int i = 0; i < here; i++) write_row(&sums[size_t(i) * wide], y + (start + i) * c_out, c_out, relu);
    }
  }
}

// out[tap][panel][unit][PANEL] (pairs inside a unit for bfloat16) from w [c_out][c_in][9]; backward: the roles of the
// channels are swapped and the taps mirrored.
template <class Type>
void pack(const float *w, void *out, int c_out, int c_in, bool backward, int threads) {
  const int to = backward ? c_in : c_out, from = backward ? c_out : c_in;
  const int depth = units<Type>(from), wide = panels(to) * PANEL;
  auto *packed = static_cast<typename Type::Value *>(out);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int j = 0; j < wide; j += PANEL) {
    for (int k = 0; k < depth * Type::PER_UNIT; k++) {
      for (int lane = 0; lane < PANEL; lane++) {
        const int o = backward ? k : j + lane, i = backward ? j + lane : k;
        const bool real = o < c_out && i < c_in;
        const float *taps = w + (size_t(real ? o : 0) * c_in + (real ? i : 0)) * TAPS;
        for (int t = 0; t < TAPS; t++) {
          const float value = real ? taps[backward ? TAPS - 1 - t : t] : 0.0f;
          const size_t unit = (size_t(t) * wide + j) * depth + size_t(k / Type::PER_UNIT) * PANEL + lane;
          auto &slot = packed[unit * Type::PER_UNIT + k % Type::PER_UNIT];
          if constexpr (std::is_same_v<Type, Float32>) slot = value; else slot = rounded(value);
        }
      }
    }
  }
}

// sum[m] += sum over pairs k of a[k][m] * b[k], for ROWS input channels m and one panel of output channels.
template <int ROWS>
void outer(const float *a, int a_stride, const float *b, int pairs, float *sum, int sum_stride) {
  Vec s[ROWS][2];
  for (int m = 0; m < ROWS; m++) s[m][0] = load(sum + m * sum_stride), s[m][1] = load(sum + m * sum_stride + LANES);
  for (int k = 0; k < pairs; k++) {
    const Vec b0 = load(b + k * PANEL), b1 = load(b + k * PANEL + LANES);
    const float *row = a + size_t(k) * a_stride;
#pragma GCC unroll 16
    for (int m = 0; m < ROWS; m++) {
      s[m][0] = splat(row[m]) * b0 + s[m][0];
      s[m][1] = splat(row[m]) * b1 + s[m][1];
    }
  }
  for (int m = 0; m < ROWS; m++) store(sum + m * sum_stride, s[m][0]), store(sum + m * sum_stride + LANES, s[m][1]);
}

// The weight gradient of one tap, a block of input channels and a range of output channels, added up over all pairs (row,
// neighbour at the tap). Blocks are large because each of them reads all gradients again.
struct WeightTask {
  static constexpr int PAIRS = 256, BLOCK = 256, APART = BLOCK + 16;
  std::vector<float> a = std::vector<float>(size_t(PAIRS) * APART), b, sum;

  // out [c_in][c_out], of this tap; columns from `low` up to `high`, `low` being a multiple of PANEL
  void run(const float *x, const int32_t *neighbours, const float *dy, float *out, int64_t n, int c_in, int c_out, int t,
           int first, int low, int high) {
    const int block = std::min(BLOCK, c_in - first), wide = panels(high - low) * PANEL;
    b.assign(size_t(PAIRS) * wide, 0.0f);
    sum.assign(size_t(BLOCK) * wide, 0.0f);
    for (int64_t i = 0; i < n;) {
      int pairs = 0;
      for (; i < n && pairs < PAIRS; i++) {
        const int32_t j = neighbours[i * TAPS + t];
        if (j < 0 || j >= n) continue;
        copy_row(&a[size_t(pairs) * APART], x + int64_t(j) * c_in + first, size_t(block) * 4);
        for (int c = 0; c < high - low; c += PANEL)
          copy_row(&b[(size_t(c) * PAIRS) + size_t(pairs) * PANEL], dy + i * c_out + low + c,
                   size_t(std::min(PANEL, high - low - c)) * 4);
        pairs++;
      }
      if (!pairs) continue;
      const int blocks = ceil_div(block, TILE_ROWS);
      for (int c = 0; c < wide; c += PANEL)
        for (int piece = 0, m = 0; piece < blocks; piece++) {
          const int rows = (block - m + blocks - piece - 1) / (blocks - piece);
          with_rows(rows, [&](auto count) {
            outer<decltype(count)::value>(&a[m], APART, &b[size_t(c) * PAIRS], pairs, &sum[size_t(m) * wide + c], wide);
          });
          m += rows;
        }
    }
    for (int m = 0; m < block; m++)
      std::memcpy(out + size_t(first + m) * c_out + low, &sum[size_t(m) * wide], size_t(high - low) * 4);
  }
};

// dw [c_out][c_in][9] from sums [9][c_in][c_out], in squares that stay in the cache.
void to_weight_order(const float *sums, float *dw, int c_in, int c_out, int threads) {
  constexpr int SIDE = 16;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int o0 = 0; o0 < c_out; o0 += SIDE)
    for (int i0 = 0; i0 < c_in; i0 += SIDE)
      for (int o = o0; o < std::min(o0 + SIDE, c_out); o++)
        for (int i = i0; i < std::min(i0 + SIDE, c_in); i++)
          for (int t = 0; t < TAPS; t++)
            dw[(size_t(o) * c_in + i) * TAPS + t] = sums[(size_t(t) * c_in + i) * c_out + o];
}

} // namespace

extern "C" {

int mesmer_lanes() { return LANES; }

int mesmer_has_bfloat16() { return HAS_BFLOAT16; }

int64_t mesmer_packed_bytes(int c_out, int c_in, int backward, int bfloat16) {
  const int to = backward ? c_in : c_out, from = backward ? c_out : c_in;
  return int64_t(TAPS) * panels(to) * PANEL * ceil_div(from, bfloat16 ? 2 : 1) * 4;
}

void mesmer_pack(const float *w, void *out, int c_out, int c_in, int backward, int bfloat16, int threads) {
#if HAS_BFLOAT16
  if (bfloat16) return pack<BFloat16>(w, out, c_out, c_in, backward, threads);
#endif
  pack<Float32>(w, out, c_out, c_in, backward, threads);
}

void mesmer_convolve(const void *x, const int32_t *neighbours, const void *weights, const float *bias, void *y, int64_t n,
                     int c_in, int c_out, int relu, int bfloat16, int threads) {
  const auto *w = static_cast<const float *>(weights);
#if HAS_BFLOAT16
  if (bfloat16)
    return convolve<BFloat16>(static_cast<const uint16_t *>(x), neighbours, w, bias, static_cast<uint16_t *>(y), n, c_in,
                              c_out, relu, threads);
#endif
  convolve<Float32>(static_cast<const float *>(x), neighbours, w, bias, static_cast<float *>(y), n, c_in, c_out, relu,
                    threads);
}

void mesmer_weight_gradient(const float *x, const int32_t *neighbours, const float *dy, float *dw, int64_t n, int c_in,
                            int c_out, int threads) {
  const int blocks = ceil_div(c_in, WeightTask::BLOCK);
  const int half = threads > 1 ? (panels(c_out) + 1) / 2 * PANEL : c_out; // nine jobs are hard to share out
  const int ranges = ceil_div(c_out, half);
  std::vector<float> sums(size_t(TAPS) * c_in * c_out);
#pragma omp parallel num_threads(threads)
  {
    WeightTask task;
#pragma omp for schedule(dynamic, 1)
    for (int job = 0; job < TAPS * blocks * ranges; job++) {
      const int t = job % TAPS, block = job / TAPS % blocks, low = job / TAPS / blocks * half;
      task.run(x, neighbours, dy, &sums[size_t(t) * c_in * c_out], n, c_in, c_out, t, block * WeightTask::BLOCK, low,
               std::min(low + half, c_out));
    }
  }
  to_weight_order(sums.data(), dw, c_in, c_out, threads);
}

} // extern "C"
