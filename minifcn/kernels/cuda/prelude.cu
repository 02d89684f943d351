// Comes before every other source of this folder. REAL is float or double, by -DREAL=...
//
// The rules of this house, which also let each source run as plain C++ on a CPU (tests/fakecuda.py):
//   a thread makes one element of the output and no other writes it: no atomics, no barriers, the same bits every time;
//   a thread finds its element by dividing its number, in a grid of one dimension;
//   INDEX counts elements: 32 bits where all arrays are small enough (division is slow), 64 bits with -DWIDE;
//   arrays are C-contiguous; sizes and steps are in elements.

#ifdef WIDE
typedef long long INDEX;
#else
typedef int INDEX;
#endif

#define KERNEL extern "C" __global__ void

static __device__ __forceinline__ INDEX thread_number() {
  return (INDEX)blockIdx.x * (INDEX)blockDim.x + (INDEX)threadIdx.x;
}
