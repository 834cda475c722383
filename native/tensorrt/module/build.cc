#include "tensorrt/module/build.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "tensorrt/module/network.h"
#include "tensorrt/module/types.h"
#include "tensorrt/module/weak_types.h"

namespace halfscope::trt {
namespace {

using nvinfer1::BuilderFlag;
using nvinfer1::IBuilderConfig;
using nvinfer1::OptProfileSelector;

#if HALFSCOPE_TRT_TEN
class Monitor final : public nvinfer1::IProgressMonitor {
 public:
  explicit Monitor(BuildWatch& watch) : watch_(watch) {}
  void phaseStart(const char* name, const char* parent, std::int32_t steps) noexcept override { watch_.phase(name, parent, steps); }
  bool stepComplete(const char* name, std::int32_t step) noexcept override { return watch_.step(name, step + 1); }
  void phaseFinish(const char* name) noexcept override { watch_.end(name); }

 private:
  BuildWatch& watch_;
};
#endif

Buffer copy(const void* data, std::size_t size) {
  Buffer bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  return bytes;
}
Buffer copy(const nvinfer1::IHostMemory& memory) { return copy(memory.data(), memory.size()); }

void set_precision(IBuilderConfig& config, const BuildRequest& request) {
  // On by default, and a reference in TF32 is none.
  if (request.tf32) config.setFlag(BuilderFlag::kTF32);
  else config.clearFlag(BuilderFlag::kTF32);
#if HALFSCOPE_TRT_WEAK
  if (request.precision == Precision::kWeak) {
#if HALFSCOPE_TRT_TEN
    config.setFlag(request.half == 16 ? BuilderFlag::kBF16 : BuilderFlag::kFP16);
#else
    config.setFlag(BuilderFlag::kFP16);
#endif
    if (request.constraints == Constraints::kPrefer) config.setFlag(BuilderFlag::kPREFER_PRECISION_CONSTRAINTS);
    if (request.constraints == Constraints::kObey) config.setFlag(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
  }
#endif
#if !HALFSCOPE_TRT_TEN
  if (request.precision == Precision::kTyped) {
    throw Error(ErrorCode::kEngineBuild, "TensorRT 8 has no strongly typed networks; build weakly typed, with pins per layer.");
  }
#endif
}

void set_strict_nans(IBuilderConfig& config, const Symbols& symbols) {
#if HALFSCOPE_TRT_STRICT_NANS
  if (version_number(symbols.reported_version) >= 100600) {
    config.setFlag(BuilderFlag::kSTRICT_NANS);
    return;
  }
#endif
  (void)config;
  throw Error(ErrorCode::kEngineBuild, "TensorRT keeps NaN through folding since 10.6; this is " + symbols.version + ".");
}

nvinfer1::MemoryPoolType pool_type(Pool pool) {
  switch (pool) {
    case Pool::kTacticDram: return nvinfer1::MemoryPoolType::kTACTIC_DRAM;
    case Pool::kTacticSharedMemory:
#if HALFSCOPE_TRT_TEN
      return nvinfer1::MemoryPoolType::kTACTIC_SHARED_MEMORY;
#else
      throw Error(ErrorCode::kEngineBuild, "TensorRT 8 has no limit for the shared memory of kernels; 10 and 11 have.");
#endif
    case Pool::kWorkspace: break;
  }
  return nvinfer1::MemoryPoolType::kWORKSPACE;
}

/// The function says nothing of a limit that it refuses; the log does.
void set_pool(IBuilderConfig& config, const PoolLimit& limit, const Messages& messages) {
  constexpr const char* kNames[] = {"workspace", "device memory of kernels that are tried", "shared memory of kernels"};
  const auto type = pool_type(limit.pool);
  const std::string before = messages.last_errors();
  config.setMemoryPoolLimit(type, limit.bytes);
  if (messages.last_errors() == before) return;
  fail(ErrorCode::kEngineBuild, "TensorRT refuses " + std::to_string(limit.bytes) + " bytes as the limit of " + kNames[static_cast<int>(limit.pool)], messages);
}

/// As people count: the first is 1.
std::string profile_name(std::size_t index, std::size_t count) { return "profile " + std::to_string(index + 1) + " of " + std::to_string(count); }

bool set_shape_values(nvinfer1::IOptimizationProfile& profile, [[maybe_unused]] const Symbols& symbols, const char* name, OptProfileSelector which, const Dims& values) {
#if HALFSCOPE_TRT_WIDE_SHAPES
  if (version_number(symbols.reported_version) >= 101100) return profile.setShapeValuesV2(name, which, values.data(), static_cast<std::int32_t>(values.size()));
#endif
#if HALFSCOPE_TRT_MAJOR < 11
  std::vector<std::int32_t> narrow;
  for (const auto value : values) narrow.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(value, INT32_MIN, INT32_MAX)));
  return profile.setShapeValues(name, which, narrow.data(), static_cast<std::int32_t>(narrow.size()));
#else
  return false;
#endif
}

void add_profiles(ParsedNetwork& parsed, IBuilderConfig& config, const Symbols& symbols, const BuildRequest& request, const Messages& messages) {
  const auto& network = parsed.network();
  for (std::size_t p = 0; p < request.profiles.size(); p++) {
    nvinfer1::IOptimizationProfile* profile = parsed.builder().createOptimizationProfile();
    if (profile == nullptr) fail(ErrorCode::kEngineBuild, "TensorRT made no optimisation profile", messages);
    for (const Range& range : request.profiles[p]) {
      const nvinfer1::ITensor* input = nullptr;
      for (int i = 0; i < network.getNbInputs(); i++) {
        if (range.input == network.getInput(i)->getName()) input = network.getInput(i);
      }
      const std::string where = "input \"" + range.input + "\" in " + profile_name(p, request.profiles.size());
      if (input == nullptr) throw Error(ErrorCode::kEngineBuild, "The network has no " + where + ".");
      const std::pair<OptProfileSelector, const Dims*> all[] = {
          {OptProfileSelector::kMIN, &range.min}, {OptProfileSelector::kOPT, &range.opt}, {OptProfileSelector::kMAX, &range.max}};
      for (const auto& [which, sizes] : all) {
        const bool set = input->isShapeTensor() ? set_shape_values(*profile, symbols, range.input.c_str(), which, *sizes)
                                                : profile->setDimensions(range.input.c_str(), which, from_dims(*sizes));
        if (!set) fail(ErrorCode::kEngineBuild, "TensorRT refuses " + to_text(*sizes) + " for " + where, messages);
      }
    }
    if (config.addOptimizationProfile(profile) < 0) fail(ErrorCode::kEngineBuild, "TensorRT refuses " + profile_name(p, request.profiles.size()), messages);
  }
}

/// The one that was given, or an empty one where the library does not take it; nullptr where it takes none at all. Without the empty one what this build measures would be
/// lost too, and the file that the given one came from would never fit again.
std::unique_ptr<nvinfer1::ITimingCache> set_timing_cache(IBuilderConfig& config, const Buffer& given, Messages& messages) {
  const auto set = [&](const void* bytes, std::size_t size) {
    std::unique_ptr<nvinfer1::ITimingCache> cache(config.createTimingCache(bytes, size));
    if (cache && !config.setTimingCache(*cache, false)) cache.reset();
    return cache;
  };
  auto cache = set(given.data(), given.size());
  if (cache || given.size() == 0) return cache;
  messages.add(Severity::kWarning,
               "The timing cache that was given is not used: it is damaged, or of another version of TensorRT or another GPU. This build measures its kernels anew.");
  return set(nullptr, 0);
}

}  // namespace

