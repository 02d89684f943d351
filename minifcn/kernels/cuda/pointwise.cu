// The gradient of ReLU, and the update of stochastic gradient descent, each in one pass.

KERNEL relu_backward(const REAL* __restrict__ dy, const REAL* __restrict__ y, REAL* __restrict__ dx, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  dx[n] = dy[n] * (REAL)(y[n] > 0);
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
