// TensorRT's module and what runs its engines, on libraries that need no GPU (fakes/). Under the sanitizers this finds what JavaScript cannot see: leaks, races in
// memory, and callbacks into what is gone.

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "harness.h"
#include "tensorrt/cuda/driver.h"
#include "tensorrt/runtime/compare.h"
#include "tensorrt/runtime/library.h"
#include "tensorrt/runtime/task.h"

using namespace halfscope;
using namespace halfscope::trt;

namespace {

Library& library() {
  cuda::open();
  cuda::use_device();
  return *open_library(HALFSCOPE_FAKES).library;
}

BuildRequest request_of(Precision precision, std::vector<std::string> observe = {}, Observe how = Observe::kOutputs) {
  BuildRequest request;
  request.path = "/dev/null";
  request.precision = precision;
  request.observe = std::move(observe);
  request.how = how;
  request.prefer_half = true;
  request.profiles = {{{"x", {1, 4}, {2, 4}, {64, 4}}}};
  return request;
}

BuildOutcome build(const BuildRequest& request) {
  Task task;
  BuildOutcome outcome;
  Failure failure;
  if (!library().build(request, task, outcome, failure)) raise(failure);
  return outcome;
}

std::unique_ptr<RunningEngine> load(const BuildOutcome& built) {
  Failure failure;
  auto engine = library().load(built.plan.data(), built.plan.size(), failure);
  if (!engine) raise(failure);
  return std::make_unique<RunningEngine>(std::move(engine), false);
}

struct Values {
  explicit Values(std::size_t batch) : numbers(batch * 4) {
    for (std::size_t i = 0; i < numbers.size(); i++) numbers[i] = 0.37F * static_cast<float>(i) - 3.0F;
    feed = {{"x", 1, {static_cast<std::int64_t>(batch), 4}, reinterpret_cast<const unsigned char*>(numbers.data()), numbers.size() * sizeof(float)}};
  }
  std::vector<float> numbers;
  Feed feed;
};

float first_of(const HostTensor& tensor) {
  float value;
  std::memcpy(&value, tensor.data.data(), sizeof(value));
  return value;
}

template <class Body>
std::string message_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(name_of(error.code())) + ": " + error.what();
  }
  return "";
}

