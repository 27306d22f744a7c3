// Large arrays without initial values, aligned for whole cache lines and vectors.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gramercy {

inline void* allocate(std::size_t bytes) {
  constexpr std::size_t kHuge = std::size_t{1} << 21;
  const std::size_t alignment = bytes >= 2 * kHuge ? kHuge : 64;
  void* data = nullptr;
  if (posix_memalign(&data, alignment, bytes == 0 ? 1 : bytes) != 0) throw std::bad_alloc();
#if defined(__linux__)
  if (alignment == kHuge) madvise(data, bytes, MADV_HUGEPAGE);  // advice: failing is fine
#endif
  return data;
}

// Elements without constructors, not initialised.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count) : data_(static_cast<T*>(allocate(checked(count)))), count_(count) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept : data_(other.data_), count_(other.count_) { other.data_ = nullptr; }
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer() { std::free(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

  // The array, to be freed by `std::free`.
  T* release() {
    T* data = data_;
    data_ = nullptr;
    return data;
  }

 private:
  static std::size_t checked(std::size_t count) {
    if (count > (~std::size_t{0} >> 1) / sizeof(T)) throw std::bad_alloc();
    return count * sizeof(T);
  }

  T* data_;
  std::size_t count_;
};

}  // namespace gramercy
