// Local response normalisation across channels. A thread makes one element; neighbours' values come out of the cache.

KERNEL lrn(const REAL* __restrict__ x, REAL* __restrict__ y, REAL* __restrict__ scale, INDEX channels, INDEX area,
           INDEX half, REAL alpha_over_size, REAL beta, REAL k, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX c = n / area % channels;
  const INDEX first = c < half ? 0 : c - half, last = c + half < channels ? c + half : channels - 1;
  REAL sum = 0;
  for (INDEX other = first; other <= last; ++other) {
    const REAL value = x[n + (other - c) * area];
    sum += value * value;
  }
  const REAL term = sum * alpha_over_size + k;
  scale[n] = term;
  y[n] = x[n] * pow(term, -beta);
}

// dx = dy scale^-beta - (2 alpha beta / size) x (sum over the window of dy x scale^(-beta-1))
KERNEL lrn_backward(const REAL* __restrict__ dy, const REAL* __restrict__ x, const REAL* __restrict__ scale,
                    REAL* __restrict__ dx, INDEX channels, INDEX area, INDEX half, REAL factor, REAL beta,
                    INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX c = n / area % channels;
  const INDEX first = c < half ? 0 : c - half, last = c + half < channels ? c + half : channels - 1;
  REAL through = 0;
  for (INDEX other = first; other <= last; ++other) {
    const INDEX m = n + (other - c) * area;
    through += dy[m] * x[m] * pow(scale[m], -beta) / scale[m];
  }
  dx[n] = dy[n] * pow(scale[n], -beta) - factor * x[n] * through;
}
