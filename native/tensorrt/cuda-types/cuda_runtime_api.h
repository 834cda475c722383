#pragma once

// The two types of CUDA's runtime that TensorRT's headers name. In CUDA they are the driver's CUstream and CUevent too, and TensorRT takes those; so neither CUDA's
// headers nor its runtime library are needed.

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
