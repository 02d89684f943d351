// Winograd's F(4x4, 3x3): 4x4 outputs of a 3x3 convolution from 6x6 inputs by 36 products instead of 144 (Lavin and
// Gray, "Fast algorithms for convolutional neural networks", 2016, section 4.2, whose matrices A, B and G these are):
//
//     y = A^T [ (G g G^T) * (B^T d B) ] A
//
// the products `*` summed over the channels: 36 matrix products, which cuBLAS does. Tiles of 4x4 outputs are numbered
// along a row, down the rows, through the images. A thread makes one tile of one channel, or one filter.

// One line of six through B^T, A or A^T, and of three through G or back through G^T.

static __device__ __forceinline__ void through_b(const REAL* d, REAL* out) {
  out[0] = 4 * d[0] - 5 * d[2] + d[4];
  out[1] = d[4] + d[3] - 4 * (d[2] + d[1]);
  out[2] = d[4] - d[3] - 4 * (d[2] - d[1]);
  out[3] = d[4] - d[2] + 2 * (d[3] - d[1]);
  out[4] = d[4] - d[2] - 2 * (d[3] - d[1]);
  out[5] = 4 * d[1] - 5 * d[3] + d[5];
}

static __device__ __forceinline__ void through_a_transposed(const REAL* m, REAL* out) {
  const REAL sum12 = m[1] + m[2], difference12 = m[1] - m[2], sum34 = m[3] + m[4], difference34 = m[3] - m[4];
  out[0] = m[0] + sum12 + sum34;
  out[1] = difference12 + 2 * difference34;
  out[2] = sum12 + 4 * sum34;
  out[3] = difference12 + 8 * difference34 + m[5];
}

static __device__ __forceinline__ void through_a(const REAL* y, REAL* out) {
  const REAL even = y[0] + y[2], odd = y[1] + y[3], even2 = y[0] + 4 * y[2], odd2 = 2 * y[1] + 8 * y[3];
  out[0] = y[0];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = even2 + odd2;
  out[4] = even2 - odd2;
  out[5] = y[3];
}

static __device__ __forceinline__ void through_g(const REAL* g, REAL* out) {
  const REAL outer = (g[0] + g[2]) / 6, fourth = g[0] / 24 + g[2] / 6;
  out[0] = g[0] / 4;
  out[1] = -outer - g[1] / 6;
  out[2] = g[1] / 6 - outer;
  out[3] = fourth + g[1] / 12;
  out[4] = fourth - g[1] / 12;
  out[5] = g[2];
}

static __device__ __forceinline__ void through_g_transposed(const REAL* u, REAL* out) {
  const REAL sum12 = u[1] + u[2], sum34 = u[3] + u[4];
  out[0] = u[0] / 4 - sum12 / 6 + sum34 / 24;
  out[1] = (u[2] - u[1]) / 6 + (u[3] - u[4]) / 12;
  out[2] = (sum34 - sum12) / 6 + u[5];
}

// u: (36, outputs, inputs) from w, whose filter for output o and input c starts at o * out_step + c * in_step. With
// `rotate` the filters are turned by 180 degrees, as the gradient of the input wants them.
KERNEL winograd_filter(const REAL* __restrict__ w, REAL* __restrict__ u, INDEX inputs, INDEX out_step, INDEX in_step,
                       INDEX rotate, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const REAL* filter = w + n / inputs * out_step + n % inputs * in_step;
  REAL half[6][3], line[6];
#pragma unroll
  for (int j = 0; j < 3; ++j) {
    REAL column[3];
#pragma unroll
    for (int i = 0; i < 3; ++i) column[i] = filter[rotate ? 8 - (3 * i + j) : 3 * i + j];
    through_g(column, line);
#pragma unroll
    for (int i = 0; i < 6; ++i) half[i][j] = line[i];
  }
#pragma unroll
  for (int i = 0; i < 6; ++i) {
    through_g(half[i], line);
#pragma unroll
    for (int j = 0; j < 6; ++j) u[(6 * i + j) * count + n] = line[j];
  }
}

