// TensorRT's module and what runs its engines, on libraries that need no GPU (fakes/). Under the sanitizers this finds what JavaScript cannot see: leaks, races in
// memory, and callbacks into what is gone.

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "harness.h"
#include "tensorrt/cuda/clocks.h"
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

Buffer bytes_of(const std::string& text) {
  Buffer bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string text_of(const Buffer& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// A setting of the fakes, until the block ends.
struct Setting {
  Setting(const char* name, const char* value) : name(name) { ::setenv(name, value, 1); }
  Setting(const Setting&) = delete;
  ~Setting() { ::unsetenv(name); }
  const char* name;
};

/// What the fake TensorRT said that starts so; empty where it said nothing of the kind.
std::string line_of(const BuildOutcome& built, const std::string& opening) {
  for (const auto& message : built.messages)
    if (message.text.rfind(opening, 0) == 0) return message.text;
  return "";
}

BuildRequest pinned(const char* node) {
  auto request = request_of(Precision::kWeak);
  request.pins = {{node, false}};
  return request;
}

}  // namespace

/// A folder with links to some of the fake TensorRT's libraries, each under the name behind it.
struct Folder {
  explicit Folder(std::initializer_list<std::pair<const char*, const char*>> links) {
    namespace fs = std::filesystem;
    fs::remove_all(path);
    fs::create_directory(path);
    for (const auto& [library, name] : links) fs::create_symlink(fs::path(HALFSCOPE_FAKES) / library, fs::path(path) / name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = std::filesystem::absolute("some-tensorrt").string();
};

// First: a process loads TensorRT once.
TEST(what_is_missing_is_one_sentence_about_the_version_that_is_there) {
  const auto said = [](const std::string& folder) { return message_of([&] { open_library(folder); }); };
  const std::string ten = "libnvinfer.so.10";
  CHECK(said("/nowhere") == "ERR_BACKEND_UNAVAILABLE: there is no folder /nowhere.");
  {
    const Folder folder({});
    CHECK(said(folder.path) == "ERR_BACKEND_UNAVAILABLE: no libnvinfer of TensorRT 8, 10 or 11 in " + folder.path + ".");
  }
  {
    const Folder folder({{"libnvinfer.so.10", "libnvinfer.so.10"}, {"libnvonnxparser.so.10", "libnvonnxparser.so.10"}});
    CHECK(said(folder.path) == "ERR_BACKEND_UNAVAILABLE: libnvonnxparser.so.10 needs libnvinfer_plugin.so.10: there is none in " + folder.path + ".");
  }
  {
    const Folder folder({{"libnvinfer.so.10", "libnvinfer.so.10"}, {"libnvinfer_plugin.so.10", "libnvinfer_plugin.so.10"}});
    const std::string expected = "ERR_BACKEND_UNAVAILABLE: " + folder.path + "/libnvinfer.so.10 is TensorRT 10.6.0, but libnvonnxparser.so.10, which reads ONNX files, is missing: " +
                                 "there is none in " + folder.path + ".";
    CHECK(said(folder.path) == expected);
    CHECK(said(folder.path + "/" + ten) == expected);  // a file stands for its folder
  }
  {
    ::setenv("FAKE_TENSORRT_VERSION", "8601", 1);
    const Folder folder({{"libnvinfer.so.10", "libnvinfer.so.8"}});
    CHECK(said(folder.path) == "ERR_BACKEND_UNAVAILABLE: TensorRT 8.6.1 is in " + folder.path + "; this build of halfscope has modules for 10.");
    ::unsetenv("FAKE_TENSORRT_VERSION");
  }
  {
    const Setting version("FAKE_TENSORRT_VERSION", "100001");
    const Folder folder({{"libnvinfer.so.10", "libnvinfer.so.10"}});
    CHECK(said(folder.path) == "ERR_BACKEND_UNAVAILABLE: " + folder.path + "/libnvinfer.so.10 is TensorRT 10.0.1; 10.1 or newer is needed.");
  }
}

TEST(plugins_are_known_before_the_parser_and_registered_once) {
  build(request_of(Precision::kFull));
  load(build(request_of(Precision::kFull)));
  CHECK(holds(library().plugins(), "/libnvinfer_plugin.so.10") && library().plugins_missing().empty());
  void* plugins = ::dlopen(HALFSCOPE_FAKES "/libnvinfer_plugin.so.10", RTLD_NOW | RTLD_NOLOAD);
  const auto registered = plugins == nullptr ? nullptr : reinterpret_cast<int (*)()>(::dlsym(plugins, "plugins_registered"));
  CHECK(registered != nullptr && registered() == 1);
  if (plugins != nullptr) ::dlclose(plugins);
}

TEST(pools_have_limits_and_a_refused_one_is_an_error) {
  auto request = request_of(Precision::kFull);
  request.pools = {{Pool::kWorkspace, 4096}, {Pool::kTacticDram, 8192}, {Pool::kTacticSharedMemory, 1024}};
  const auto said = [](const BuildOutcome& built, const char* text) {
    for (const auto& message : built.messages)
      if (message.text == text) return true;
    return false;
  };
  const auto built = build(request);
  CHECK(said(built, "pool 0: 4096") && said(built, "pool 4: 8192") && said(built, "pool 5: 1024"));
  request.pools = {{Pool::kTacticSharedMemory, std::uint64_t{1} << 30}};
  const auto refused = message_of([&] { build(request); });
  CHECK(holds(refused, "ERR_ENGINE_BUILD: TensorRT refuses 1073741824 bytes as the limit of shared memory of kernels") && holds(refused, "less than 1GiB"));
}

TEST(profiles_are_counted_from_one) {
  auto request = request_of(Precision::kFull);
  request.profiles.push_back({{"x", {1, 5}, {2, 5}, {3, 5}}});
  CHECK(holds(message_of([&] { build(request); }), "refuses [1, 5] for input \"x\" in profile 2 of 2"));
}

TEST(models_come_from_memory_too) {
  auto request = request_of(Precision::kFull);
  request.path = "/nowhere/model.onnx";
  request.model = Buffer(4);
  std::memcpy(request.model.data(), "onnx", 4);
  CHECK(build(request).plan.size() > 0);
}

TEST(clocks_are_those_of_the_gpu_on_that_bus) {
  const std::string& bus = cuda::open().pci_bus;
  ::setenv("FAKE_NVML_REASONS", "36", 1);  // 0x24
  const auto clocks = cuda::read_clocks(bus);
  CHECK(clocks && clocks->processor_mhz == 1755 && clocks->memory_mhz == 3201 && clocks->watts == 412.5 && clocks->celsius == 51U);
  CHECK(clocks && clocks->throttle == std::vector<std::string>({"power limit", "heat"}));
  ::unsetenv("FAKE_NVML_REASONS");
  ::setenv("FAKE_NVML_POWER", "3", 1);  // not supported
  const auto powerless = cuda::read_clocks(bus);
  CHECK(powerless && !powerless->watts && powerless->throttle.empty());
  ::unsetenv("FAKE_NVML_POWER");
  CHECK(!cuda::read_clocks("0000:99:00.0"));
  ::setenv("FAKE_NVML_INIT", "9", 1);
  CHECK(!cuda::read_clocks(bus));
  ::unsetenv("FAKE_NVML_INIT");
  void* nvml = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_NOLOAD);
  const auto users = nvml == nullptr ? nullptr : reinterpret_cast<int (*)()>(::dlsym(nvml, "fake_nvml_users"));
  CHECK(users != nullptr && users() == 0);
  if (nvml != nullptr) ::dlclose(nvml);
  CHECK(cuda::throttle_words(0x1 | 0x400) == std::vector<std::string>({"idle", "other (0x400)"}));
}

TEST(outputs_go_into_memory_that_fits_them_and_is_given) {
  const auto engine = load(build(request_of(Precision::kFull)));
  const Values values(2);
  std::vector<float> memory(8, -1), small(4, -1);
  const auto given = engine->run(0, values.feed, {"y"}, {{reinterpret_cast<unsigned char*>(memory.data()), 8 * sizeof(float)}});
  CHECK(given[0].given && given[0].data.size() == 0 && given[0].dims == Dims({2, 4}));
  const auto own = engine->run(0, values.feed, {"y"}, {{reinterpret_cast<unsigned char*>(small.data()), 4 * sizeof(float)}});
  CHECK(!own[0].given && own[0].data.size() == 8 * sizeof(float) && small == std::vector<float>(4, -1));
  CHECK(std::memcmp(own[0].data.data(), memory.data(), 8 * sizeof(float)) == 0);
}

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

TEST(requests_on_the_engines_own_thread_give_what_others_give) {
  const auto engine = load(build(request_of(Precision::kFull)));
  const Values values(3), wrong(65);
  const auto expected = engine->run(0, values.feed, {"y"});
  std::vector<std::shared_ptr<PendingRequest>> requests;
  for (int i = 0; i < 20; i++) {
    requests.push_back(std::make_shared<PendingRequest>());
    engine->begin(requests.back(), 0, i % 5 == 4 ? wrong.feed : values.feed, {"y"}, {});
    if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the thread falls asleep between
  }
  for (std::size_t i = 0; i < requests.size(); i++) {
    if (i % 2 == 0) requests[i]->wait();
    while (!requests[i]->done_within(std::chrono::microseconds(20))) continue;
    if (i % 5 == 4) {
      CHECK(holds(message_of([&] { requests[i]->take(); }), "Static dimension mismatch"));
      continue;
    }
    const auto outputs = requests[i]->take();
    CHECK(outputs.size() == 1 && std::memcmp(outputs[0].data.data(), expected[0].data.data(), expected[0].data.size()) == 0);
  }
}

TEST(an_engine_ends_after_the_requests_that_were_begun) {
  ::setenv("FAKE_RUN_MS", "100", 1);
  auto engine = load(build(request_of(Precision::kFull)));
  const Values values(2);
  std::vector<float> memory(8, -1);
  const Target target{reinterpret_cast<unsigned char*>(memory.data()), 8 * sizeof(float)};
  const auto first = std::make_shared<PendingRequest>(), second = std::make_shared<PendingRequest>();
  engine->begin(first, 0, values.feed, {"y"}, {target});
  engine->begin(second, 0, values.feed, {"y"}, {});
  CHECK(!second->done_within(std::chrono::microseconds(0)));
  engine.reset();
  ::unsetenv("FAKE_RUN_MS");
  CHECK(first->done_within(std::chrono::microseconds(0)) && second->done_within(std::chrono::microseconds(0)));
  CHECK(first->take()[0].given && memory[0] != -1);
  second->wait();
  CHECK(second->take().size() == 1);
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

TEST(a_pin_takes_what_the_parser_put_in_front_of_its_layer_and_behind) {
  const Setting network("FAKE_NETWORK", "gemm");
  const std::string sums = "ONNXTRT_Broadcast_5, (Unnamed Layer* 6) [ElementWise], (Unnamed Layer* 7) [ElementWise]";
  auto request = pinned("first");
  CHECK(line_of(build(request), "in FP32") == "in FP32: 5 layers: ONNXTRT_Broadcast, first_1, " + sums);
  request.type_constants = true;
  CHECK(line_of(build(request), "in FP32") == "in FP32: 7 layers: w, ONNXTRT_Broadcast, first_1, (Unnamed Layer* 4) [Constant], " + sums);
  request.pins = {{"first", true}};
  CHECK(line_of(build(request), "in FP32").empty());
}

TEST(a_sum_behind_a_pinned_layer_stays_in_full_where_its_tensor_is_observed_and_half_preferred) {
  const Setting network("FAKE_NETWORK", "gemm");
  const Values values(2);
  const auto type_of_hidden = [&](BuildRequest request) {
    request.observe = {"hidden"};
    return load(build(request))->run(0, values.feed, {"hidden"})[0].type;
  };
  CHECK(type_of_hidden(pinned("first")) == 1);
  CHECK(type_of_hidden(request_of(Precision::kWeak)) == 10);
}

TEST(a_network_with_a_thousand_million_paths_is_pinned_at_once) {
  const Setting diamonds("FAKE_DIAMONDS", "30");
  // Three layers for each diamond, in front and behind; the parser's other ones and the node's own.
  for (const auto& [network, layers] : {std::pair("plain", 2 * 3 * 30 + 3), std::pair("gemm", 2 * 3 * 30 + 5)}) {
    const Setting setting("FAKE_NETWORK", network);
    auto built = std::async(std::launch::async, [] { return line_of(build(pinned("first")), "in FP32"); });
    if (built.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      // Nothing stops such a walk, and the future would wait for its end.
      std::printf("FAIL a_network_with_a_thousand_million_paths_is_pinned_at_once: not after 20 s\n");
      std::fflush(stdout);
      std::_Exit(1);
    }
    const auto full = built.get();
    CHECK(full.rfind("in FP32: " + std::to_string(layers) + " layers", 0) == 0);
  }
}

TEST(a_timing_cache_of_another_gpu_is_begun_anew_and_that_is_said) {
  auto request = request_of(Precision::kFull);
  request.use_timing_cache = true;
  const auto built_with = [&](const char* cache) {
    request.timing_cache = bytes_of(cache);
    return build(request);
  };
  for (const char* unusable : {"cache:elsewhere;kernel;", "no cache"}) {
    const auto built = built_with(unusable);
    CHECK(text_of(built.timing_cache) == "cache:kernel;");
    CHECK(holds(line_of(built, "The timing cache"), "another GPU"));
  }
  for (const char* usable : {"", "cache:kernel;"}) {
    const auto built = built_with(usable);
    CHECK(holds(text_of(built.timing_cache), usable) && holds(text_of(built.timing_cache), "kernel;"));
    CHECK(line_of(built, "The timing cache").empty());
  }
}

TEST(timing_caches_of_one_gpu_are_merged_and_of_two_the_newer_is_kept) {
  const auto merged = [](const char* older, const char* newer) {
    Buffer both;
    Failure failure;
    if (!library().merge_caches(bytes_of(older), bytes_of(newer), both, failure)) raise(failure);
    return text_of(both);
  };
  CHECK(merged("cache:one;", "cache:two;") == "cache:one;two;");
  CHECK(merged("cache:elsewhere;one;", "cache:two;") == "cache:two;");
  CHECK(merged("no cache", "cache:two;") == "cache:two;");
}

TEST_MAIN
