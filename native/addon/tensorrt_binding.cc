#include "addon/tensorrt_binding.h"

#include "addon/tensorrt_build.h"
#include "addon/tensorrt_engine.h"
#include "addon/tensorrt_library.h"
#include "addon/tensorrt_request.h"
#include "addon/tensorrt_task.h"

namespace halfscope::addon {

void define_tensorrt(Napi::Env env, Napi::Object exports, AddonData& data) {
  data.engine_constructor = Napi::Persistent(define_tensorrt_engine(env));
  data.request_constructor = Napi::Persistent(define_tensorrt_request(env));
  data.task_constructor = Napi::Persistent(define_tensorrt_task(env));
  exports.Set("tensorrtModules", Napi::Function::New<tensorrt_modules>(env));
  exports.Set("tensorrtLibrary", Napi::Function::New<tensorrt_library>(env));
  exports.Set("cudaDevice", Napi::Function::New<cuda_device>(env));
  exports.Set("cudaClocks", Napi::Function::New<cuda_clocks>(env));
  exports.Set("tensorrtTask", Napi::Function::New<tensorrt_task>(env));
  exports.Set("tensorrtDescribe", Napi::Function::New<tensorrt_describe>(env));
  exports.Set("tensorrtBuild", Napi::Function::New<tensorrt_build>(env));
  exports.Set("tensorrtMergeCaches", Napi::Function::New<tensorrt_merge_caches>(env));
  exports.Set("tensorrtLoad", Napi::Function::New<tensorrt_load>(env));
  exports.Set("tensorrtCompare", Napi::Function::New<tensorrt_compare>(env));
}

}  // namespace halfscope::addon
