// Number-theoretic transforms over F_r, and the products of polynomials that they give.
//
// A transform of N = N1 * N2 values is N2 transforms of columns, N1 of rows and one multiplication by powers of the
// root between them (Bailey, "FFTs in external or hierarchical memory", 1990); each of them runs in cache, on eight
// columns or rows at a time. Forward transforms leave the values in bit-reversed order and inverse ones expect them so:
// nothing is ever permuted. Values are plain integers below r; the roots carry the Montgomery factor.
#pragma once

#include "errors.hpp"
#include "memory.hpp"
#include "roots.hpp"
#include "strips.hpp"

namespace gramercy {

class Transform {
 public:
  static constexpr unsigned kMostLog = 28;  // 2^28 divides r - 1

  Transform(unsigned log, unsigned threads, bool vectors)
      : log_(log), threads_(threads), roots_(std::min(log, kStripLog)) {
    const unsigned workers = log < kStripsFrom ? 1 : threads;
    for (unsigned t = 0; t < workers; ++t) strips_.emplace_back(roots_, vectors);
  }

  std::size_t size() const { return std::size_t{1} << log_; }

  // values[k'] becomes sum_j values[j] w^(j k), where k' is k with its bits reversed.
  void forward(Fr* values) {
    if (log_ < kStripsFrom) return roots_.forward(values, log_);
    forward_rows(values, 1, log_, true);
  }

  // The opposite, and every value times factor * 2^256 / size.
  void inverse(Fr* values, const Fr& factor) {
    const Fr scale = factor * Fr::from(size()).inverse();
    if (log_ < kStripsFrom) {
      roots_.inverse(values, log_);
      for (std::size_t i = 0; i < size(); ++i) values[i] *= scale;
      return;
    }
    inverse_rows(values, 1, log_, true, scale);
  }

 private:
  static constexpr unsigned kStripLog = 11;   // of the transforms that run in cache
  static constexpr unsigned kStripsFrom = 6;  // columns and rows by eights
  static constexpr std::size_t kStrips = 4;   // strips of one task

  static unsigned column_log(unsigned log) { return log <= 2 * kStripLog ? (log + 1) / 2 : (log + 2) / 3; }

  // `rows` transforms of 2^log values each; `parallel` inside a row, else one after the other in this thread.
  void forward_rows(Fr* values, std::size_t rows, unsigned log, bool parallel, unsigned worker = 0) {
    for (std::size_t row = 0; row < rows; ++row) {
      Fr* const x = values + (row << log);
      const unsigned n1 = column_log(log), n2 = log - n1;
      columns(
          x, n1, n2, parallel, worker,
          [&](Strips& strips, Fr* at, const Twist& twist) { strips.forward(at, n1, std::size_t{1} << n2, 1, &twist); },
          root_of_unity(log), Fr::one());
      each_row(
          x, n1, n2, parallel, worker,
          [&](Strips& strips, Fr* at) { strips.forward(at, n2, 1, std::size_t{1} << n2, nullptr); },
          [&](Fr* at, unsigned who) { forward_rows(at, 1, n2, false, who); });
    }
  }

  void inverse_rows(Fr* values, std::size_t rows, unsigned log, bool parallel, const Fr& scale, unsigned worker = 0) {
    for (std::size_t row = 0; row < rows; ++row) {
      Fr* const x = values + (row << log);
      const unsigned n1 = column_log(log), n2 = log - n1;
      each_row(
          x, n1, n2, parallel, worker,
          [&](Strips& strips, Fr* at) { strips.inverse(at, n2, 1, std::size_t{1} << n2, nullptr); },
          [&](Fr* at, unsigned who) { inverse_rows(at, 1, n2, false, Fr::one(), who); });
      columns(
          x, n1, n2, parallel, worker,
          [&](Strips& strips, Fr* at, const Twist& twist) { strips.inverse(at, n1, std::size_t{1} << n2, 1, &twist); },
          root_of_unity(log).inverse(), scale);
    }
  }

  template <class Work>
  void columns(Fr* x, unsigned n1, unsigned n2, bool parallel, unsigned worker, const Work& work, const Fr& root,
               const Fr& scale) {
    (void)n1;
    const std::size_t strips = (std::size_t{1} << n2) / 8;
    const auto task = [&](std::size_t first, std::size_t last, unsigned who) {
      Fr power = root.power(8 * first);
      for (std::size_t s = first; s < last; ++s) {
        Twist twist{{}, scale};
        for (Fr& ratio : twist.ratio) {
          ratio = power;
          power *= root;
        }
        work(strips_[who], x + 8 * s, twist);
      }
    };
    if (parallel) {
      parallel_blocks(threads_, strips, kStrips, task);
    } else {
      task(0, strips, worker);
    }
  }

  template <class Eight, class One>
  void each_row(Fr* x, unsigned n1, unsigned n2, bool parallel, unsigned worker, const Eight& eight, const One& one) {
    const bool whole = n2 > kStripLog;
    const std::size_t tasks = (std::size_t{1} << n1) / (whole ? 1 : 8);
    const auto task = [&](std::size_t t, unsigned who) {
      if (whole) {
        one(x + (t << n2), who);
      } else {
        eight(strips_[who], x + (t << (n2 + 3)));
      }
    };
    if (parallel) {
      parallel_for(threads_, tasks, task);
    } else {
      for (std::size_t t = 0; t < tasks; ++t) task(t, worker);
    }
  }

