// Rows of quantised updates where they lie, the processor's levels, and the one loop over coordinates that all share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#define GRAMERCY_X86 1
#include <immintrin.h>
#define GRAMERCY_AVX2 __attribute__((target("avx2,fma")))
#define GRAMERCY_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#else
#define GRAMERCY_X86 0
#endif

namespace gramercy {

// One update's entries, at any address.
struct UpdateRow {
  const unsigned char* entries;
  unsigned bytes;  // of an entry: 1 or 2

  const unsigned char* at(std::size_t index) const { return entries + index * bytes; }

  // Entries first .. first + count as 16-bit integers.
  void widen(std::size_t first, std::size_t count, std::int16_t* out) const {
    if (bytes == 2) {
      std::memcpy(out, at(first), 2 * count);
    } else {
      const unsigned char* const p = at(first);
      for (std::size_t k = 0; k < count; ++k) out[k] = static_cast<std::int8_t>(p[k]);
    }
  }
};

// Instructions in use, each level including the one before; results are the same.
enum class Level { kPortable = 0, kAvx2 = 1, kVnni = 2 };

inline Level best_level() {
#if GRAMERCY_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni")) {
    return Level::kVnni;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Level::kAvx2;
#endif
  return Level::kPortable;
}

inline Level level_of(long requested) {  // below 0: the best
  const Level best = best_level();
  return requested < 0 || requested > static_cast<long>(best) ? best : static_cast<Level>(requested);
}

}  // namespace gramercy
