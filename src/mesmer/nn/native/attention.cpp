// Attention logits of rows: w . tanh(W m + asked), in one pass; asked holds W_q q + b of the row's map.
//
// As in the convolution, a row's value does not depend on what stands beside it.
#include <algorithm>
#include <vector>

#include <omp.h>

#include "vectors.inc.cpp"

namespace {

typedef int32_t Ints __attribute__((vector_size(LANES * 4)));

constexpr int ROWS_AT_ONCE = 16 * TILE_ROWS;

// tanh(x) = 1 - 2 / (exp(2x) + 1), exp by 2^n times a polynomial; off by at most a few units in the last place of 1.
Vec tanh_of(Vec x) {
  const Vec bound = splat(9.1f);
  x = x > bound ? bound : (x < -bound ? -bound : x); // NaN compares false and stays
  const Vec t = x * 2.885390081777926815f;           // 2 / ln 2
  const Vec magic = splat(12582912.0f);              // adding it rounds to a whole number
  const Vec whole = (t + magic) - magic;
  const Vec f = (t - whole) * 0.693147180559945309f;
  Vec p = splat(1.0f / 5040);
  p = p * f + 1.0f / 720;
  p = p * f + 1.0f / 120;
  p = p * f + 1.0f / 24;
  p = p * f + 1.0f / 6;
  p = p * f + 0.5f;
  p = p * f + 1.0f;
  p = p * f + 1.0f;
  const Ints power = (__builtin_convertvector(whole, Ints) + 127) << 23;
  const Vec e = p * (Vec)power;
  return 1.0f - 2.0f / (e + 1.0f);
}

} // namespace

extern "C" {

// rows [n][channels]; map_of_row [n]; w [units][channels]; asked [maps][units]; unit [units]; logits [n]
void mesmer_attend(const float *rows, const int64_t *map_of_row, const float *w, const float *asked, const float *unit,
                   float *logits, int64_t n, int channels, int units, int threads) {
  const int wide = ceil_div(units, PANEL) * PANEL, blocks = ceil_div(channels, DEPTH);
  std::vector<float> packed(size_t(wide) * channels, 0.0f), last(wide, 0.0f);
  for (int o = 0; o < units; o++)
    for (int i = 0; i < channels; i++) packed[(size_t(o / PANEL) * channels + i) * PANEL + o % PANEL] = w[size_t(o) * channels + i];
  std::copy(unit, unit + units, last.begin());
  const int64_t chunks = (n + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> sums(size_t(ROWS_AT_ONCE) * wide, 0.0f), a(size_t(ROWS_AT_ONCE) * STRIDE);
#pragma omp for schedule(static)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
      const int64_t start = chunk * ROWS_AT_ONCE;
      const int here = int(std::min<int64_t>(ROWS_AT_ONCE, n - start));
      for (int i = 0; i < here; i++)
        std::memcpy(&sums[size_t(i) * wide], asked + map_of_row[start + i] * units, size_t(units) * 4);
      for (int block = 0; block < blocks; block++) {
        const int k0 = block * DEPTH, deep = std::min(DEPTH, channels - k0);
        for (int i = 0; i < here; i++)
          copy_row(&a[size_t(i) * STRIDE], rows + (start + i) * channels + k0, size_t(deep) * 4);
        for (int j = 0; j < wide; j += PANEL)
          for (int i = 0; i < here; i += TILE_ROWS) {
            float *c[TILE_ROWS] = {};
            const int m = std::min(TILE_ROWS, here - i);
            for (int r = 0; r < m; r++) c[r] = &sums[size_t(i + r) * wide + j];
            with_rows(m, [&](auto count) {
              tile<Float32, decltype(count)::value>(&a[size_t(i) * STRIDE], &packed[size_t(j) * channels + size_t(k0) * PANEL], deep, c);
            });
          }
      }
      for (int i = 0; i < here; i++) {
        Vec total{};
        for (int j = 0; j < wide; j += LANES) total = tanh_of(load(&sums[size_t(i) * wide + j])) * load(&last[j]) + total;
        for (int j = units; j < wide; j++) sums[size_t(i) * wide + j] = 0.0f; // the padding is added to again
        float logit = 0.0f;
        for (int lane = 0; lane < LANES; lane++) logit += total[lane];
        logits[start + i] = logit;
      }
    }
  }
}

} // extern "C"
