#include "tensorrt/module/context.h"

#include <map>

#include "tensorrt/module/guarded.h"
#include "tensorrt/module/network.h"
#include "tensorrt/module/types.h"

namespace halfscope::trt {
namespace {

class LayerTimes final : public nvinfer1::IProfiler {
 public:
  void reportLayerTime(const char* name, float milliseconds) noexcept override {
    try {
      times.emplace_back(name, milliseconds);
    } catch (...) {
      // No memory: the time is lost.
    }
  }
  std::vector<std::pair<std::string, float>> times;
};

class OutputAllocator final : public nvinfer1::IOutputAllocator {
 public:
  explicit OutputAllocator(OutputSink& sink) : sink_(sink) {}
#if HALFSCOPE_TRT_TEN
  void* reallocateOutputAsync(const char* name, void*, std::uint64_t size, std::uint64_t, cudaStream_t) override { return sink_.grow(name, size); }
#endif
#if HALFSCOPE_TRT_MAJOR < 10
  void* reallocateOutput(const char* name, void*, std::uint64_t size, std::uint64_t) noexcept override { return sink_.grow(name, size); }
#endif
  void notifyShape(const char* name, const nvinfer1::Dims& dims) noexcept override {
    try {
      sink_.shape(name, to_dims(dims));
    } catch (...) {
      // No memory for eight numbers: the shape stays open, which the reader of the output refuses.
    }
  }

 private:
  OutputSink& sink_;
};

#if HALFSCOPE_TRT_TEN
/// Lives as long as the context, which keeps its address; only whom it tells changes. Nothing says that a context takes nullptr for a listener.
class DebugListener final : public nvinfer1::IDebugListener {
 public:
  /// nullptr: nobody.
  void tell(DebugSink* sink) noexcept { sink_ = sink; }
  bool processDebugTensor(const void* address, nvinfer1::TensorLocation location, nvinfer1::DataType type, const nvinfer1::Dims& shape, const char* name,
                          cudaStream_t stream) override {
    if (sink_ == nullptr) return true;
    try {
      return sink_->see({name, address, location == nvinfer1::TensorLocation::kHOST, onnx_type(type), to_dims(shape), stream});
    } catch (...) {
      return false;
    }
  }

 private:
  DebugSink* sink_ = nullptr;
};
#endif

class ModuleContext final : public Context {
 public:
  ModuleContext(std::unique_ptr<nvinfer1::IExecutionContext> context, std::shared_ptr<nvinfer1::ICudaEngine> engine, std::shared_ptr<Messages> messages,
                int library_version)
      : messages_(std::move(messages)), engine_(std::move(engine)), library_version_(library_version), context_(std::move(context)) {}

  ~ModuleContext() override {
    const Listening listening(messages_);
    context_.reset();
  }

  bool set_profile(int index, void* stream, Failure& failure) noexcept override {
    return told(failure, "TensorRT refuses profile " + std::to_string(index + 1) + " of " + std::to_string(engine_->getNbOptimizationProfiles()),
                [&] { return context_->getOptimizationProfile() == index || context_->setOptimizationProfileAsync(index, static_cast<cudaStream_t>(stream)); });
  }

  bool set_input_shape(const char* name, const Dims& dims, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const Listening listening(messages_);
      if (!context_->setInputShape(name, from_dims(dims))) {
        fail(ErrorCode::kEngineRun, "TensorRT refuses shape " + to_text(dims) + " for input \"" + name + "\"", *messages_);
      }
    });
  }

  bool set_address(const char* name, void* data, Failure& failure) noexcept override {
    if (context_->setTensorAddress(name, data)) return true;
    return told(failure, "TensorRT refuses the memory of \"" + std::string(name) + "\"", [] { return false; });
  }

  bool set_output_sink(const char* name, OutputSink* sink, Failure& failure) noexcept override {
    return told(failure, "TensorRT refuses an allocator for output \"" + std::string(name) + "\"", [&] {
      auto& kept = allocators_[name];
      auto allocator = std::make_unique<OutputAllocator>(*sink);
      if (!context_->setOutputAllocator(name, allocator.get())) return false;
      kept = std::move(allocator);
      return true;
    });
  }

