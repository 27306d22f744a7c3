// Eight transforms at a time, of columns or of rows of a matrix: one vector lane each where the processor has IFMA.
#pragma once

#include <memory>

#include "lanes.hpp"
#include "memory.hpp"
#include "roots.hpp"

namespace gramercy {

// Between columns and rows, value k of lane l is multiplied by scale * ratio[l]^k.
struct Twist {
  Fr ratio[8];
  Fr scale;
};

class Strips {
 public:
  Strips(const Roots& roots, bool vectors) : roots_(&roots) {
    (void)vectors;
#if GRAMERCY_IFMA
    vectors_ = vectors && kHasIfma;
    if (vectors_) {
      spread(roots.split(), split_);
      spread(roots.merge(), merge_);
      values_ = std::make_unique<Buffer<u64>>(kWords << roots.log());
    }
#endif
    if (!vectors_) column_.resize(std::size_t{1} << roots.log());
  }

  // Value i of lane l is at x[i * step + l * lane], for i < 2^log, log > 2. Order as in `Roots`; the twist follows.
  void forward(Fr* x, unsigned log, std::size_t step, std::size_t lane, const Twist* twist) {
#if GRAMERCY_IFMA
    if (vectors_) return forward8(x, log, step, lane, twist);
#endif
    const std::size_t size = std::size_t{1} << log;
    for (std::size_t l = 0; l < 8; ++l) {
      Fr* const at = x + l * lane;
      for (std::size_t i = 0; i < size; ++i) column_[i] = at[i * step];
      roots_->forward(column_.data(), log);
      if (twist) turn(column_.data(), log, *twist, l);
      for (std::size_t i = 0; i < size; ++i) at[i * step] = column_[i];
    }
  }

  // The opposite: the twist, then the transform.
  void inverse(Fr* x, unsigned log, std::size_t step, std::size_t lane, const Twist* twist) {
#if GRAMERCY_IFMA
    if (vectors_) return inverse8(x, log, step, lane, twist);
#endif
    const std::size_t size = std::size_t{1} << log;
    for (std::size_t l = 0; l < 8; ++l) {
      Fr* const at = x + l * lane;
      for (std::size_t i = 0; i < size; ++i) column_[i] = at[i * step];
      if (twist) turn(column_.data(), log, *twist, l);
      roots_->inverse(column_.data(), log);
      for (std::size_t i = 0; i < size; ++i) at[i * step] = column_[i];
    }
  }

 private:
  // Value k stands at its reversed position.
  static void turn(Fr* x, unsigned log, const Twist& twist, std::size_t lane) {
    Fr factor = twist.scale;
    for (std::size_t k = 0; k >> log == 0; ++k, factor *= twist.ratio[lane]) x[reversed(k, log)] *= factor;
  }

#if GRAMERCY_IFMA
  using F8 = lanes::F8;
  using Scalars = ScalarModulus;
  static constexpr std::size_t kWords = 40;  // of eight values

  // Roots in the lanes' form, five limbs each, to be broadcast.
  static void spread(const std::vector<Fr>& roots, std::vector<u64>& out) {
    const Fr sixteen = Fr::from(u64{16});
    out.reserve(5 * roots.size());
    for (const Fr& root : roots) {
      for (const u64 limb : lanes::split((root * sixteen).v)) out.push_back(limb);
    }
  }

  static GRAMERCY_LANES F8 root(const std::vector<u64>& roots, std::size_t i) {
    const u64* p = roots.data() + 5 * i;
    return {lanes::same(p[0]), lanes::same(p[1]), lanes::same(p[2]), lanes::same(p[3]), lanes::same(p[4])};
  }

  static GRAMERCY_LANES F8 times(const F8& x, const F8& root) {
    return lanes::multiply<Scalars>(lanes::carried(x), root);
  }

