// Many multiples of one point, and one multiple of each of many points: affine throughout, inversions shared.
#pragma once

#include "additions.hpp"
#include "errors.hpp"
#include "memory.hpp"

namespace gramercy {

namespace detail {

// The digits of `width` bits, in [-2^(width-1), 2^(width-1)], of a scalar below r; calls use(w, digit).
template <class Use>
void signed_digits(const Limbs& scalar, unsigned width, unsigned windows, const Use& use) {
  const u64 mask = (u64{1} << width) - 1;
  int carry = 0;
  for (unsigned w = 0; w < windows; ++w) {
    const unsigned bit = w * width;
    u64 raw = bit < 256 ? scalar[bit / 64] >> (bit % 64) : 0;
    if (bit < 192 && bit % 64 + width > 64) raw |= scalar[bit / 64 + 1] << (64 - bit % 64);
    int digit = static_cast<int>(raw & mask) + carry;
    carry = digit > (1 << (width - 1));
    if (carry) digit -= 1 << width;
    use(w, digit);
  }
}

// Additions of table entries to running sums, which begin infinite.
class Sums {
 public:
  explicit Sums(bool vectors) : adder_(vectors) {}

  void add(Affine* sums, std::size_t k, const Affine* table, std::size_t entry, bool negative) {
    const u32 index = static_cast<u32>(entry) | (negative ? kNegated : 0);
    if (sums[k].is_infinity()) {
      sums[k] = signed_point(table, index);
    } else {
      at_.push_back(static_cast<u32>(k));
      entry_.push_back(index);
    }
  }

  void flush(Affine* sums, const Affine* table) {
    adder_.run({sums, table, sums, at_.data(), entry_.data(), at_.data(), at_.size()});
    at_.clear();
    entry_.clear();
  }

  Adder& adder() { return adder_; }

 private:
  Adder adder_;
  std::vector<u32> at_, entry_;
};

}  // namespace detail

// out[k] = scalars[k] * base, with a table of the multiples of 2^(width w) * base for every window w.
inline void fixed_base(const Affine& base, const Limbs* scalars, std::size_t count, Affine* out, unsigned threads,
                       bool vectors = true) {
  require_scalars(scalars, count, threads);
  unsigned width = 2;
  const auto windows_of = [](unsigned bits) { return 254 / bits + 1; };
  const auto cost = [&](unsigned bits) { return windows_of(bits) * (count + (std::size_t{1} << (bits - 1))); };
  for (unsigned bits = 3; bits <= 16; ++bits) {
    if (cost(bits) < cost(width)) width = bits;
  }
  const unsigned windows = windows_of(width);
  const std::size_t entries = std::size_t{1} << (width - 1);
  std::vector<Affine> bases(windows);
  Projective power = Projective::from(base);
  for (Affine& b : bases) {
    b = power.affine();
    for (unsigned k = 0; k < width; ++k) power = doubled(power);
  }
  Buffer<Affine> table(windows * entries);
  parallel_for(threads, windows, [&](std::size_t w, unsigned) {
    detail::Sums sums(vectors);
    Affine* const row = table.data() + w * entries;
    row[0] = bases[w];
    for (std::size_t done = 1; done < entries; done *= 2) {
      const std::size_t more = std::min(done, entries - done);
      for (std::size_t k = 0; k < more; ++k) row[done + k] = row[k];
      const Affine step = row[done - 1];
      for (std::size_t k = 0; k < more; ++k) sums.add(row + done, k, &step, 0, false);
      sums.flush(row + done, &step);
    }
  });
  constexpr std::size_t kTogether = 2048;
  parallel_blocks(threads, count, kTogether, [&](std::size_t first, std::size_t last, unsigned) {
    detail::Sums sums(vectors);
    const std::size_t some = last - first;
    std::vector<int> digits(some * windows);
    for (std::size_t k = 0; k < some; ++k) {
      out[first + k] = Affine::infinity();
      detail::signed_digits(scalars[first + k], width, windows,
                            [&](unsigned w, int digit) { digits[w * some + k] = digit; });
    }
    for (unsigned w = 0; w < windows; ++w) {
      const Affine* row = table.data() + w * entries;
      for (std::size_t k = 0; k < some; ++k) {
        const int digit = digits[w * some + k];
        if (digit != 0)
          sums.add(out + first, k, row, static_cast<std::size_t>(digit < 0 ? -digit : digit) - 1, digit < 0);
      }
      sums.flush(out + first, row);
    }
  });
}

namespace detail {

// The endomorphism (x, y) -> (beta x, y) multiplies by lambda: Gallant, Lambert and Vanstone, "Faster point
// multiplication on elliptic curves with efficient endomorphisms" (2001). (a1, -b1) and (a2, a1) span the lattice of
// (x, y) with x + y lambda = 0 modulo r.
struct Endomorphism {
  static constexpr Limbs kBeta{0x5763473177fffffe, 0xd4f263f1acdb5c4f, 0x59e26bcea0d48bac, 0};
  static constexpr Limbs kA1{0x89d3256894d213e3, 0, 0, 0};
  static constexpr Limbs kB1{0x8211bbeb7d4f1128, 0x6f4d8248eeb859fc, 0, 0};
  static constexpr Limbs kA2{0x0be4e1541221250b, 0x6f4d8248eeb859fd, 0, 0};

