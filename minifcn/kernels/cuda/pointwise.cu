// ReLU's gradient, of its output or of one bit an element of it, and the update of stochastic gradient descent, each in one pass.

KERNEL relu_backward(const REAL* __restrict__ dy, const REAL* __restrict__ y, REAL* __restrict__ dx, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  dx[n] = dy[n] * (REAL)(y[n] > 0);
}

// A thread makes the bits of eight elements, the first in the highest bit.
KERNEL positive_bits(const REAL* __restrict__ y, unsigned char* __restrict__ bits, INDEX size, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  int byte = 0;
  for (INDEX k = 0; k < 8; ++k) {
    const INDEX m = 8 * n + k;
    if (m < size && y[m] > 0) byte |= 0x80 >> k;
  }
  bits[n] = (unsigned char)byte;
}

KERNEL relu_backward_of_bits(const REAL* __restrict__ dy, const unsigned char* __restrict__ bits,
                             REAL* __restrict__ dx, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  dx[n] = dy[n] * (REAL)(bits[n / 8] >> (7 - n % 8) & 1);
}

// minifcn/optim.py: V <- momentum V + rate g + rate weight_decay w, then w <- w - V.
KERNEL sgd(REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ v, REAL momentum, REAL scale,
           REAL decay, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const REAL step = v[n] * momentum + g[n] * scale + w[n] * decay;
  v[n] = step;
  w[n] -= step;
}