  unsigned log_, threads_;
  Roots roots_;
  std::vector<Strips> strips_;
};

namespace detail {

inline unsigned log_at_least(std::size_t count) {
  unsigned log = 0;
  while ((std::size_t{1} << log) < count) ++log;
  return log;
}

// values = a, then zeros.
inline void fill(Fr* values, std::size_t size, const Limbs* a, std::size_t count, unsigned threads) {
  parallel_blocks(threads, size, 8 * kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    const std::size_t stop = std::clamp(count, first, last);
    if (stop > first) std::memcpy(static_cast<void*>(values + first), a + first, (stop - first) * sizeof(Fr));
    std::memset(static_cast<void*>(values + stop), 0, (last - stop) * sizeof(Fr));
  });
}

// sum_j a[j] a[j + lag]
inline Fr lag_product(const Limbs* a, std::size_t count, std::size_t lag) {
  Fr sum = Fr::zero();
  for (std::size_t j = 0; j + lag < count; ++j) sum += Fr::from(a[j]) * Fr{a[j + lag]};
  return sum;
}

}  // namespace detail

struct TooLong {};  // for a transform of 2^28

// constant = sum_j a[j]^2 and lags[k - 1] = sum_j a[j] a[j + k] for 0 < k < count; `count` at least 1.
inline void correlate(const Limbs* a, std::size_t count, Limbs& constant, Limbs* lags, unsigned threads,
                      bool vectors = true) {
  require_scalars(a, count, threads);
  // Cyclic lags k and N - k coincide: a few beyond N / 2 are multiplied out, so that N need not double for them.
  const std::size_t over = count > 4096 ? 64 : 0;
  const unsigned log = detail::log_at_least(2 * (count - over) - 1);
  if (log > Transform::kMostLog) throw TooLong{};
  Transform transform(log, threads, vectors);
  const std::size_t size = transform.size();
  Buffer<Fr> values(size);
  detail::fill(values.data(), size, a, count, threads);
  transform.forward(values.data());
  // a(1/X) at w^k is a at w^-k: in bit-reversed order, position p of a run [2^m, 2^(m+1)) goes to 3 * 2^m - 1 - p.
  values[0] = values[0].squared();
  if (size > 1) values[1] = values[1].squared();
  for (std::size_t run = 2; run < size; run *= 2) {
    parallel_blocks(threads, run / 2, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
      for (std::size_t i = first; i < last; ++i) {
        Fr& x = values[run + i];
        Fr& y = values[2 * run - 1 - i];
        x = y = x * y;
      }
    });
  }
  // The products lack a factor 2^256, and so does the scale.
  transform.inverse(values.data(), Fr{Fr::kSquare});
  constant = values[0].v;
  parallel_blocks(threads, count - 1, 8 * kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    std::memcpy(lags + first, values.data() + 1 + first, (last - first) * sizeof(Fr));
  });
  for (std::size_t k = size / 2; size > 1 && k < count; ++k) {
    const Fr beyond = detail::lag_product(a, count, k);
    lags[k - 1] = beyond.v;
    if (2 * k != size) lags[size - k - 1] = (Fr{lags[size - k - 1]} - beyond).v;
  }
}

// product[k] = sum_j a[j] b[k - j], for na + nb - 1 coefficients; na and nb at least 1.
inline void multiply(const Limbs* a, std::size_t na, const Limbs* b, std::size_t nb, Limbs* product, unsigned threads,
                     bool vectors = true) {
  require_scalars(a, na, threads);
  require_scalars(b, nb, threads);
  const std::size_t count = na + nb - 1;
  if (std::min(na, nb) <= 16) {
    std::fill(product, product + count, Limbs{});
    const bool swap = na > nb;
    const std::size_t few = swap ? nb : na, many = swap ? na : nb;
    for (std::size_t i = 0; i < few; ++i) {
      const Fr factor = Fr::from((swap ? b : a)[i]);
      for (std::size_t j = 0; j < many; ++j) product[i + j] = (Fr{product[i + j]} + factor * Fr{(swap ? a : b)[j]}).v;
    }
    return;
  }
  const unsigned log = detail::log_at_least(count);
  if (log > Transform::kMostLog) throw TooLong{};
  Transform transform(log, threads, vectors);
  const std::size_t size = transform.size();
  Buffer<Fr> x(size), y(size);
  detail::fill(x.data(), size, a, na, threads);
  transform.forward(x.data());
  detail::fill(y.data(), size, b, nb, threads);
  transform.forward(y.data());
  parallel_blocks(threads, size, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t i = first; i < last; ++i) x[i] *= y[i];
  });
  transform.inverse(x.data(), Fr{Fr::kSquare});
  std::memcpy(product, x.data(), count * sizeof(Fr));
}

}  // namespace gramercy