// v: (36, channels, tiles), or with `channels_last` (36, tiles, channels), of `tiles` tiles from `first_tile` on.
KERNEL winograd_input(const REAL* __restrict__ x, REAL* __restrict__ v, INDEX channels, INDEX height, INDEX width,
                      INDEX pad_h, INDEX pad_w, INDEX tiles_down, INDEX tiles_across, INDEX first_tile, INDEX tiles,
                      INDEX channels_last, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX c = channels_last ? n % channels : n / tiles, t = channels_last ? n / channels : n % tiles;
  const INDEX tile = first_tile + t, image = tile / tiles_across / tiles_down;
  const INDEX top = 4 * (tile / tiles_across % tiles_down) - pad_h, left = 4 * (tile % tiles_across) - pad_w;
  const REAL* seen = x + (image * channels + c) * height * width;
  REAL half[6][6], line[6];
#pragma unroll
  for (int j = 0; j < 6; ++j) {
    REAL column[6];
    const bool inside = left + j >= 0 && left + j < width;
#pragma unroll
    for (int i = 0; i < 6; ++i)
      column[i] = inside && top + i >= 0 && top + i < height ? seen[(top + i) * width + left + j] : (REAL)0;
    through_b(column, line);
#pragma unroll
    for (int i = 0; i < 6; ++i) half[i][j] = line[i];
  }
#pragma unroll
  for (int i = 0; i < 6; ++i) {
    through_b(half[i], line);
#pragma unroll
    for (int j = 0; j < 6; ++j) v[(6 * i + j) * count + n] = line[j];
  }
}

// y: (N, channels, height, width) from m: (36, channels, tiles), plus the bias and, with `rectify`, cut off below 0.
KERNEL winograd_output(const REAL* __restrict__ m, const REAL* __restrict__ bias, REAL* __restrict__ y, INDEX channels,
                       INDEX height, INDEX width, INDEX tiles_down, INDEX tiles_across, INDEX first_tile, INDEX tiles,
                       INDEX has_bias, INDEX rectify, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX c = n / tiles, tile = first_tile + n % tiles, image = tile / tiles_across / tiles_down;
  const INDEX top = 4 * (tile / tiles_across % tiles_down), left = 4 * (tile % tiles_across);
  REAL* target = y + ((image * channels + c) * height + top) * width + left;
  REAL half[4][6], line[4];
#pragma unroll
  for (int j = 0; j < 6; ++j) {
    REAL column[6];
#pragma unroll
    for (int i = 0; i < 6; ++i) column[i] = m[(6 * i + j) * count + n];
    through_a_transposed(column, line);
#pragma unroll
    for (int i = 0; i < 4; ++i) half[i][j] = line[i];
  }
  const REAL shift = has_bias ? bias[c] : (REAL)0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    through_a_transposed(half[i], line);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      REAL value = line[j] + shift;
      if (rectify && value < 0) value = 0;
      if (top + i < height && left + j < width) target[i * width + j] = value;
    }
  }
}

// The way back through winograd_output: m: (36, channels, tiles) from dy: (N, channels, height, width).
KERNEL winograd_output_backward(const REAL* __restrict__ dy, REAL* __restrict__ m, INDEX channels, INDEX height,
                                INDEX width, INDEX tiles_down, INDEX tiles_across, INDEX first_tile, INDEX tiles,
                                INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX c = n / tiles, tile = first_tile + n % tiles, image = tile / tiles_across / tiles_down;
  const INDEX top = 4 * (tile / tiles_across % tiles_down), left = 4 * (tile % tiles_across);
  const REAL* seen = dy + ((image * channels + c) * height + top) * width + left;
  REAL half[6][4], line[6];
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    REAL column[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
      column[i] = top + i < height && left + j < width ? seen[i * width + j] : (REAL)0;
    through_a(column, line);
#pragma unroll
    for (int i = 0; i < 6; ++i) half[i][j] = line[i];
  }
#pragma unroll
  for (int i = 0; i < 6; ++i) {
    through_a(half[i], line);
#pragma unroll
    for (int j = 0; j < 6; ++j) m[(6 * i + j) * count + n] = line[j];
  }
}

// The way back through winograd_filter: dw: (outputs, inputs, 3, 3) from du: (36, outputs, inputs).
KERNEL winograd_filter_backward(const REAL* __restrict__ du, REAL* __restrict__ dw, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  REAL half[3][6], line[3];
#pragma unroll
  for (int j = 0; j < 6; ++j) {
    REAL column[6];
#pragma unroll
    for (int i = 0; i < 6; ++i) column[i] = du[(6 * i + j) * count + n];
    through_g_transposed(column, line);
#pragma unroll
    for (int i = 0; i < 3; ++i) half[i][j] = line[i];
  }
#pragma unroll
  for (int i = 0; i < 3; ++i) {
    through_g_transposed(half[i], line);
#pragma unroll
    for (int j = 0; j < 3; ++j) dw[9 * n + 3 * i + j] = line[j];
  }
}
