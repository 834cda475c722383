#include "tensorrt/module/engine.h"

#include <cstring>

#include "tensorrt/module/context.h"
#include "tensorrt/module/guarded.h"
#include "tensorrt/module/network.h"
#include "tensorrt/module/types.h"

namespace halfscope::trt {
namespace {

IoTensor describe_io(const nvinfer1::ICudaEngine& engine, const char* name) {
  IoTensor io;
  io.name = name;
  io.type = onnx_type(engine.getTensorDataType(name));
  io.dims = to_dims(engine.getTensorShape(name));
  io.input = engine.getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
  io.on_host = engine.getTensorLocation(name) == nvinfer1::TensorLocation::kHOST;
  return io;
}

class ModuleEngine final : public Engine {
 public:
  ModuleEngine(const Symbols& symbols, const void* plan, std::size_t bytes)
      : library_version_(version_number(symbols.reported_version)), messages_(std::make_shared<Messages>()) {
    const Listening listening(messages_);
    register_plugins(symbols);
    runtime_.reset(static_cast<nvinfer1::IRuntime*>(symbols.create_runtime(&logger(), symbols.reported_version)));
    if (!runtime_) fail(ErrorCode::kEngineRun, "TensorRT made no runtime", *messages_);
    engine_.reset(runtime_->deserializeCudaEngine(plan, bytes));
    if (!engine_) fail(ErrorCode::kEngineRun, "TensorRT cannot load the engine", *messages_);
    for (int i = 0; i < engine_->getNbIOTensors(); i++) io_.push_back(describe_io(*engine_, engine_->getIOTensorName(i)));
  }

  ~ModuleEngine() override {
    const Listening listening(messages_);
    engine_.reset();
    runtime_.reset();
  }

  const std::vector<IoTensor>& io() const noexcept override { return io_; }
  int profiles() const noexcept override { return engine_->getNbOptimizationProfiles(); }
  bool is_debug_tensor([[maybe_unused]] const char* name) const noexcept override {
#if HALFSCOPE_TRT_TEN
    return engine_->isDebugTensor(name);
#else
    return false;
#endif
  }
  std::uint64_t memory_bytes() const noexcept override {
#if HALFSCOPE_TRT_TEN
    return static_cast<std::uint64_t>(engine_->getDeviceMemorySizeV2());
#else
    return engine_->getDeviceMemorySize();
#endif
  }

  std::unique_ptr<Context> create_context(Failure& failure) noexcept override {
    std::unique_ptr<Context> made;
    guarded(failure, [&] {
      const Listening listening(messages_);
      std::unique_ptr<nvinfer1::IExecutionContext> context(engine_->createExecutionContext());
      if (!context) fail(ErrorCode::kEngineRun, "TensorRT made no execution context", *messages_);
      made = wrap_context(std::move(context), engine_, messages_, library_version_);
    });
    return made;
  }

  bool inspect(std::string& json, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const Listening listening(messages_);
      const std::unique_ptr<nvinfer1::IEngineInspector> inspector(engine_->createEngineInspector());
      const char* text = inspector ? inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON) : nullptr;
      if (text == nullptr) fail(ErrorCode::kEngineRun, "TensorRT tells nothing about the engine", *messages_);
      json = text;
    });
  }

  bool serialize(Buffer& plan, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const Listening listening(messages_);
      const std::unique_ptr<nvinfer1::IHostMemory> memory(engine_->serialize());
      if (!memory) fail(ErrorCode::kEngineRun, "TensorRT cannot serialise the engine", *messages_);
      plan = Buffer(memory->size());
      if (plan.size() > 0) std::memcpy(plan.data(), memory->data(), plan.size());
    });
  }

  std::vector<Message> messages() const override { return messages_->list(); }

 private:
  int library_version_;
  std::shared_ptr<Messages> messages_;
  std::shared_ptr<nvinfer1::IRuntime> runtime_;
  std::shared_ptr<nvinfer1::ICudaEngine> engine_;
  std::vector<IoTensor> io_;
};

}  // namespace

std::unique_ptr<Engine> load_engine(const Symbols& symbols, const void* plan, std::size_t bytes) {
  return std::make_unique<ModuleEngine>(symbols, plan, bytes);
}

}  // namespace halfscope::trt