  // a - b + kTimes moduli, limbs not carried
  template <u64 kTimes>
  static GRAMERCY_LANES F8 minus(const F8& a, const F8& b) {
    constexpr lanes::Limbs52 kMore = lanes::times(lanes::Constants<Scalars>::kModulus, kTimes);
    return lanes::add(lanes::sub(a, b), lanes::same(kMore));
  }

  GRAMERCY_TARGET void read(const Fr* x, std::size_t size, std::size_t step, std::size_t lane) {
    u64* out = values_->data();
    for (std::size_t i = 0; i < size; ++i, out += kWords) {
      const u64* source[8];
      for (std::size_t l = 0; l < 8; ++l) source[l] = x[i * step + l * lane].v.data();
      lanes::put(out, lanes::load(source, 0));
    }
  }

  GRAMERCY_TARGET void write(Fr* x, std::size_t size, std::size_t step, std::size_t lane) const {
    const u64* in = values_->data();
    for (std::size_t i = 0; i < size; ++i, in += kWords) {
      u64* target[8];
      for (std::size_t l = 0; l < 8; ++l) target[l] = x[i * step + l * lane].v.data();
      lanes::store(target, 0, lanes::canonical<Scalars>(lanes::get(in)));
    }
  }

  GRAMERCY_TARGET void turn8(unsigned log, const Twist& twist) {
    const Fr sixteen = Fr::from(u64{16});
    Fr ratios[8];
    const u64* source[8];
    for (int l = 0; l < 8; ++l) {
      ratios[l] = twist.ratio[l] * sixteen;
      source[l] = ratios[l].v.data();
    }
    const F8 ratio = lanes::load(source, 0);
    const Fr scale = twist.scale * sixteen;
    for (int l = 0; l < 8; ++l) source[l] = scale.v.data();
    F8 factor = lanes::load(source, 0);
    for (std::size_t k = 0; k >> log == 0; ++k) {
      u64* const at = values_->data() + kWords * reversed(k, log);
      lanes::put(at, times(lanes::get(at), factor));
      factor = lanes::multiply<Scalars>(factor, ratio);
    }
  }

  // Values start < 1 and grow by at most 2 a level, but for the first two: < 32 at the end.
  GRAMERCY_TARGET void forward8(Fr* x, unsigned log, std::size_t step, std::size_t lane, const Twist* twist) {
    const std::size_t size = std::size_t{1} << log;
    u64* const v = values_->data();
    read(x, size, step, lane);
    std::size_t h;  // a quarter of the blocks of the next two levels
    if (log % 2 == 1) {
      for (std::size_t j = 0; j < size / 2; ++j) {
        u64 *const p = v + kWords * j, *const q = p + kWords * (size / 2);
        const F8 a = lanes::get(p), b = lanes::get(q);
        lanes::put(p, lanes::add(a, b));
        lanes::put(q, minus<2>(a, b));
      }
      h = size / 8;
    } else {
      h = size / 4;
      const F8 quarter = root(split_, 1);
      for (std::size_t j = 0; j < h; ++j) {
        u64* const p = v + kWords * j;
        const F8 x0 = lanes::get(p), x1 = lanes::get(p + kWords * h), x2 = lanes::get(p + kWords * 2 * h),
                 x3 = lanes::get(p + kWords * 3 * h);
        const F8 a0 = lanes::add(x0, x2), a2 = minus<2>(x0, x2), a1 = lanes::add(x1, x3);
        const F8 b3 = times(minus<2>(x1, x3), quarter);
        lanes::put(p, lanes::add(a0, a1));
        lanes::put(p + kWords * h, minus<4>(a0, a1));
        lanes::put(p + kWords * 2 * h, lanes::add(a2, b3));
        lanes::put(p + kWords * 3 * h, minus<2>(a2, b3));
      }
      h /= 4;
    }
    for (; h > 0; h /= 4) {
      for (std::size_t i = 0; i < size / (4 * h); ++i) {
        const F8 z1 = root(split_, i), z2 = root(split_, 2 * i), z3 = root(split_, 2 * i + 1);
        for (std::size_t j = 0; j < h; ++j) {
          u64* const p = v + kWords * (4 * h * i + j);
          const F8 x0 = lanes::get(p), x1 = lanes::get(p + kWords * h);
          const F8 t2 = times(lanes::get(p + kWords * 2 * h), z1), t3 = times(lanes::get(p + kWords * 3 * h), z1);
          const F8 b1 = times(lanes::add(x1, t3), z2), b3 = times(minus<2>(x1, t3), z3);
          const F8 a0 = lanes::add(x0, t2), a2 = minus<2>(x0, t2);
          lanes::put(p, lanes::add(a0, b1));
          lanes::put(p + kWords * h, minus<2>(a0, b1));
          lanes::put(p + kWords * 2 * h, lanes::add(a2, b3));
          lanes::put(p + kWords * 3 * h, minus<2>(a2, b3));
        }
      }
    }
    if (twist) turn8(log, *twist);
    write(x, size, step, lane);
  }

