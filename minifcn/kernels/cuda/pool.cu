// Max and average pooling. As in minifcn/window.py: output r sees, through tap i, input row stride*r + dilation*i - pad.

// One byte an element says which tap of a window won, unless there are more taps than a byte counts.
#ifdef MANY_TAPS
typedef int WINNER;
#else
typedef unsigned char WINNER;
#endif

// A thread makes one output. Of equal values the first tap wins; a NaN stays a NaN.
KERNEL max_pool(const REAL* __restrict__ x, REAL* __restrict__ y, WINNER* __restrict__ winner, INDEX height,
                INDEX width, INDEX out_height, INDEX out_width, INDEX kernel_h, INDEX kernel_w, INDEX stride_h,
                INDEX stride_w, INDEX pad_h, INDEX pad_w, INDEX dilation_h, INDEX dilation_w, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX q = n % out_width, r = n / out_width % out_height, plane = n / out_width / out_height;
  const REAL* seen = x + plane * height * width;
  REAL best = 0;
  INDEX won = -1;
  for (INDEX i = 0; i < kernel_h; ++i) {
    const INDEX h = stride_h * r + dilation_h * i - pad_h;
    if (h < 0 || h >= height) continue;
    for (INDEX j = 0; j < kernel_w; ++j) {
      const INDEX w = stride_w * q + dilation_w * j - pad_w;
      if (w < 0 || w >= width) continue;
      const REAL value = seen[h * width + w];
      if (won < 0 || value > best) {
        best = value;
        won = i * kernel_w + j;
      } else if (value != value) {
        best = value;
      }
    }
  }
  y[n] = best;
  winner[n] = (WINNER)won;
}

// A thread makes one dx: it asks every window that sees its pixel whether the pixel won, in the order of the taps.
KERNEL max_pool_backward(const REAL* __restrict__ dy, const WINNER* __restrict__ winner, REAL* __restrict__ dx,
                         INDEX height, INDEX width, INDEX out_height, INDEX out_width, INDEX kernel_h, INDEX kernel_w,
                         INDEX stride_h, INDEX stride_w, INDEX pad_h, INDEX pad_w, INDEX dilation_h, INDEX dilation_w,
                         INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX w = n % width, h = n / width % height, plane = n / width / height;
  REAL sum = 0;
  for (INDEX i = 0; i < kernel_h; ++i) {
    const INDEX top = h + pad_h - dilation_h * i;
    if (top < 0 || top % stride_h || top / stride_h >= out_height) continue;
    for (INDEX j = 0; j < kernel_w; ++j) {
      const INDEX left = w + pad_w - dilation_w * j;
      if (left < 0 || left % stride_w || left / stride_w >= out_width) continue;
      const INDEX o = (plane * out_height + top / stride_h) * out_width + left / stride_w;
      if (winner[o] == i * kernel_w + j) sum += dy[o];
    }
  }
  dx[n] = sum;
}

// How many taps of a window along one axis lie within the padded image: what an average is divided by.
static __device__ __forceinline__ INDEX span(INDEX size, INDEX kernel, INDEX start, INDEX pad, INDEX dilation) {
  const INDEX reach = (size + 2 * pad - start + dilation - 1) / dilation;
  return reach < kernel ? reach : kernel;
}

KERNEL avg_pool(const REAL* __restrict__ x, REAL* __restrict__ y, INDEX height, INDEX width, INDEX out_height,
                INDEX out_width, INDEX kernel_h, INDEX kernel_w, INDEX stride_h, INDEX stride_w, INDEX pad_h,
                INDEX pad_w, INDEX dilation_h, INDEX dilation_w, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX q = n % out_width, r = n / out_width % out_height, plane = n / out_width / out_height;
  const REAL* seen = x + plane * height * width;
  REAL sum = 0;
  for (INDEX i = 0; i < kernel_h; ++i) {
    const INDEX h = stride_h * r + dilation_h * i - pad_h;
    if (h < 0 || h >= height) continue;
    for (INDEX j = 0; j < kernel_w; ++j) {
      const INDEX w = stride_w * q + dilation_w * j - pad_w;
      if (w >= 0 && w < width) sum += seen[h * width + w];
    }
  }
  y[n] = sum / (REAL)(span(height, kernel_h, stride_h * r, pad_h, dilation_h) *
                      span(width, kernel_w, stride_w * q, pad_w, dilation_w));
}

KERNEL avg_pool_backward(const REAL* __restrict__ dy, REAL* __restrict__ dx, INDEX height, INDEX width,
                         INDEX out_height, INDEX out_width, INDEX kernel_h, INDEX kernel_w, INDEX stride_h,
                         INDEX stride_w, INDEX pad_h, INDEX pad_w, INDEX dilation_h, INDEX dilation_w, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX w = n % width, h = n / width % height, plane = n / width / height;
  REAL sum = 0;
  for (INDEX i = 0; i < kernel_h; ++i) {
    const INDEX top = h + pad_h - dilation_h * i;
    if (top < 0 || top % stride_h || top / stride_h >= out_height) continue;
    const INDEX rows = span(height, kernel_h, top, pad_h, dilation_h);
    for (INDEX j = 0; j < kernel_w; ++j) {
      const INDEX left = w + pad_w - dilation_w * j;
      if (left < 0 || left % stride_w || left / stride_w >= out_width) continue;
      const INDEX area = rows * span(width, kernel_w, left, pad_w, dilation_w);
      sum += dy[(plane * out_height + top / stride_h) * out_width + left / stride_w] / (REAL)area;
    }
  }
  dx[n] = sum;
}
