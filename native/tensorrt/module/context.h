#pragma once

#include <memory>

#include "tensorrt/face.h"
#include "tensorrt/module/log.h"

namespace halfscope::trt {

/// Owns what it was made of. `engine` stays alive as long as the context, as its owner sees to.
std::unique_ptr<Context> wrap_context(std::unique_ptr<nvinfer1::IExecutionContext> context, std::shared_ptr<nvinfer1::ICudaEngine> engine,
                                      std::shared_ptr<Messages> messages, int library_version);

}  // namespace halfscope::trt