  GRAMERCY_TARGET void inverse8(Fr* x, unsigned log, std::size_t step, std::size_t lane, const Twist* twist) {
    const std::size_t size = std::size_t{1} << log;
    u64* const v = values_->data();
    read(x, size, step, lane);
    if (twist) turn8(log, *twist);
    std::size_t h;
    if (log % 2 == 1) {
      for (std::size_t j = 0; j < size; j += 2) {
        u64 *const p = v + kWords * j, *const q = p + kWords;
        const F8 a = lanes::get(p), b = lanes::get(q);
        lanes::put(p, lanes::add(a, b));
        lanes::put(q, minus<2>(a, b));
      }
      h = 2;
    } else {
      const F8 quarter = root(merge_, 3);
      for (std::size_t j = 0; j < size; j += 4) {
        u64* const p = v + kWords * j;
        const F8 x0 = lanes::get(p), x1 = lanes::get(p + kWords), x2 = lanes::get(p + kWords * 2),
                 x3 = lanes::get(p + kWords * 3);
        const F8 u0 = lanes::add(x0, x1), u1 = minus<2>(x0, x1), u2 = lanes::add(x2, x3);
        const F8 v3 = times(minus<2>(x2, x3), quarter);
        lanes::put(p, lanes::add(u0, u2));
        lanes::put(p + kWords * 2, minus<4>(u0, u2));
        lanes::put(p + kWords, lanes::add(u1, v3));
        lanes::put(p + kWords * 3, minus<2>(u1, v3));
      }
      h = 4;
    }
    for (; h < size; h *= 4) {
      for (std::size_t i = 0; i < size; i += 4 * h) {
        for (std::size_t j = 0; j < h; ++j) {
          u64* const p = v + kWords * (i + j);
          const F8 z = root(merge_, h + j);
          const F8 t1 = times(lanes::get(p + kWords * h), z), t3 = times(lanes::get(p + kWords * 3 * h), z);
          const F8 x0 = lanes::get(p), x2 = lanes::get(p + kWords * 2 * h);
          const F8 v2 = times(lanes::add(x2, t3), root(merge_, 2 * h + j));
          const F8 v3 = times(minus<2>(x2, t3), root(merge_, 3 * h + j));
          const F8 u0 = lanes::add(x0, t1), u1 = minus<2>(x0, t1);
          lanes::put(p, lanes::add(u0, v2));
          lanes::put(p + kWords * 2 * h, minus<2>(u0, v2));
          lanes::put(p + kWords * h, lanes::add(u1, v3));
          lanes::put(p + kWords * 3 * h, minus<2>(u1, v3));
        }
      }
    }
    write(x, size, step, lane);
  }

  std::vector<u64> split_, merge_;
  std::unique_ptr<Buffer<u64>> values_;
#endif

  const Roots* roots_;
  std::vector<Fr> column_;
  bool vectors_ = false;
};

}  // namespace gramercy
