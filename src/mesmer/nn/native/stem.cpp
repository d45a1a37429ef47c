// The dense stem for inference: 5x5 convolution, bias, 2x2 max-pool, ReLU; then 3x3 convolutions, each with bias and ReLU.
//
// Everything of one image stays in the cache: an image passes through all layers before the next one starts. The 3x3
// convolutions use Winograd's minimal filtering F(2x2, 3x3): 16 products instead of 36 for each 2x2 of outputs, the same
// sums in another order (measured: rounding errors 1.3 times those of the direct sum). Max-pooling before bias and ReLU
// gives the same values as after them, since both are monotone.
#include <algorithm>
#include <vector>

#include <omp.h>

#include "vectors.inc.cpp"

namespace {

constexpr int KERNEL = 5, POINTS = 16;
constexpr int TILES = 4 * TILE_ROWS; // Winograd tiles taken at a time

// An image [height + 2, made even][width + 2, made even][wide], zero around its inside.
struct Image {
  int height, width, wide, line;
  std::vector<float> data;
  Image(int height, int width, int wide)
      : height(height), width(width), wide(wide), line((width + 1) / 2 * 2 + 2),
        data(size_t((height + 1) / 2 * 2 + 2) * line * wide, 0.0f) {}
  float *at(int y, int x) { return &data[(size_t(y + 1) * line + x + 1) * wide]; } // from -1
};

// One strip of POOLED x 1 pooled outputs and one panel: the 2 * POOLED columns of two lines stay in registers.
template <int C, int POOLED>
void first_strip(const float *image, int line, const float *w, const float *bias, float *out, int wide) {
  Vec sum[2][2 * POOLED][2] = {};
  for (int ky = 0; ky < KERNEL; ky++) {
    const float *top = image + size_t(ky) * line, *low = top + line;
    for (int k = 0; k < KERNEL * C; k++, w += PANEL) {
      const Vec w0 = load(w), w1 = load(w + LANES);
#pragma GCC unroll 8
      for (int m = 0; m < 2 * POOLED; m++) {
        const Vec a = splat(top[m * C + k]), b = splat(low[m * C + k]);
        sum[0][m][0] = a * w0 + sum[0][m][0];
        sum[0][m][1] = a * w1 + sum[0][m][1];
        sum[1][m][0] = b * w0 + sum[1][m][0];
        sum[1][m][1] = b * w1 + sum[1][m][1];
      }
    }
  }
  for (int p = 0; p < POOLED; p++)
    for (int half = 0; half < 2; half++) {
      Vec best = sum[0][2 * p][half];
      for (int q = 1; q < 4; q++) {
        const Vec other = sum[q / 2][2 * p + q % 2][half];
        best = other > best ? other : best;
      }
      store(out + size_t(p) * wide + half * LANES, positive(best + load(bias + half * LANES)));
    }
}

// 5x5 convolution and pooling of one image x [C][height][width] into `out`.
template <int C>
void first_layer(const float *x, int height, int width, const float *w, const float *bias, std::vector<float> &padded,
                 Image &out) {
  constexpr int MOST = LANES == 16 ? 3 : 1, EDGE = KERNEL / 2;
  const int line = (width + 2 * EDGE) * C;
  padded.assign(size_t(height + 2 * EDGE) * line, 0.0f);
  for (int c = 0; c < C; c++)
    for (int y = 0; y < height; y++)
      for (int i = 0; i < width; i++)
        padded[size_t(y + EDGE) * line + (i + EDGE) * C + c] = x[(size_t(c) * height + y) * width + i];
  for (int y = 0; y < out.height; y++)
    for (int i = 0; i < out.width;) {
      const float *from = &padded[size_t(2 * y) * line + 2 * i * C];
      const int strip = std::min(MOST, out.width - i);
      for (int j = 0; j < out.wide; j += PANEL) {
        const float *panel = w + size_t(j) * KERNEL * KERNEL * C;
        float *to = out.at(y, i) + j;
        if (strip == 3) first_strip<C, MOST>(from, line, panel, bias + j, to, out.wide);
        else if (strip == 2) first_strip<C, std::min(MOST, 2)>(from, line, panel, bias + j, to, out.wide);
        else first_strip<C, 1>(from, line, panel, bias + j, to, out.wide);
      }
      i += strip;
    }
}

// B^T d B of a 4x4 patch: 16 points, each `apart` floats after the other.
void to_points(const float *patch, size_t line, size_t wide, float *points, size_t apart) {
  Vec d[4][4], e[4][4];
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 4; x++) d[y][x] = load(patch + y * line + x * wide);
  for (int x = 0; x < 4; x++) {
    e[0][x] = d[0][x] - d[2][x];
    e[1][x] = d[1][x] + d[2][x];
    e[2][x] = d[2][x] - d[1][x];
    e[3][x] = d[1][x] - d[3][x];
  }
  for (int y = 0; y < 4; y++) {
    store(points + (4 * y + 0) * apart, e[y][0] - e[y][2]);
    store(points + (4 * y + 1) * apart, e[y][1] + e[y][2]);
    store(points + (4 * y + 2) * apart, e[y][2] - e[y][1]);
    store(points + (4 * y + 3) * apart, e[y][1] - e[y][3]);
  }
}

