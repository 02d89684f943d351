// im2col and col2im as gathers. Columns lie as (channels, taps, images, rows, out_width), as in minifcn/window.py, or in
// any order that `tap_step` (from one tap to the next, of all channels) and `image_step` describe.

// A thread copies what one output position sees of one channel, through all taps.
KERNEL im2col(const REAL* __restrict__ x, REAL* __restrict__ columns, INDEX channels, INDEX height, INDEX width,
              INDEX kernel_h, INDEX kernel_w, INDEX stride_h, INDEX stride_w, INDEX pad_h, INDEX pad_w,
              INDEX dilation_h, INDEX dilation_w, INDEX first_row, INDEX rows, INDEX out_width, INDEX image_step,
              INDEX tap_step, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX q = n % out_width, r = n / out_width % rows;
  const INDEX c = n / out_width / rows % channels, image = n / out_width / rows / channels;
  const REAL* seen = x + (image * channels + c) * height * width;
  REAL* column = columns + c * kernel_h * kernel_w * tap_step + image * image_step + r * out_width + q;
  const INDEX top = stride_h * (first_row + r) - pad_h, left = stride_w * q - pad_w;
  for (INDEX i = 0; i < kernel_h; ++i) {
    const INDEX h = top + dilation_h * i;
    for (INDEX j = 0; j < kernel_w; ++j) {
      const INDEX w = left + dilation_w * j;
      *column = h >= 0 && h < height && w >= 0 && w < width ? seen[h * width + w] : (REAL)0;
      column += tap_step;
    }
  }
}

// Which taps stamp onto a pixel: with neighbours side by side, every stride-th from the first on; else all are tried.
static __device__ __forceinline__ INDEX first_tap(INDEX position, INDEX stride, INDEX dilation) {
  return dilation == 1 && position >= 0 ? position % stride : 0;
}

// A thread sums what all taps stamped onto one pixel, in the order of the taps, on top of its channel's bias. The
// columns are those of `channels` channels, which stand in x from `first_channel` on among `all_channels`.
KERNEL col2im(const REAL* __restrict__ columns, const REAL* __restrict__ bias, REAL* __restrict__ x, INDEX channels,
              INDEX first_channel, INDEX all_channels, INDEX height, INDEX width, INDEX kernel_h, INDEX kernel_w,
              INDEX stride_h, INDEX stride_w, INDEX pad_h, INDEX pad_w, INDEX dilation_h, INDEX dilation_w,
              INDEX out_height, INDEX out_width, INDEX image_step, INDEX tap_step, INDEX has_bias, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX w = n % width, h = n / width % height;
  const INDEX c = n / width / height % channels, image = n / width / height / channels;
  const REAL* column = columns + c * kernel_h * kernel_w * tap_step + image * image_step;
  REAL sum = has_bias ? bias[first_channel + c] : (REAL)0;
  const INDEX step_h = dilation_h == 1 ? stride_h : 1, step_w = dilation_w == 1 ? stride_w : 1;
  for (INDEX i = first_tap(h + pad_h, stride_h, dilation_h); i < kernel_h; i += step_h) {
    const INDEX top = h + pad_h - dilation_h * i;
    if (top < 0 || top % stride_h || top / stride_h >= out_height) continue;
    for (INDEX j = first_tap(w + pad_w, stride_w, dilation_w); j < kernel_w; j += step_w) {
      const INDEX left = w + pad_w - dilation_w * j;
      if (left < 0 || left % stride_w || left / stride_w >= out_width) continue;
      sum += column[(i * kernel_w + j) * tap_step + top / stride_h * out_width + left / stride_w];
    }
  }
  x[((image * all_channels + first_channel + c) * height + h) * width + w] = sum;
}

// A convolution of each channel alone, with a filter of its own, w: (channels, kernel_h, kernel_w): no columns needed.
KERNEL correlate_each(const REAL* __restrict__ x, const REAL* __restrict__ w, const REAL* __restrict__ bias,
                      REAL* __restrict__ y, INDEX channels, INDEX height, INDEX width, INDEX out_height,
                      INDEX out_width, INDEX kernel_h, INDEX kernel_w, INDEX stride_h, INDEX stride_w, INDEX pad_h,
                      INDEX pad_w, INDEX dilation_h, INDEX dilation_w, INDEX has_bias, INDEX rectify, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX q = n % out_width, r = n / out_width % out_height, plane = n / out_width / out_height;
  const INDEX c = plane % channels, top = stride_h * r - pad_h, left = stride_w * q - pad_w;
  const REAL* seen = x + plane * height * width;
  const REAL* filter = w + c * kernel_h * kernel_w;
  REAL sum = 0;
  for (INDEX i = 0; i < kernel_h; ++i) {
    const INDEX h = top + dilation_h * i;
    if (h < 0 || h >= height) continue;
    for (INDEX j = 0; j < kernel_w; ++j) {
      const INDEX v = left + dilation_w * j;
      if (v >= 0 && v < width) sum += filter[i * kernel_w + j] * seen[h * width + v];
    }
  }
  if (has_bias) sum += bias[c];
  y[n] = rectify && sum < 0 ? (REAL)0 : sum;
}

// Its adjoint: FCN's bilinear upsampling. x: (N, channels, height, width) is what is made, y what is stamped.
KERNEL scatter_each(const REAL* __restrict__ y, const REAL* __restrict__ w, const REAL* __restrict__ bias,
                    REAL* __restrict__ x, INDEX channels, INDEX height, INDEX width, INDEX out_height,
                    INDEX out_width, INDEX kernel_h, INDEX kernel_w, INDEX stride_h, INDEX stride_w, INDEX pad_h,
                    INDEX pad_w, INDEX dilation_h, INDEX dilation_w, INDEX has_bias, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX v = n % width, h = n / width % height, plane = n / width / height, c = plane % channels;
  const REAL* stamped = y + plane * out_height * out_width;
  const REAL* filter = w + c * kernel_h * kernel_w;
  const INDEX step_h = dilation_h == 1 ? stride_h : 1, step_w = dilation_w == 1 ? stride_w : 1;
  REAL sum = has_bias ? bias[c] : (REAL)0;
  for (INDEX i = first_tap(h + pad_h, stride_h, dilation_h); i < kernel_h; i += step_h) {
    const INDEX top = h + pad_h - dilation_h * i;
    if (top < 0 || top % stride_h || top / stride_h >= out_height) continue;
    for (INDEX j = first_tap(v + pad_w, stride_w, dilation_w); j < kernel_w; j += step_w) {
      const INDEX left = v + pad_w - dilation_w * j;
      if (left < 0 || left % stride_w || left / stride_w >= out_width) continue;
      sum += filter[i * kernel_w + j] * stamped[top / stride_h * out_width + left / stride_w];
    }
  }
  x[n] = sum;
}

// The end of a convolution: a band's product (channels, images, rows * out_width) goes to its place in y, plus the
// channel's bias and, with `rectify`, cut off below 0 (a NaN stays). product and y may be the same memory.
KERNEL epilogue(const REAL* product, const REAL* __restrict__ bias, REAL* y, INDEX channels, INDEX images,
                INDEX positions, INDEX start, INDEX area, INDEX has_bias, INDEX rectify, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX p = n % positions, image = n / positions % images, c = n / positions / images;
  REAL value = product[n];
  if (has_bias) value += bias[c];
  if (rectify && value < 0) value = 0;
  y[(image * channels + c) * area + start + p] = value;
}
