#include "tensorrt/runtime/compare.h"

#include <algorithm>
#include <chrono>

#include "metrics/parallel.h"
#include "tensorrt/runtime/compare_streamed.h"

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

/// Of what is streamed: the reference's values of one group.
constexpr std::size_t kGroupBytes = std::size_t{256} << 20;

/// Whatever happens, buffers are not given back while copies into them are under way.
class Settled {
 public:
  Settled(const Lane& left, const Lane& right) : left_(left), right_(right) {}
  Settled(const Settled&) = delete;
  Settled& operator=(const Settled&) = delete;
  ~Settled() {
    for (const Lane* lane : {&left_, &right_}) {
      try {
        lane->stream().wait();
      } catch (...) {
        // The device is gone, and its copies with it.
      }
    }
  }

 private:
  const Lane& left_;
  const Lane& right_;
};

void fetch(const Couple& couple, Stage& stage, const Lane& reference, const Lane& candidate) {
  cuda::copy_to_host(stage.reference.data(), couple.reference.data, couple.reference.bytes, reference.stream());
  cuda::copy_to_host(stage.candidate.data(), couple.candidate.data, couple.candidate.bytes, candidate.stream());
  stage.reference_there.record(reference.stream());
  stage.candidate_there.record(candidate.stream());
}

/// Tensors that both give out, through two pairs of pinned buffers.
void compare_outputs(const std::vector<Couple>& couples, const Lane& left, const Lane& right, Comparison& comparison, std::atomic<std::size_t>& done,
                     const std::atomic<bool>& cancelled) {
  Stage stages[2];
  const Settled settled(left, right);
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
  if (!couples.empty()) fetch(couples[0], stages[0], left, right);
  for (std::size_t i = 0; i < couples.size(); i++) {
    if (cancelled) throw Error(ErrorCode::kCancelled, "the comparison was cancelled");
    Stage& here = stages[i % 2];
    here.reference_there.wait();
    here.candidate_there.wait();
    if (i + 1 < couples.size()) fetch(couples[i + 1], stages[(i + 1) % 2], left, right);
    const auto& [r, c] = couples[i];
    comparison.names.push_back(r.io->name);
    comparison.stats.push_back(compare_values(r.io->type, here.reference.data(), c.io->type, here.candidate.data(), element_count(r.dims)));
    done++;
  }
}

}  // namespace

std::string pairing_obstacle(int reference_type, const Dims& reference, int candidate_type, const Dims& candidate) {
  for (const int type : {reference_type, candidate_type}) {
    if (!is_float_type(type)) return "holds " + type_text(type) + "; only floats are compared";
  }
  if (reference != candidate) return "has shape " + shape_text(reference) + " in the reference and " + shape_text(candidate) + " in the candidate";
  return is_open(reference) ? "TensorRT did not tell its shape" : "";
}

ErrorStats compare_values(int reference_type, const void* reference, int candidate_type, const void* candidate, std::size_t count) {
  return compare_tensors(TypedFloats{float_type(reference_type), reference}, TypedFloats{float_type(candidate_type), candidate}, count, default_threads());
}

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
  std::vector<std::string> streamed;
  for (const auto& name : names) {
    const std::size_t at_left = left.find_output(name), at_right = right.find_output(name);
    const bool left_has = at_left != Lane::kNone || reference.may_show(name), right_has = at_right != Lane::kNone || candidate.may_show(name);
    if (!left_has || !right_has) {
      comparison.not_compared.push_back({name, std::string("the ") + (left_has ? "candidate" : "reference") + " engine does not give it out"});
      continue;
    }
    if (at_left == Lane::kNone || at_right == Lane::kNone) {
      streamed.push_back(name);
      continue;
    }
    const Couple couple{left.output(at_left), right.output(at_right)};
    std::string reason = pairing_obstacle(couple.reference.io->type, couple.reference.dims, couple.candidate.io->type, couple.candidate.dims);
    if (reason.empty()) couples.push_back(couple);
    else comparison.not_compared.push_back({name, std::move(reason)});
  }
  compare_outputs(couples, left, right, comparison, done, cancelled);
  if (!streamed.empty()) {
    compare_streamed({reference, left, reference_feed}, {candidate, right, candidate_feed}, streamed, kGroupBytes, comparison, done, cancelled);
  }
  comparison.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return comparison;
}

}  // namespace halfscope::trt
