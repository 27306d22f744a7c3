// What this machine can do at best for float32: the Gram matrix of n rows by a register-tiled kernel, and one weighted
// sum of the rows. For benchmarks only; sums are float32 and nothing is checked.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr std::size_t kLanes = 16, kTile = 5;
#else
constexpr std::size_t kLanes = 8, kTile = 3;
#endif
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

constexpr std::size_t kSpan = 2048;  // coordinates of one block

inline Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }

template <std::size_t kLeft, std::size_t kRight>
void tile(const float* const* left, const float* const* right, std::size_t width, std::size_t ahead, Vector* sums) {
  Vector sum[kLeft][kRight] = {};
  for (std::size_t k = 0; k < width; k += kLanes) {
    Vector x[kLeft];
#pragma GCC unroll 5
    for (std::size_t r = 0; r < kLeft; ++r) {
      x[r] = load(left[r] + k);
      __builtin_prefetch(left[r] + ahead + k, 0, 2);
    }
#pragma GCC unroll 5
    for (std::size_t c = 0; c < kRight; ++c) {
      const Vector y = load(right[c] + k);
#pragma GCC unroll 5
      for (std::size_t r = 0; r < kLeft; ++r) sum[r][c] += x[r] * y;
    }
  }
#pragma GCC unroll 5
  for (std::size_t r = 0; r < kLeft; ++r) {
#pragma GCC unroll 5
    for (std::size_t c = 0; c < kRight; ++c) sums[r * kTile + c] += sum[r][c];
  }
}

// Rows that do not fill a tile are the last row again.
void gram_shard(const float* updates, std::size_t n, std::size_t d, std::size_t first, std::size_t last, float* out) {
  const std::size_t groups = (n + kTile - 1) / kTile;
  std::vector<Vector> sums(groups * groups * kTile * kTile);
  std::memset(static_cast<void*>(sums.data()), 0, sums.size() * sizeof(Vector));
  std::vector<const float*> rows(groups * kTile);
  for (std::size_t at = first; at < last; at += kSpan) {
    const std::size_t width = std::min(kSpan, last - at) / kLanes * kLanes;  // a few coordinates less
    const std::size_t ahead = at + 2 * kSpan <= last ? kSpan : 0;
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = updates + std::min(i, n - 1) * d + at;
    for (std::size_t a = 0; a < groups; ++a) {
      for (std::size_t b = a; b < groups; ++b) {
        tile<kTile, kTile>(&rows[a * kTile], &rows[b * kTile], width, b == a ? ahead : 0,
                           &sums[(a * groups + b) * kTile * kTile]);
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i / kTile * kTile; j < n; ++j) {
      const Vector v = sums[((i / kTile) * groups + j / kTile) * kTile * kTile + i % kTile * kTile + j % kTile];
      float total = 0;
      for (std::size_t l = 0; l < kLanes; ++l) total += v[l];
      out[i * n + j] = total;
    }
  }
}

void sum_shard(const float* updates, std::size_t n, std::size_t d, std::size_t first, std::size_t last,
               const float* weights, float* out) {
  constexpr std::size_t kPart = 1024;
  for (std::size_t at = first; at < last; at += kPart) {
    const std::size_t end = std::min(last, at + kPart);
    for (std::size_t k = at; k < end; ++k) out[k] = 0;
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4) {
      const float *const a = updates + i * d, *const b = a + d, *const c = b + d, *const e = c + d;
      const float wa = weights[i], wb = weights[i + 1], wc = weights[i + 2], we = weights[i + 3];
      for (std::size_t k = at; k < end; ++k) out[k] += wa * a[k] + wb * b[k] + wc * c[k] + we * e[k];
    }
    for (; i < n; ++i) {
      for (std::size_t k = at; k < end; ++k) out[k] += weights[i] * updates[i * d + k];
    }
  }
}

template <class Shard>
double seconds(unsigned threads, std::size_t d, const Shard& shard) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> team;
  for (unsigned t = 1; t < threads; ++t) {
    team.emplace_back([&, t] { shard(t, d * t / threads / kLanes * kLanes, d * (t + 1) / threads / kLanes * kLanes); });
  }
  shard(0U, std::size_t{0}, d / threads / kLanes * kLanes);
  for (std::thread& thread : team) thread.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

// Seconds for the Gram matrix of `updates` (n, d), and for the weighted sum into `out` (d).
extern "C" void measure(const float* updates, std::size_t n, std::size_t d, unsigned threads, float* out,
                        double* gram_seconds, double* sum_seconds) {
  std::vector<std::vector<float>> grams(threads, std::vector<float>(n * n));
  *gram_seconds = seconds(threads, d, [&](unsigned t, std::size_t first, std::size_t last) {
    gram_shard(updates, n, d, first, last, grams[t].data());
  });
  std::vector<float> weights(n);
  for (std::size_t i = 0; i < n; ++i) weights[i] = 1 + grams[0][i * n + i] * 1e-30f;  // no sum without the matrix
  *sum_seconds = seconds(threads, d, [&](unsigned, std::size_t first, std::size_t last) {
    sum_shard(updates, n, d, first, last, weights.data(), out);
  });
}
