#pragma once

#include "tensorrt/face.h"
#include "tensorrt/module/headers.h"

namespace halfscope::trt {

/// Types of layers of a weakly typed network: what `pins` and `prefer_half` ask for; fills `pins_not_found`. After mark(): only outputs have types of their own.
void set_types(nvinfer1::INetworkDefinition& network, const BuildRequest& request, BuildOutcome& outcome);

}  // namespace halfscope::trt
