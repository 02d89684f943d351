// Softmax cross-entropy of every pixel. A thread makes one pixel: it goes down the classes three times.

// Besides the probabilities, each pixel leaves its label (0 where it does not count), its weight, and its loss.
KERNEL softmax_loss(const REAL* __restrict__ scores, const int* __restrict__ given,
                    const unsigned char* __restrict__ mask, const REAL* __restrict__ class_weights,
                    REAL* __restrict__ probabilities, int* __restrict__ labels, REAL* __restrict__ weights,
                    double* __restrict__ losses, INDEX classes, INDEX area, INDEX ignore_index, INDEX has_mask,
                    INDEX has_weights, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const bool counted = given[n] != ignore_index && !(has_mask && !mask[n]);
  const int label = counted ? given[n] : 0;
  const REAL weight = counted ? has_weights ? class_weights[label] : (REAL)1 : (REAL)0;

  const INDEX first = n / area * classes * area + n % area;
  REAL largest = scores[first];
  for (INDEX c = 1; c < classes; ++c) {
    const REAL score = scores[first + c * area];
    if (score > largest || score != score) largest = score;
  }
  REAL total = 0;
  double exact = 0;  // the largest term is 1: beside it, those that make the loss of a sure pixel vanish in float
  for (INDEX c = 0; c < classes; ++c) {
    const REAL power = exp(scores[first + c * area] - largest);
    probabilities[first + c * area] = power;
    total += power;
    exact += power;
  }
  for (INDEX c = 0; c < classes; ++c) probabilities[first + c * area] /= total;

  labels[n] = label;
  weights[n] = weight;
  // A pixel that does not count must not count even where its scores are infinite.
  losses[n] = weight > 0 ? (log(exact) - ((double)scores[first + label * area] - largest)) * (double)weight : 0.0;
}

// (softmax - one hot) * weight * factor, and 0, not 0 * NaN, where a pixel does not count.
KERNEL softmax_loss_backward(const REAL* __restrict__ probabilities, const int* __restrict__ labels,
                             const REAL* __restrict__ weights, const REAL* __restrict__ factor,
                             REAL* __restrict__ dscores, INDEX classes, INDEX area, INDEX count) {
  const INDEX n = thread_number();
  if (n >= count) return;
  const INDEX c = n / area % classes, pixel = n / area / classes * area + n % area;
  const REAL weight = weights[pixel] * factor[0];
  const REAL gradient = probabilities[n] * weight - (labels[pixel] == c ? weight : (REAL)0);
  dscores[n] = weights[pixel] == 0 ? (REAL)0 : gradient;
}
