#pragma once

#include <napi.h>

namespace halfscope::addon {

// Each reads its Uint8Arrays on another thread, without a copy: the caller leaves them alone until the promise settles.

/// compareTensors(reference: Uint8Array, candidate: Uint8Array, their element types): Promise<Float64Array>, one block of statistics
Napi::Value compare_tensors(const Napi::CallbackInfo& info);
/// convertToHalf(floats: Uint8Array, finite: boolean): Promise<{half: Uint8Array, overflowed, flushed, subnormal, nan, inf}>
Napi::Value convert_to_half(const Napi::CallbackInfo& info);
/// convertToBfloat16(floats: Uint8Array, finite: boolean): Promise<{bfloat16: Uint8Array, overflowed, flushed, subnormal, nan, inf}>
Napi::Value convert_to_bfloat(const Napi::CallbackInfo& info);
/// convertFromHalf(halves: Uint8Array): Promise<Uint8Array>
Napi::Value convert_from_half(const Napi::CallbackInfo& info);

}  // namespace halfscope::addon
