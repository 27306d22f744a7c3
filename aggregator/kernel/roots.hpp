// Roots of unity of F_r, and transforms of one short vector.
#pragma once

#include <algorithm>
#include <vector>

#include "field.hpp"

namespace gramercy {

// A primitive 2^log-th root of unity: 5 generates the multiplicative group, and 2^28 divides r - 1.
inline Fr root_of_unity(unsigned log) {
  Limbs exponent = Fr::kModulus;
  sub_from(exponent, Limbs{1, 0, 0, 0});
  for (unsigned k = 0; k < log; ++k) {
    for (int i = 0; i < 4; ++i) exponent[i] = exponent[i] >> 1 | (i < 3 ? exponent[i + 1] << 63 : 0);
  }
  return Fr::from(u64{5}).power(exponent);
}

inline std::size_t reversed(std::size_t x, unsigned bits) {
  std::size_t result = 0;
  for (unsigned k = 0; k < bits; ++k) result |= ((x >> k) & 1) << (bits - 1 - k);
  return result;
}

// The roots that every transform of up to 2^log values needs.
//
// Forward transforms split X^2h - z^2 into (X^h - z)(X^h + z), block by block; the z of block i is the same at every
// level. Inverse ones are decimations in time. In both, one factor of every butterfly is multiplied before the sum.
class Roots {
 public:
  explicit Roots(unsigned log) : log_(log), split_(std::max<std::size_t>(1, half())), merge_(2 * split_.size()) {
    const Fr root = root_of_unity(log), inverse = root.inverse();
    Fr power = Fr::one();
    for (std::size_t k = 0; k < half(); ++k, power *= root) split_[reversed(k, log - 1)] = power;
    if (log == 0) split_[0] = Fr::one();
    std::vector<Fr> powers(split_.size());
    power = Fr::one();
    for (Fr& p : powers) {
      p = power;
      power *= inverse;
    }
    for (std::size_t h = 1; h <= half(); h *= 2) {
      for (std::size_t j = 0; j < h; ++j) merge_[h + j] = powers[j * (half() / h)];
    }
  }

  unsigned log() const { return log_; }
  // z of block i, and w^-j for the root w of order 2h at h + j.
  const std::vector<Fr>& split() const { return split_; }
  const std::vector<Fr>& merge() const { return merge_; }

  // In place, natural to bit-reversed order; log at most this object's.
  void forward(Fr* x, unsigned log) const {
    const std::size_t size = std::size_t{1} << log;
    for (std::size_t h = size / 2; h > 0; h /= 2) {
      for (std::size_t i = 0; i < size / (2 * h); ++i) {
        Fr* const block = x + 2 * h * i;
        for (std::size_t j = 0; j < h; ++j) {
          const Fr t = i == 0 ? block[j + h] : block[j + h] * split_[i];
          block[j + h] = block[j] - t;
          block[j] = block[j] + t;
        }
      }
    }
  }

  // In place, bit-reversed to natural order, without the division by the size.
  void inverse(Fr* x, unsigned log) const {
    const std::size_t size = std::size_t{1} << log;
    for (std::size_t h = 1; h < size; h *= 2) {
      for (std::size_t i = 0; i < size; i += 2 * h) {
        Fr* const block = x + i;
        for (std::size_t j = 0; j < h; ++j) {
          const Fr t = j == 0 ? block[h] : block[j + h] * merge_[h + j];
          block[j + h] = block[j] - t;
          block[j] = block[j] + t;
        }
      }
    }
  }

 private:
  std::size_t half() const { return (std::size_t{1} << log_) / 2; }

  unsigned log_;
  std::vector<Fr> split_, merge_;
};

}  // namespace gramercy