  bool infer_shapes(Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const Listening listening(messages_);
      std::vector<const char*> names(static_cast<std::size_t>(engine_->getNbIOTensors()), nullptr);
      const int missing = context_->inferShapes(static_cast<std::int32_t>(names.size()), names.data());
      if (missing == 0) return;
      std::string list;
      for (int i = 0; i < missing && i < static_cast<int>(names.size()); i++) list += (i > 0 ? ", " : "") + std::string(names[static_cast<std::size_t>(i)]);
      if (missing > 0) throw Error(ErrorCode::kFeed, "these inputs have no sizes or values: " + list);
      fail(ErrorCode::kEngineRun, "TensorRT cannot tell the outputs' shapes", *messages_);
    });
  }

  Dims shape(const char* name) noexcept override {
    try {
      const auto dims = context_->getTensorShape(name);
      return dims.nbDims < 0 ? Dims{-1} : to_dims(dims);
    } catch (...) {
      return {-1};
    }
  }

  bool enqueue(void* stream, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const Listening listening(messages_);
      if (!context_->enqueueV3(static_cast<cudaStream_t>(stream))) fail(ErrorCode::kEngineRun, "TensorRT could not run the engine", *messages_);
    });
  }

  bool record_layer_times(bool on, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const Listening listening(messages_);
      times_.times.clear();
      context_->setProfiler(on ? &times_ : nullptr);
      context_->setEnqueueEmitsProfile(true);
    });
  }

  std::vector<std::pair<std::string, float>> take_layer_times() noexcept override { return std::exchange(times_.times, {}); }

  bool observe(DebugSink* sink, const std::vector<std::string>& names, bool unfused, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const Listening listening(messages_);
#if HALFSCOPE_TRT_TEN
      const auto refused = [&](const std::string& what) { fail(ErrorCode::kEngineRun, "TensorRT refuses " + what, *messages_); };
      listener_.tell(nullptr);  // also of what is switched on before something is refused
      if (sink != nullptr && !listening_ && !context_->setDebugListener(&listener_)) refused("a listener for debug tensors");
      listening_ = listening_ || sink != nullptr;
      if (unfused) show_unfused(sink != nullptr, refused);
      else if (!context_->setAllTensorsDebugState(sink != nullptr && names.empty())) refused("to switch debug tensors");
      if (sink == nullptr) return;
      for (const auto& name : names) {
        if (!unfused && !context_->setTensorDebugState(name.c_str(), true)) refused("to show debug tensor \"" + name + "\"");
      }
      listener_.tell(sink);
#else
      (void)sink;
      (void)names;
      (void)unfused;
      throw Error(ErrorCode::kEngineRun, "TensorRT 8 has no debug tensors.");
#endif
    });
  }

 private:
#if HALFSCOPE_TRT_TEN
  template <class Refused>
  void show_unfused([[maybe_unused]] bool on, Refused refused) {
#if HALFSCOPE_TRT_UNFUSED
    if (library_version_ >= 101200 && context_->setUnfusedTensorsDebugState(on)) return;
#endif
    refused("to show unfused tensors");
  }
#endif

  template <class Call>
  bool told(Failure& failure, const std::string& what, Call call) noexcept {
    return guarded(failure, [&] {
      const Listening listening(messages_);
      if (!call()) fail(ErrorCode::kEngineRun, what, *messages_);
    });
  }

  std::shared_ptr<Messages> messages_;
  std::shared_ptr<nvinfer1::ICudaEngine> engine_;
  [[maybe_unused]] int library_version_;
  LayerTimes times_;
  std::map<std::string, std::unique_ptr<OutputAllocator>> allocators_;
#if HALFSCOPE_TRT_TEN
  DebugListener listener_;
  bool listening_ = false;
#endif
  std::unique_ptr<nvinfer1::IExecutionContext> context_;  // last: destroyed first, it points at the others
};

}  // namespace

std::unique_ptr<Context> wrap_context(std::unique_ptr<nvinfer1::IExecutionContext> context, std::shared_ptr<nvinfer1::ICudaEngine> engine,
                                      std::shared_ptr<Messages> messages, int library_version) {
  return std::make_unique<ModuleContext>(std::move(context), std::move(engine), std::move(messages), library_version);
}

}  // namespace halfscope::trt
