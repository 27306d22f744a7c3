// The tower over F_p that pairings of BN254 need: F_p2 = F_p[u] / (u^2 + 1), F_p6 = F_p2[v] / (v^3 - 9 - u),
// F_p12 = F_p6[w] / (w^2 - v).
//
// Devegili, Ó hÉigeartaigh, Scott and Dahab, "Multiplication and squaring on pairing-friendly fields" (2006).
#pragma once

#include "field.hpp"

namespace gramercy {

struct Fp2 {
  Fp a, b;  // a + b u

  static constexpr Fp2 zero() { return {Fp::zero(), Fp::zero()}; }
  static constexpr Fp2 one() { return {Fp::one(), Fp::zero()}; }
  bool is_zero() const { return a.is_zero() && b.is_zero(); }
  bool operator==(const Fp2& o) const { return a == o.a && b == o.b; }

  friend Fp2 operator+(const Fp2& x, const Fp2& y) { return {x.a + y.a, x.b + y.b}; }
  friend Fp2 operator-(const Fp2& x, const Fp2& y) { return {x.a - y.a, x.b - y.b}; }
  friend Fp2 operator*(const Fp2& x, const Fp2& y) {
    const Fp aa = x.a * y.a, bb = x.b * y.b;
    return {aa - bb, (x.a + x.b) * (y.a + y.b) - aa - bb};
  }
  friend Fp2 operator*(const Fp2& x, const Fp& y) { return {x.a * y, x.b * y}; }
  Fp2 operator-() const { return {-a, -b}; }
  Fp2 squared() const {
    const Fp ab = a * b;
    return {(a + b) * (a - b), ab.doubled()};
  }
  Fp2 doubled() const { return {a.doubled(), b.doubled()}; }
  Fp2 conjugate() const { return {a, -b}; }
  Fp2 inverse() const {
    const Fp i = (a.squared() + b.squared()).inverse();
    return {a * i, -(b * i)};
  }
  // Times xi = 9 + u, of which v is a cube root.
  Fp2 times_xi() const {
    const Fp2 eight = doubled().doubled().doubled();
    return {eight.a + a - b, eight.b + b + a};
  }
  Fp2 power(const Limbs& exponent) const {
    Fp2 result = one();
    for (int i = 255; i >= 0; --i) {
      result = result.squared();
      if ((exponent[i / 64] >> (i % 64)) & 1) result = result * *this;
    }
    return result;
  }
};

struct Fp6 {
  Fp2 a, b, c;  // a + b v + c v^2

  static constexpr Fp6 zero() { return {Fp2::zero(), Fp2::zero(), Fp2::zero()}; }
  static constexpr Fp6 one() { return {Fp2::one(), Fp2::zero(), Fp2::zero()}; }
  bool operator==(const Fp6& o) const { return a == o.a && b == o.b && c == o.c; }

  friend Fp6 operator+(const Fp6& x, const Fp6& y) { return {x.a + y.a, x.b + y.b, x.c + y.c}; }
  friend Fp6 operator-(const Fp6& x, const Fp6& y) { return {x.a - y.a, x.b - y.b, x.c - y.c}; }
  friend Fp6 operator*(const Fp6& x, const Fp6& y) {
    const Fp2 aa = x.a * y.a, bb = x.b * y.b, cc = x.c * y.c;
    return {aa + ((x.b + x.c) * (y.b + y.c) - bb - cc).times_xi(), (x.a + x.b) * (y.a + y.b) - aa - bb + cc.times_xi(),
            (x.a + x.c) * (y.a + y.c) - aa + bb - cc};
  }
  friend Fp6 operator*(const Fp6& x, const Fp& y) { return {x.a * y, x.b * y, x.c * y}; }
  Fp6 operator-() const { return {-a, -b, -c}; }
  Fp6 times_v() const { return {c.times_xi(), a, b}; }
  // Times p + q v.
  Fp6 times_sparse(const Fp2& p, const Fp2& q) const {
    const Fp2 ap = a * p, bq = b * q;
    return {ap + (c * q).times_xi(), (a + b) * (p + q) - ap - bq, bq + c * p};
  }
  Fp6 inverse() const {
    const Fp2 x = a.squared() - (b * c).times_xi(), y = c.squared().times_xi() - a * b, z = b.squared() - a * c;
    const Fp2 i = (a * x + (c * y + b * z).times_xi()).inverse();
    return {x * i, y * i, z * i};
  }
};

struct Fp12 {
  Fp6 a, b;  // a + b w

  static constexpr Fp12 one() { return {Fp6::one(), Fp6::zero()}; }
  bool operator==(const Fp12& o) const { return a == o.a && b == o.b; }

  friend Fp12 operator*(const Fp12& x, const Fp12& y) {
    const Fp6 aa = x.a * y.a, bb = x.b * y.b;
    return {aa + bb.times_v(), (x.a + x.b) * (y.a + y.b) - aa - bb};
  }
  Fp12 squared() const {
    const Fp6 ab = a * b;
    return {(a + b) * (a + b.times_v()) - ab - ab.times_v(), ab + ab};
  }
  // x^(p^6); the inverse of an x of norm 1.
  Fp12 conjugate() const { return {a, -b}; }
  Fp12 inverse() const {
    const Fp6 i = (a * a - (b * b).times_v()).inverse();
    return {a * i, -(b * i)};
  }
  // Times p + (q + r v) w: a line.
  Fp12 times_line(const Fp& p, const Fp2& q, const Fp2& r) const {
    return {a * p + b.times_sparse(q, r).times_v(), b * p + a.times_sparse(q, r)};
  }
};

// xi^(k (p - 1) / 6): what the power p makes of w^k, beside conjugating its coefficient.
struct Frobenius {
  Fp2 factor[6];

  Frobenius() {
    Limbs exponent = Fp::kModulus;  // (p - 1) / 6
    u64 rest = 0;
    sub_from(exponent, Limbs{1, 0, 0, 0});
    for (int i = 3; i >= 0; --i) {
      const u128 x = static_cast<u128>(rest) << 64 | exponent[i];
      exponent[i] = static_cast<u64>(x / 6);
      rest = static_cast<u64>(x % 6);
    }
    const Fp2 sixth = Fp2::one().times_xi().power(exponent);
    factor[0] = Fp2::one();
    for (int k = 1; k < 6; ++k) factor[k] = factor[k - 1] * sixth;
  }

  // x^p
  Fp12 operator()(const Fp12& x) const {
    return {{x.a.a.conjugate(), x.a.b.conjugate() * factor[2], x.a.c.conjugate() * factor[4]},
            {x.b.a.conjugate() * factor[1], x.b.b.conjugate() * factor[3], x.b.c.conjugate() * factor[5]}};
  }
};

}  // namespace gramercy
