// Inverses modulo an odd number below 2^255, by the division steps of Bernstein and Yang.
//
// "Fast constant-time gcd computation and modular inversion" (2019), with the steps counted from one half (delta starts
// at 1/2) and in variable time: 62 steps at a time on the low words, several of them at once where bits allow, then
// one update of the full numbers, held as five signed digits of 62 bits.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace gramercy {
namespace detail {

class Inverter {
 public:
  using Limbs = std::array<std::uint64_t, 4>;

  // negated_inverse: -1 / modulus mod 2^64.
  constexpr Inverter(const Limbs& modulus, std::uint64_t negated_inverse)
      : modulus_(digits(modulus)), inverse_((~negated_inverse + 1) & kMask) {}

  // 1 / x, and 0 for 0; x below the modulus.
  Limbs operator()(const Limbs& x) const {
    Digits d{}, e{1, 0, 0, 0, 0}, f = modulus_, g = digits(x);
    std::int64_t eta = -1;
    while ((g[0] | g[1] | g[2] | g[3] | g[4]) != 0) {
      Matrix t;
      eta = steps(eta, static_cast<std::uint64_t>(f[0]), static_cast<std::uint64_t>(g[0]), t);
      update_coefficients(d, e, t);
      update_values(f, g, t);
    }
    return reduced(d, f[4] < 0);
  }

 private:
  using Digits = std::array<std::int64_t, 5>;
  using Wide = __int128;
  static constexpr int kBits = 62;
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;

  struct Matrix {  // 2^62 times the transition matrix of 62 steps
    std::int64_t u, v, q, r;
  };

  static constexpr Digits digits(const Limbs& x) {
    return {static_cast<std::int64_t>(x[0] & kMask), static_cast<std::int64_t>((x[0] >> 62 | x[1] << 2) & kMask),
            static_cast<std::int64_t>((x[1] >> 60 | x[2] << 4) & kMask),
            static_cast<std::int64_t>((x[2] >> 58 | x[3] << 6) & kMask), static_cast<std::int64_t>(x[3] >> 56)};
  }

  static std::int64_t steps(std::int64_t eta, std::uint64_t f, std::uint64_t g, Matrix& t) {
    std::uint64_t u = 1, v = 0, q = 0, r = 1;
    int left = kBits;
    for (;;) {
      const int zeros = __builtin_ctzll(g | ~std::uint64_t{0} << left);
      g >>= zeros;
      u <<= zeros;
      v <<= zeros;
      eta -= zeros;
      left -= zeros;
      if (left == 0) break;
      if (eta < 0) {
        eta = -eta;
        f = std::exchange(g, ~f + 1);
        u = std::exchange(q, ~u + 1);
        v = std::exchange(r, ~v + 1);
      }
      // No swap comes before eta runs out: so many low bits of g can go at once, by a multiple of f.
      const int most = eta + 1 < left ? static_cast<int>(eta) + 1 : left;
      const std::uint64_t mask = ~std::uint64_t{0} >> (64 - (most < 6 ? most : 6));
      const std::uint64_t w = (f * g * (f * f - 2)) & mask;  // f (2 - f^2) is 1 / f modulo 64
      g += f * w;
      q += u * w;
      r += v * w;
    }
    t = {static_cast<std::int64_t>(u), static_cast<std::int64_t>(v), static_cast<std::int64_t>(q),
         static_cast<std::int64_t>(r)};
    return eta;
  }

  // (d, e) = t (d, e) / 2^62 modulo the modulus, in -2m < d, e < m.
  void update_coefficients(Digits& d, Digits& e, const Matrix& t) const {
    const std::int64_t d_sign = d[4] >> 63, e_sign = e[4] >> 63;
    std::int64_t md = (t.u & d_sign) + (t.v & e_sign), me = (t.q & d_sign) + (t.r & e_sign);
    Wide cd = static_cast<Wide>(t.u) * d[0] + static_cast<Wide>(t.v) * e[0];
    Wide ce = static_cast<Wide>(t.q) * d[0] + static_cast<Wide>(t.r) * e[0];
    md -=
        static_cast<std::int64_t>((inverse_ * static_cast<std::uint64_t>(cd) + static_cast<std::uint64_t>(md)) & kMask);
    me -=
        static_cast<std::int64_t>((inverse_ * static_cast<std::uint64_t>(ce) + static_cast<std::uint64_t>(me)) & kMask);
    cd = (cd + static_cast<Wide>(modulus_[0]) * md) >> kBits;
    ce = (ce + static_cast<Wide>(modulus_[0]) * me) >> kBits;
    for (int i = 1; i < 5; ++i) {
      const std::int64_t di = d[i], ei = e[i];
      cd += static_cast<Wide>(t.u) * di + static_cast<Wide>(t.v) * ei + static_cast<Wide>(modulus_[i]) * md;
      ce += static_cast<Wide>(t.q) * di + static_cast<Wide>(t.r) * ei + static_cast<Wide>(modulus_[i]) * me;
      d[i - 1] = static_cast<std::int64_t>(static_cast<std::uint64_t>(cd) & kMask);
      e[i - 1] = static_cast<std::int64_t>(static_cast<std::uint64_t>(ce) & kMask);
      cd >>= kBits;
      ce >>= kBits;
    }
    d[4] = static_cast<std::int64_t>(cd);
    e[4] = static_cast<std::int64_t>(ce);
  }

  static void update_values(Digits& f, Digits& g, const Matrix& t) {
    Wide cf = static_cast<Wide>(t.u) * f[0] + static_cast<Wide>(t.v) * g[0];
    Wide cg = static_cast<Wide>(t.q) * f[0] + static_cast<Wide>(t.r) * g[0];
    cf >>= kBits;
    cg >>= kBits;
    for (int i = 1; i < 5; ++i) {
      const std::int64_t fi = f[i], gi = g[i];
      cf += static_cast<Wide>(t.u) * fi + static_cast<Wide>(t.v) * gi;
      cg += static_cast<Wide>(t.q) * fi + static_cast<Wide>(t.r) * gi;
      f[i - 1] = static_cast<std::int64_t>(static_cast<std::uint64_t>(cf) & kMask);
      g[i - 1] = static_cast<std::int64_t>(static_cast<std::uint64_t>(cg) & kMask);
      cf >>= kBits;
      cg >>= kBits;
    }
    f[4] = static_cast<std::int64_t>(cf);
    g[4] = static_cast<std::int64_t>(cg);
  }

  // d or -d, from -2m < d < m to 0 <= d < m.
  Limbs reduced(Digits d, bool negate) const {
    if (d[4] < 0) add(d, modulus_);
    if (negate) {
      for (std::int64_t& digit : d) digit = -digit;
      add(d, Digits{});
    }
    if (d[4] < 0) add(d, modulus_);
    const auto at = [&](int i) { return static_cast<std::uint64_t>(d[i]); };
    return {at(0) | at(1) << 62, at(1) >> 2 | at(2) << 60, at(2) >> 4 | at(3) << 58, at(3) >> 6 | at(4) << 56};
  }

  static void add(Digits& a, const Digits& b) {
    std::int64_t carry = 0;
    for (int i = 0; i < 5; ++i) {
      const std::int64_t sum = a[i] + b[i] + carry;
      carry = sum >> kBits;
      a[i] = i < 4 ? static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) & kMask) : sum;
    }
  }

  Digits modulus_;
  std::uint64_t inverse_;
};

}  // namespace detail
}  // namespace gramercy
