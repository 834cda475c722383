#include "addon/tensorrt_task.h"

#include "addon/addon_data.h"
#include "addon/promise_worker.h"

namespace halfscope::addon {
namespace {

class TaskWrap : public Napi::ObjectWrap<TaskWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeTask", {InstanceMethod<&TaskWrap::cancel>("cancel"), InstanceMethod<&TaskWrap::phases>("phases"),
                                           InstanceMethod<&TaskWrap::count>("count")});
  }
  explicit TaskWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TaskWrap>(info), task(remembered(info.Env())) {}

  const std::shared_ptr<trt::Task> task;

 private:
  static std::shared_ptr<trt::Task> remembered(Napi::Env env) {
    return translate(env, [&] {
      auto made = std::make_shared<trt::Task>();
      data_of(env).remember(made);
      return made;
    });
  }
  void cancel(const Napi::CallbackInfo&) { task->cancel(); }
  Napi::Value count(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(task->count().load())); }
  Napi::Value phases(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      auto list = Napi::Array::New(info.Env());
      for (const auto& phase : task->phases()) {
        auto entry = Napi::Object::New(info.Env());
        entry.Set("name", phase.name);
        entry.Set("steps", phase.steps);
        entry.Set("done", phase.done);
        list.Set(list.Length(), entry);
      }
      return list;
    });
  }
};

}  // namespace

Napi::Function define_tensorrt_task(Napi::Env env) { return TaskWrap::define(env); }
Napi::Value tensorrt_task(const Napi::CallbackInfo& info) { return data_of(info.Env()).task_constructor.New({}); }
std::shared_ptr<trt::Task> task_of(const Napi::Value& value) { return TaskWrap::Unwrap(value.As<Napi::Object>())->task; }

}  // namespace halfscope::addon
