// Work shared between threads that live for one call.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace gramercy {

// The number of threads that a request means: 0 is every core that this process may use.
inline unsigned thread_count(long requested) {
  constexpr long kMost = 256;
  if (requested > 0) return static_cast<unsigned>(std::min(requested, kMost));
  long available = std::thread::hardware_concurrency();
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) available = CPU_COUNT(&set);
#endif
  return static_cast<unsigned>(std::clamp(available, 1L, kMost));
}

// work(task, worker) for every task below `tasks`; tasks are handed out in order, the caller is worker 0.
// The first exception stops the handing out and is thrown again here.
template <class Work>
void parallel_for(unsigned threads, std::size_t tasks, const Work& work) {
  const unsigned workers = static_cast<unsigned>(std::min<std::size_t>(threads, tasks));
  if (workers <= 1) {
    for (std::size_t task = 0; task < tasks; ++task) work(task, 0U);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  const auto run = [&](unsigned worker) {
    try {
      for (std::size_t task = next.fetch_add(1); task < tasks; task = next.fetch_add(1)) work(task, worker);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      if (!failure) failure = std::current_exception();
      next.store(tasks);
    }
  };
  std::vector<std::thread> team;
  team.reserve(workers - 1);
  for (unsigned worker = 1; worker < workers; ++worker) {
    try {
      team.emplace_back(run, worker);
    } catch (const std::system_error&) {
      break;  // no more threads to be had: the others do the work
    }
  }
  run(0);
  for (std::thread& thread : team) thread.join();
  if (failure) std::rethrow_exception(failure);
}

// work(first, last, worker) over blocks of [0, count).
template <class Work>
void parallel_blocks(unsigned threads, std::size_t count, std::size_t block, const Work& work) {
  parallel_for(threads, (count + block - 1) / block, [&](std::size_t task, unsigned worker) {
    const std::size_t first = task * block;
    work(first, std::min(count, first + block), worker);
  });
}

}  // namespace gramercy