  // floor(2^256 x / r)
  static constexpr Limbs scaled(const Limbs& x) {
    Limbs rest{}, quotient{};
    for (int i = 255 + 256; i >= 0; --i) {
      const Limbs twice = rest, copy = quotient;
      add_to(rest, twice);
      add_to(quotient, copy);
      if (i >= 256) rest[0] |= (x[(i - 256) / 64] >> (i % 64)) & 1;
      if (!less(rest, Fr::kModulus)) {
        sub_from(rest, Fr::kModulus);
        quotient[0] |= 1;
      }
    }
    return quotient;
  }

  static std::array<u64, 8> product(const Limbs& a, const Limbs& b) {
    std::array<u64, 8> result{};
    for (int i = 0; i < 4; ++i) {
      u64 carry = 0;
      for (int j = 0; j < 4; ++j) {
        const u128 t = static_cast<u128>(a[i]) * b[j] + result[i + j] + carry;
        result[i + j] = static_cast<u64>(t);
        carry = static_cast<u64>(t >> 64);
      }
      result[i + 4] = carry;
    }
    return result;
  }

  static Limbs low(const std::array<u64, 8>& x) { return {x[0], x[1], x[2], x[3]}; }
  static Limbs high(const std::array<u64, 8>& x) { return {x[4], x[5], x[6], x[7]}; }

  // scalar = first + lambda * second or first - lambda * second, both in 0..2^128-1.
  static void split(const Limbs& scalar, Limbs& first, Limbs& second, bool& negative) {
    static constexpr Limbs kOne = scaled(kA1), kTwo = scaled(kB1);
    const Limbs c1 = high(product(scalar, kOne)), c2 = high(product(scalar, kTwo));
    first = scalar;
    sub_from(first, low(product(c1, kA1)));
    sub_from(first, low(product(c2, kA2)));
    second = low(product(c1, kB1));
    sub_from(second, low(product(c2, kA1)));
    negative = second[3] >> 63;
    if (negative) {
      Limbs opposite{};
      sub_from(opposite, second);
      second = opposite;
    }
  }
};

}  // namespace detail

// out[k] = scalars[k] * points[k]: four doublings and two additions of small multiples for each of 33 digits.
inline void scale(const Affine* points, const Limbs* scalars, std::size_t count, Affine* out, unsigned threads,
                  bool vectors = true) {
  require_scalars(scalars, count, threads);
  require_coordinates(points, count, threads);
  constexpr unsigned kWidth = 4, kWindows = 33;
  constexpr std::size_t kEntries = 8, kTogether = 512;
  const Fp beta = Fp::from(detail::Endomorphism::kBeta);
  parallel_blocks(threads, count, kTogether, [&](std::size_t first, std::size_t last, unsigned) {
    const std::size_t some = last - first;
    detail::Sums sums(vectors);
    // multiples[half][m * some + k]: (m + 1) times point k, or its image under the endomorphism.
    std::vector<Affine> multiples[2];
    std::vector<std::int8_t> digits[2];
    for (auto& d : digits) d.resize(kWindows * some);
    multiples[0].resize(kEntries * some);
    for (std::size_t k = 0; k < some; ++k) {
      multiples[0][k] = points[first + k];
      Limbs half[2];
      bool negative;
      detail::Endomorphism::split(scalars[first + k], half[0], half[1], negative);
      for (int h = 0; h < 2; ++h) {
        detail::signed_digits(half[h], kWidth, kWindows, [&](unsigned w, int digit) {
          digits[h][w * some + k] = static_cast<std::int8_t>(h == 1 && negative ? -digit : digit);
        });
      }
    }
    for (std::size_t m = 1; m < kEntries; ++m) {
      Affine* const row = multiples[0].data() + m * some;
      std::copy_n(multiples[0].data() + (m % 2 ? m / 2 : m - 1) * some, some, row);
      if (m % 2 == 1) {
        sums.adder().twice(row, some);
      } else {
        for (std::size_t k = 0; k < some; ++k) sums.add(row, k, multiples[0].data(), k, false);
        sums.flush(row, multiples[0].data());
      }
    }
    multiples[1] = multiples[0];
    for (Affine& p : multiples[1]) p.x *= beta;
    Affine* const result = out + first;
    std::fill_n(result, some, Affine::infinity());
    for (unsigned w = kWindows; w-- > 0;) {
      for (unsigned k = 0; k < kWidth && w + 1 < kWindows; ++k) sums.adder().twice(result, some);
      for (int h = 0; h < 2; ++h) {
        for (std::size_t k = 0; k < some; ++k) {
          const int digit = digits[h][w * some + k];
          if (digit == 0) continue;
          const std::size_t row = static_cast<std::size_t>(digit < 0 ? -digit : digit) - 1;
          sums.add(result, k, multiples[h].data(), row * some + k, digit < 0);
        }
        sums.flush(result, multiples[h].data());
      }
    }
  });
}

}  // namespace gramercy