bool holds(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST(runs_of_growing_and_shrinking_batches_give_the_right_values) {
  const auto engine = load(build(request_of(Precision::kFull)));
  for (const std::size_t batch : {1, 8, 2, 64, 3}) {
    const Values values(batch);
    const auto outputs = engine->run(0, values.feed, {"y"});
    CHECK(outputs.size() == 1 && outputs[0].dims == Dims({static_cast<std::int64_t>(batch), 4}));
    const float hidden = 2 * values.numbers[0] + 0.1F;
    CHECK(std::abs(first_of(outputs[0]) - hidden * hidden) < 1e-4F);
  }
}

TEST(engines_run_side_by_side_on_several_threads) {
  const auto one = load(build(request_of(Precision::kFull)));
  const auto other = load(build(request_of(Precision::kTyped)));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      const Values values(static_cast<std::size_t>(t + 1));
      for (int i = 0; i < 50; i++) {
        const auto outputs = (t % 2 == 0 ? *one : *other).run(0, values.feed, {"y"});
        const float hidden = 2 * values.numbers[0] + 0.1F;
        if (std::abs(first_of(outputs[0]) / (hidden * hidden) - 1) > 1e-3F) wrong++;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST(times_come_from_as_many_contexts_as_are_asked_for) {
  const auto engine = load(build(request_of(Precision::kFull)));
  const Values values(2);
  const std::atomic<bool> going{false};
  TimeRequest request;
  request.requests = 40;
  request.contexts = 3;
  const auto times = engine->time(request, values.feed, {"y"}, going);
  CHECK(times.milliseconds.size() == 40 && times.device_milliseconds.size() == 40 && times.wall_milliseconds > 0);
  const std::atomic<bool> stopped{true};
  CHECK(holds(message_of([&] { engine->time(request, values.feed, {"y"}, stopped); }), "ERR_CANCELLED"));
  CHECK(engine->run(0, values.feed, {"y"}).size() == 1);  // lanes are fit for use after a failure
}

TEST(requests_that_fail_end_the_timing_of_all_contexts) {
  const auto engine = load(build(request_of(Precision::kFull)));
  const Values values(2);
  const std::atomic<bool> going{false};
  TimeRequest request;
  request.contexts = 4;
  for (const std::size_t warmup : {0, 8}) {
    request.warmup = warmup;
    ::setenv("FAKE_RUN", "fails", 1);
    CHECK(holds(message_of([&] { engine->time(request, values.feed, {"y"}, going); }), "illegal memory access"));
    ::unsetenv("FAKE_RUN");
    CHECK(engine->time(request, values.feed, {"y"}, going).milliseconds.size() == 100);
  }
}

TEST(outputs_and_debug_tensors_give_the_same_statistics) {
  const Values values(16);
  std::atomic<std::size_t> done{0};
  const std::atomic<bool> going{false};
  const auto compare = [&](Observe how) {
    const auto reference = load(build(request_of(Precision::kFull, {"hidden"}, how)));
    const auto candidate = load(build(request_of(Precision::kWeak, {"hidden"}, how)));
    return compare_engines(*reference, 0, *candidate, 0, values.feed, values.feed, {"hidden", "y", "absent"}, done, going);
  };
  const auto outputs = compare(Observe::kOutputs), debug = compare(Observe::kDebug);
  CHECK(outputs.names.size() == 2 && debug.names.size() == 2 && outputs.not_compared.size() == 1 && debug.not_compared.size() == 1);
  for (std::size_t i = 0; i < outputs.names.size(); i++) {
    for (std::size_t j = 0; j < debug.names.size(); j++) {
      if (outputs.names[i] == debug.names[j]) CHECK(outputs.stats[i].sum_abs == debug.stats[j].sum_abs && outputs.stats[i].count == 64 && outputs.stats[i].max_abs > 0);
    }
  }
  CHECK(done == 4);
}

TEST(nobody_is_told_of_debug_tensors_after_a_refusal) {
  const Values values(4);
  std::atomic<std::size_t> done{0};
  const std::atomic<bool> going{false};
  const auto reference = load(build(request_of(Precision::kFull, {"hidden"}, Observe::kDebug)));
  const auto candidate = load(build(request_of(Precision::kWeak, {"hidden"}, Observe::kDebug)));
  const auto compare = [&] { return compare_engines(*reference, 0, *candidate, 0, values.feed, values.feed, {"hidden"}, done, going); };
  ::setenv("FAKE_DEBUG", "refuses", 1);
  CHECK(holds(message_of(compare), "refuses to show debug tensor \"hidden\""));
  ::unsetenv("FAKE_DEBUG");
  CHECK(reference->run(0, values.feed, {"y"}).size() == 1);
  CHECK(compare().names.size() == 1 && compare().names.size() == 1);
  CHECK(reference->run(0, values.feed, {"y"}).size() == 1);
}

TEST(an_engine_agrees_with_itself) {
  const auto engine = load(build(request_of(Precision::kFull)));
  const Values values(4);
  std::atomic<std::size_t> done{0};
  const std::atomic<bool> going{false};
  const auto same = compare_engines(*engine, 0, *engine, 0, values.feed, values.feed, {"y"}, done, going);
  CHECK(same.stats.size() == 1 && same.stats[0].max_abs == 0 && same.stats[0].count == 16);
}

TEST(layers_are_timed) {
  const auto engine = load(build(request_of(Precision::kFull)));
  const Values values(1);
  const std::atomic<bool> going{false};
  const auto times = engine->profile(0, values.feed, 4, going);
  CHECK(times.size() == 2 && times[0].first == "first" && std::abs(times[1].second - 0.5) < 1e-6);
}

TEST(failures_are_errors_and_leave_the_engine_fit) {
  const auto engine = load(build(request_of(Precision::kFull)));
  const Values values(65);  // beyond the profile
  CHECK(holds(message_of([&] { engine->run(0, values.feed, {"y"}); }), "Static dimension mismatch"));
  const Values fit(2);
  CHECK(holds(message_of([&] { engine->run(0, fit.feed, {"z"}); }), "no output"));
  CHECK(holds(message_of([&] { engine->run(1, fit.feed, {"y"}); }), "1 profiles"));
  CHECK(holds(message_of([&] { engine->run(0, {}, {"y"}); }), "is not fed"));
  CHECK(engine->run(0, fit.feed, {"y"}).size() == 1);
  ::setenv("FAKE_BUILD", "fails", 1);
  CHECK(holds(message_of([] { build(request_of(Precision::kFull)); }), "Could not find any implementation"));
  ::unsetenv("FAKE_BUILD");
  BuildRequest gone = request_of(Precision::kFull);
  gone.path = "/nowhere/model.onnx";
  CHECK(holds(message_of([&] { build(gone); }), "cannot parse"));
  std::ofstream("broken.onnx") << "BROKEN";
  gone.path = "broken.onnx";
  CHECK(holds(message_of([&] { build(gone); }), "No importer registered for op: Strange (node odd, Strange)"));
  std::remove("broken.onnx");
}

TEST(a_build_is_cancelled_from_another_thread) {
  ::setenv("FAKE_BUILD_STEPS", "1000", 1);
  Task task;
  std::thread stopper([&] {
    while (task.phases().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    task.cancel();
  });
  BuildOutcome outcome;
  Failure failure;
  CHECK(!library().build(request_of(Precision::kFull), task, outcome, failure) && failure.code == ErrorCode::kCancelled);
  stopper.join();
  CHECK(task.phases().empty());
  ::unsetenv("FAKE_BUILD_STEPS");
}

TEST(a_network_is_described_with_the_nodes_that_its_layers_compute) {
  NetworkDescription description;
  Failure failure;
  CHECK(library().describe(request_of(Precision::kFull), description, failure));
  CHECK(description.inputs.size() == 1 && description.inputs[0].symbols[0] == "batch" && description.inputs[0].dims == Dims({-1, 4}));
  CHECK(description.layers.size() == 5 && description.layers[3].name == "first_1" && description.layers[3].node == "first" && description.layers[4].node == "second");
}

TEST_MAIN