// A^T m A: the 2x2 outputs of a tile.
void from_points(const float *points, size_t apart, Vec out[2][2]) {
  Vec m[4][4], e[2][4];
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 4; x++) m[y][x] = load(points + (4 * y + x) * apart);
  for (int x = 0; x < 4; x++) {
    e[0][x] = m[0][x] + m[1][x] + m[2][x];
    e[1][x] = m[1][x] - m[2][x] - m[3][x];
  }
  for (int y = 0; y < 2; y++) {
    out[y][0] = e[y][0] + e[y][1] + e[y][2];
    out[y][1] = e[y][1] - e[y][2] - e[y][3];
  }
}

// 3x3 convolution with bias and ReLU from one image into another; w [16][panels][wide][PANEL] in Winograd's domain.
template <int STEP>
void next_layer(Image &in, const float *w, const float *bias, std::vector<float> &points, std::vector<float> &products,
                Image &out) {
  const int wide = in.wide, across = (in.width + 1) / 2, all = across * ((in.height + 1) / 2);
  const size_t line = size_t(in.line) * wide;
  const int batches = ceil_div(all, TILES);
  for (int batch = 0, first = 0; batch < batches; batch++) {
    const int here = (all - first + batches - batch - 1) / (batches - batch);
    const size_t apart = size_t(here) * STEP, apart_out = size_t(here) * wide;
    for (int i = 0; i < here; i++) {
      const int tile = first + i;
      const float *patch = in.at(tile / across * 2 - 1, tile % across * 2 - 1);
      for (int c = 0; c < wide; c += LANES) to_points(patch + c, line, wide, &points[size_t(i) * STEP + c], apart);
    }
    const int blocks = ceil_div(here, TILE_ROWS);
    for (int p = 0; p < POINTS; p++)
      for (int j = 0; j < wide; j += PANEL) {
        const float *panel = w + (size_t(p) * wide + j) * wide;
        for (int block = 0, i = 0; block < blocks; block++) {
          const int m = (here - i + blocks - block - 1) / (blocks - block);
          float *c[TILE_ROWS] = {};
          for (int r = 0; r < m; r++) c[r] = &products[p * apart_out + size_t(i + r) * wide + j];
          const float *a = &points[p * apart + size_t(i) * STEP];
          with_rows(m, [&](auto count) { tile<Float32, decltype(count)::value, STEP, true>(a, panel, wide, c); });
          i += m;
        }
      }
    for (int i = 0; i < here; i++) {
      const int y = (first + i) / across * 2, x = (first + i) % across * 2;
      for (int c = 0; c < wide; c += LANES) {
        Vec result[2][2];
        from_points(&products[size_t(i) * wide + c], apart_out, result);
        for (int q = 0; q < 4; q++)
          if (y + q / 2 < in.height && x + q % 2 < in.width)
            store(out.at(y + q / 2, x + q % 2) + c, positive(result[q / 2][q % 2] + load(bias + c)));
      }
    }
    first += here;
  }
}

} // namespace

extern "C" {

int mesmer_panel() { return PANEL; }

// x [n][channels][height][width]; first [wide / PANEL][25 * channels][PANEL]; rest [layers][16][wide / PANEL][wide][PANEL];
// bias [1 + layers][wide]; out [n][height / 2][width / 2][width_out]. channels is 1 or 3, wide at most DEPTH.
int mesmer_stem(const float *x, const float *first, const float *rest, const float *bias, float *out, int64_t n, int channels,
                int height, int width, int layers, int wide, int width_out, int threads) {
  if ((channels != 1 && channels != 3) || wide > DEPTH || wide % PANEL) return 1;
#pragma omp parallel num_threads(threads)
  {
    Image a(height / 2, width / 2, wide), b(height / 2, width / 2, wide);
    std::vector<float> padded, points(size_t(POINTS) * TILES * STRIDE), products(size_t(POINTS) * TILES * wide);
#pragma omp for schedule(dynamic, 1)
    for (int64_t image = 0; image < n; image++) {
      const float *from = x + size_t(image) * channels * height * width;
      Image *now = &a, *then = &b;
      if (channels == 3) first_layer<3>(from, height, width, first, bias, padded, *now);
      else first_layer<1>(from, height, width, first, bias, padded, *now);
      for (int layer = 0; layer < layers; layer++) {
        const float *w = rest + size_t(layer) * POINTS * wide * wide, *shift = bias + size_t(layer + 1) * wide;
        if (wide <= 64) next_layer<80>(*now, w, shift, points, products, *then);
        else next_layer<STRIDE>(*now, w, shift, points, products, *then);
        std::swap(now, then);
      }
      float *to = out + size_t(image) * a.height * a.width * width_out;
      for (int y = 0; y < a.height; y++)
        for (int i = 0; i < a.width; i++, to += width_out) std::memcpy(to, now->at(y, i), size_t(width_out) * 4);
    }
  }
  return 0;
}

} // extern "C"