void build_engine(const Symbols& symbols, const BuildRequest& request, BuildWatch& watch, Messages& messages, BuildOutcome& outcome) {
  const auto start = std::chrono::steady_clock::now();
#if HALFSCOPE_TRT_TEN
  Monitor monitor(watch);  // first: it has to outlive everything of TensorRT's that uses it
#endif
  ParsedNetwork parsed(symbols, request, messages);
  mark(parsed.network(), request, symbols, outcome);
  set_types(parsed.network(), request, outcome);
  const std::unique_ptr<IBuilderConfig> config(parsed.builder().createBuilderConfig());
  if (!config) fail(ErrorCode::kEngineBuild, "TensorRT made no builder configuration", messages);
  set_precision(*config, request);
  config->setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
  for (const auto& limit : request.pools) set_pool(*config, limit, messages);
  if (request.optimization_level >= 0) config->setBuilderOptimizationLevel(request.optimization_level);
  if (request.strict_nans) set_strict_nans(*config, symbols);
  add_profiles(parsed, *config, symbols, request, messages);
  std::unique_ptr<nvinfer1::ITimingCache> cache;
  if (request.use_timing_cache) cache = set_timing_cache(*config, request.timing_cache, messages);
#if HALFSCOPE_TRT_TEN
  config->setProgressMonitor(&monitor);
#endif
#if HALFSCOPE_TRT_MAJOR == 8
  // Later versions always let several contexts use one profile.
  config->setPreviewFeature(nvinfer1::PreviewFeature::kPROFILE_SHARING_0806, true);
#endif
  if (watch.cancelled()) throw Error(ErrorCode::kCancelled, "the build was cancelled");
  const std::unique_ptr<nvinfer1::IHostMemory> plan(parsed.builder().buildSerializedNetwork(parsed.network(), *config));
  if (watch.cancelled()) throw Error(ErrorCode::kCancelled, "the build was cancelled");
  if (!plan || plan->size() == 0) fail(ErrorCode::kEngineBuild, "TensorRT could not build the engine", messages);
  outcome.plan = copy(*plan);
  if (cache) {
    const std::unique_ptr<nvinfer1::IHostMemory> bytes(config->getTimingCache() == nullptr ? nullptr : config->getTimingCache()->serialize());
    if (bytes) outcome.timing_cache = copy(*bytes);
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Buffer merge_timing_caches(const Symbols& symbols, const Buffer& older, const Buffer& newer, const Messages& messages) {
  const std::unique_ptr<nvinfer1::IBuilder> builder(static_cast<nvinfer1::IBuilder*>(symbols.create_builder(&logger(), symbols.reported_version)));
  if (!builder) fail(ErrorCode::kEngineBuild, "TensorRT made no builder", messages);
  const std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  if (!config) fail(ErrorCode::kEngineBuild, "TensorRT made no builder configuration", messages);
  const auto read = [&](const Buffer& bytes) { return std::unique_ptr<nvinfer1::ITimingCache>(config->createTimingCache(bytes.data(), bytes.size())); };
  auto first = read(older);
  const auto second = read(newer);
  if (!first) first = read(Buffer());
  if (!first) fail(ErrorCode::kEngineBuild, "TensorRT made no timing cache", messages);
  // They are of different GPUs: no cache holds both, and the newer one is of the GPU that is here.
  if (second && !first->combine(*second, false)) return copy(newer.data(), newer.size());
  const std::unique_ptr<nvinfer1::IHostMemory> bytes(first->serialize());
  if (!bytes) fail(ErrorCode::kEngineBuild, "TensorRT cannot write the timing cache", messages);
  return copy(*bytes);
}

}  // namespace halfscope::trt
