#include "addon/session_wrap.h"

#include "addon/addon_data.h"
#include "addon/convert.h"
#include "addon/promise_worker.h"

namespace halfscope::addon {

using ort::OrtSession;
using SharedSession = std::shared_ptr<OrtSession>;

Napi::Function SessionWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeSession",
                     {
                         InstanceMethod<&SessionWrap::inputs>("inputs"),
                         InstanceMethod<&SessionWrap::outputs>("outputs"),
                         InstanceMethod<&SessionWrap::set_feed>("setFeed"),
                         InstanceMethod<&SessionWrap::set_made_feed>("setMadeFeed"),
                         InstanceMethod<&SessionWrap::clear_feed>("clearFeed"),
                         InstanceMethod<&SessionWrap::set_reference>("setReference"),
                         InstanceMethod<&SessionWrap::run>("run"),
                         InstanceMethod<&SessionWrap::terminate>("terminate"),
                         InstanceMethod<&SessionWrap::compares_done>("comparesDone"),
                         InstanceMethod<&SessionWrap::dispose>("dispose"),
                     });
}

Napi::Value SessionWrap::create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    auto request = std::make_shared<ort::SessionRequest>(to_session_request(info[0].As<Napi::Object>()));
    return PromiseWorker<SharedSession>::start(
        env, [request] { return std::make_shared<OrtSession>(std::move(*request)); },
        [](Napi::Env e, SharedSession session) -> Napi::Value {
          data_of(e).remember(session);
          return SharedHandle<OrtSession>::make(e, data_of(e).session_constructor, std::move(session));
        });
  });
}

SessionWrap::SessionWrap(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SessionWrap>(info), session_(info, "sessions are made by create()", "The session has been disposed.") {}

Napi::Value SessionWrap::inputs(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    return to_io_list(info.Env(), session_.live(info.Env())->inputs());
  });
}
Napi::Value SessionWrap::outputs(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    return to_io_list(info.Env(), session_.live(info.Env())->outputs());
  });
}

void SessionWrap::set_feed(const Napi::CallbackInfo& info) {
  const auto session = session_.live(info.Env());
  translate(info.Env(), [&] { session->set_feed(info[0].As<Napi::String>().Utf8Value(), to_tensor(info[1], info[2], info[3])); });
}

/// setMadeFeed(name: string, model: Uint8Array)
void SessionWrap::set_made_feed(const Napi::CallbackInfo& info) {
  const auto session = session_.live(info.Env());
  translate(info.Env(), [&] { session->set_made_feed(info[0].As<Napi::String>().Utf8Value(), copy_bytes(info[1])); });
}

void SessionWrap::clear_feed(const Napi::CallbackInfo& info) {
  const auto session = session_.live(info.Env());
  translate(info.Env(), [&] { session->clear_feed(info[0].As<Napi::String>().Utf8Value()); });
}

void SessionWrap::set_reference(const Napi::CallbackInfo& info) {
  const auto session = session_.live(info.Env());
  translate(info.Env(), [&] { session->set_reference(info[0].As<Napi::String>().Utf8Value(), to_tensor(info[1], info[2], info[3])); });
}

/// run(switches: Uint8Array | undefined, fetch: string[], compareOutputs: boolean)
Napi::Value SessionWrap::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto session = session_.live(env);
  return translate(env, [&]() -> Napi::Value {
    ort::RunRequest request;
    if (info[0].IsTypedArray()) {
      const auto switches = info[0].As<Napi::Uint8Array>();
      request.switches.assign(switches.Data(), switches.Data() + switches.ElementLength());
    }
    request.fetch = to_strings(info[1]);
    request.compare_outputs = info[2].As<Napi::Boolean>().Value();
    if (!session->claim()) throw Error(ErrorCode::kEngineRun, "A run of this session is under way; wait for it, or use a second session.");
    return PromiseWorker<ort::RunOutcome>::start(
        env,
        [session = std::move(session), request = std::move(request)]() mutable {
          struct Unclaim {
            SharedSession& session;
            ~Unclaim() {
              session->unclaim();
              session.reset();  // if it was disposed meanwhile, its memory goes here and not on the JS thread
            }
          } unclaim{session};
          return session->run(request);
        },
        [](Napi::Env e, ort::RunOutcome outcome) { return to_js(e, std::move(outcome)); });
  });
}

void SessionWrap::terminate(const Napi::CallbackInfo&) {
  if (const auto& session = session_.get()) session->terminate();
}

Napi::Value SessionWrap::compares_done(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(session_.live(info.Env())->compares_done()));
}

Napi::Value SessionWrap::dispose(const Napi::CallbackInfo& info) { return session_.dispose(info.Env()); }

}  // namespace halfscope::addon
