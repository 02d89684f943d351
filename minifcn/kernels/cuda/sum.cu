// Sums in a fixed order, in float64: a thread adds up every `sums`-th value, from its own number on. Rounds of this, each
// shorter than the one before, give the same bits whatever the device does in parallel.

KERNEL fold(const double* __restrict__ values, double* __restrict__ partial, INDEX length, INDEX sums) {
  const INDEX n = thread_number();
  if (n >= sums) return;
  double sum = 0;
  for (INDEX m = n; m < length; m += sums) sum += values[m];
  partial[n] = sum;
}

// The first round for a sum of squares: partial sums of a REAL array.
KERNEL fold_squares(const REAL* __restrict__ values, double* __restrict__ partial, INDEX length, INDEX sums) {
  const INDEX n = thread_number();
  if (n >= sums) return;
  double sum = 0;
  for (INDEX m = n; m < length; m += sums) sum += (double)values[m] * (double)values[m];
  partial[n] = sum;
}
