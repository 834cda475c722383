#include "metrics/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace halfscope {

void parallel_for(std::size_t total, std::size_t threads, const std::function<void(std::size_t)>& body) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < total; i = next++) body(i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      if (!failure) failure = std::current_exception();
      next = total;
    }
  };
  std::vector<std::thread> helpers;
  const std::size_t wanted = std::min(threads, total);
  try {
    for (std::size_t i = 1; i < wanted; i++) helpers.emplace_back(work);
  } catch (const std::system_error&) {
    // No thread to be had: the ones that started, and this one, do it all.
  }
  work();
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

ErrorStats compare_tensors(const void* reference, const void* candidate, std::size_t count, std::size_t threads) {
  return compare_tensors({FloatType::kFloat, reference}, {FloatType::kFloat, candidate}, count, threads);
}

ErrorStats compare_tensors(TypedFloats reference, TypedFloats candidate, std::size_t count, std::size_t threads) {
  const std::size_t chunks = (count + kChunk - 1) / kChunk;
  std::vector<ErrorStats> parts(chunks);
  const auto at = [](TypedFloats side, std::size_t from) {
    return TypedFloats{side.type, static_cast<const unsigned char*>(side.data) + from * bytes_of(side.type)};
  };
  parallel_for(chunks, chunks < 4 ? 1 : threads, [&](std::size_t i) {
    const std::size_t from = i * kChunk;
    parts[i] = compare_chunk(at(reference, from), at(candidate, from), std::min(kChunk, count - from));
  });
  ErrorStats all;
  for (const auto& part : parts) merge(all, part);
  return all;
}

void round_tensor(const void* source, float* destination, std::size_t count, Rounding rounding, std::size_t threads) {
  constexpr std::size_t kPart = std::size_t{1} << 20;
  const auto* bytes = static_cast<const unsigned char*>(source);
  parallel_for((count + kPart - 1) / kPart, threads, [&](std::size_t i) {
    const std::size_t from = i * kPart;
    round_values(bytes + from * 4, destination + from, std::min(kPart, count - from), rounding);
  });
}

std::size_t default_threads() { return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8); }

}  // namespace halfscope
