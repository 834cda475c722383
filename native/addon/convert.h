#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/error.h"
#include "metrics/error_stats.h"
#include "ort/session.h"

namespace halfscope::addon {

/// A JS Error with `code` set, as the TypeScript side expects it.
Napi::Error to_js(Napi::Env env, ErrorCode code, const std::string& message);

/// Copies the bytes of any typed array.
Buffer copy_bytes(const Napi::Value& value);
std::vector<std::string> to_strings(const Napi::Value& list);
std::vector<std::int64_t> to_dims(const Napi::Value& value);
ort::Tensor to_tensor(const Napi::Value& type, const Napi::Value& dims, const Napi::Value& data);
ort::SessionRequest to_session_request(const Napi::Object& options);

Napi::Value to_js(Napi::Env env, const std::vector<std::string>& list);
/// A Float64Array.
Napi::Value to_js(Napi::Env env, const std::vector<double>& values);
/// Hands the memory over to JS without a copy.
Napi::Value to_uint8_array(Napi::Env env, Buffer buffer);
/// The flat block that `statsFromBlock` of core reads.
Napi::Value to_block(Napi::Env env, const ErrorStats* stats, std::size_t count);
/// [{name, type, dims: (number | string | undefined)[]}]
Napi::Value to_io_list(Napi::Env env, const std::vector<ort::IoInfo>& list);
/// {type, dims, data}
Napi::Object to_js(Napi::Env env, ort::Tensor tensor);
Napi::Value to_js(Napi::Env env, ort::RunOutcome outcome);

}  // namespace halfscope::addon
