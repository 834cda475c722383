#include "tensorrt/runtime/compare.h"

#include <algorithm>
#include <chrono>

#include "metrics/parallel.h"

namespace halfscope::trt {
namespace {

/// One tensor of both engines.
struct Couple {
  Lane::Output reference, candidate;
};

/// Room for one tensor of both engines on the host, and when its copies are done.
struct Stage {
  cuda::PinnedBuffer reference, candidate;
  cuda::Event reference_there{false}, candidate_there{false};
};

std::string type_text(int type) {
  switch (type) {
    case 2: return "uint8";
    case 3: return "int8";
    case 6: return "int32";
    case 7: return "int64";
    case 9: return "bool";
    default: return "ONNX's type " + std::to_string(type);
  }
}

FloatType float_type(int type) { return type == 10 ? FloatType::kHalf : type == 16 ? FloatType::kBfloat : FloatType::kFloat; }

/// Why the two cannot be paired; empty where they can.
std::string obstacle(const Couple& couple) {
  const auto& [reference, candidate] = couple;
  for (const auto* side : {&reference, &candidate}) {
    if (!is_float_type(side->io->type)) return "holds " + type_text(side->io->type) + "; only floats are compared";
  }
  if (reference.dims != candidate.dims) return "has shape " + shape_text(reference.dims) + " in the reference and " + shape_text(candidate.dims) + " in the candidate";
  if (is_open(reference.dims)) return "TensorRT did not tell its shape";
  return "";
}

void fetch(const Couple& couple, Stage& stage, const Lane& reference, const Lane& candidate) {
  cuda::copy_to_host(stage.reference.data(), couple.reference.data, couple.reference.bytes, reference.stream());
  cuda::copy_to_host(stage.candidate.data(), couple.candidate.data, couple.candidate.bytes, candidate.stream());
  stage.reference_there.record(reference.stream());
  stage.candidate_there.record(candidate.stream());
}

}  // namespace

Comparison compare_engines(RunningEngine& reference, int reference_profile, RunningEngine& candidate, int candidate_profile, const Feed& reference_feed,
                           const Feed& candidate_feed, const std::vector<std::string>& names, std::atomic<std::size_t>& done, const std::atomic<bool>& cancelled) {
  const auto start = std::chrono::steady_clock::now();
  const bool same = &reference == &candidate;
  std::unique_lock<std::mutex> first(reference.guard(), std::defer_lock), second(candidate.guard(), std::defer_lock);
  if (same) first.lock();
  else std::lock(first, second);
  cuda::use_device();
  Lane& left = reference.lane(reference_profile);
  // An engine may be compared with itself, to see whether its runs agree.
  Lane& right = candidate.lane(candidate_profile, same && reference_profile == candidate_profile ? 1 : 0);
  left.prepare(reference_feed);
  right.prepare(candidate_feed);
  left.launch(reference_feed);
  right.launch(candidate_feed);
  left.finish({});
  right.finish({});

  Comparison comparison;
  std::vector<Couple> couples;
  for (const auto& name : names) {
    const std::size_t at_left = left.find_output(name), at_right = right.find_output(name);
    if (at_left == Lane::kNone || at_right == Lane::kNone) {
      comparison.not_compared.push_back({name, std::string("the ") + (at_left == Lane::kNone ? "reference" : "candidate") + " engine does not give it out"});
      continue;
    }
    const Couple couple{left.output(at_left), right.output(at_right)};
    std::string reason = obstacle(couple);
    if (!reason.empty()) {
      comparison.not_compared.push_back({name, std::move(reason)});
      continue;
    }
    couples.push_back(couple);
    comparison.names.push_back(name);
  }

  Stage stages[2];
  // For the largest, at once: pinned memory that grows between two tensors would wait for the device.
  std::size_t largest_reference = 0, largest_candidate = 0;
  for (const auto& couple : couples) {
    largest_reference = std::max(largest_reference, couple.reference.bytes);
    largest_candidate = std::max(largest_candidate, couple.candidate.bytes);
  }
  for (auto& stage : stages) {
    stage.reference.reserve(largest_reference);
    stage.candidate.reserve(largest_candidate);
  }
  const std::size_t threads = default_threads();
  if (!couples.empty()) fetch(couples[0], stages[0], left, right);
  for (std::size_t i = 0; i < couples.size(); i++) {
    if (cancelled) {
      left.finish({});
      right.finish({});
      throw Error(ErrorCode::kCancelled, "the comparison was cancelled");
    }
    Stage& here = stages[i % 2];
    here.reference_there.wait();
    here.candidate_there.wait();
    if (i + 1 < couples.size()) fetch(couples[i + 1], stages[(i + 1) % 2], left, right);
    const auto& [r, c] = couples[i];
    comparison.stats.push_back(compare_tensors(TypedFloats{float_type(r.io->type), here.reference.data()}, TypedFloats{float_type(c.io->type), here.candidate.data()},
                                               element_count(r.dims), threads));
    done++;
  }
  comparison.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return comparison;
}

}  // namespace halfscope::trt
