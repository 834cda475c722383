#include "addon/metrics_binding.h"

#include <algorithm>
#include <vector>

#include "addon/convert.h"
#include "addon/promise_worker.h"
#include "core/bfloat.h"
#include "core/half.h"
#include "core/rounding.h"
#include "metrics/parallel.h"

namespace halfscope::addon {
namespace {

constexpr std::size_t kPart = std::size_t{1} << 18;

struct Span {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
};

Span span_of(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::vector<Napi::ObjectReference> keep_all(const Napi::CallbackInfo& info, std::size_t count) {
  std::vector<Napi::ObjectReference> kept;
  for (std::size_t i = 0; i < count; i++) kept.push_back(keep(info[i]));
  return kept;
}

/// Values of two bytes, and what became of the floats.
struct Narrowed {
  Buffer data;
  LossCounts counts;
};

/// convertTo...(floats, finite): Promise<{FIELD: Uint8Array, overflowed, flushed, subnormal, nan, inf}>
Napi::Value narrow(const Napi::CallbackInfo& info, NarrowType type, const char* field) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const Span source = span_of(info[0]);
    const Overflow overflow = info[1].As<Napi::Boolean>().Value() ? Overflow::kToLargestFinite : Overflow::kToInfinity;
    const auto work = [=] {
      const std::size_t count = source.size / 4;
      const std::size_t parts = (count + kPart - 1) / kPart;
      Narrowed result{Buffer(count * 2), {}};
      std::vector<LossCounts> counts(parts);
      parallel_for(parts, default_threads(), [&](std::size_t part) {
        const std::size_t from = part * kPart;
        const std::size_t length = std::min(kPart, count - from);
        const unsigned char* floats = source.data + from * 4;
        unsigned char* to = result.data.data() + from * 2;
        counts[part] = type == NarrowType::kHalf ? count_half_losses(floats, length) : count_bfloat_losses(floats, length);
        if (type == NarrowType::kHalf) float_to_half(floats, to, length, overflow);
        else float_to_bfloat(floats, to, length, overflow);
      });
      for (const auto& c : counts) {
        result.counts.overflowed += c.overflowed;
        result.counts.flushed += c.flushed;
        result.counts.subnormal += c.subnormal;
        result.counts.nan += c.nan;
        result.counts.inf += c.inf;
      }
      return result;
    };
    const auto convert = [field](Napi::Env env, Narrowed narrowed) -> Napi::Value {
      auto result = Napi::Object::New(env);
      result.Set(field, to_uint8_array(env, std::move(narrowed.data)));
      result.Set("overflowed", static_cast<double>(narrowed.counts.overflowed));
      result.Set("flushed", static_cast<double>(narrowed.counts.flushed));
      result.Set("subnormal", static_cast<double>(narrowed.counts.subnormal));
      result.Set("nan", static_cast<double>(narrowed.counts.nan));
      result.Set("inf", static_cast<double>(narrowed.counts.inf));
      return result;
    };
    return PromiseWorker<Narrowed>::start(info.Env(), work, convert, keep_all(info, 1));
  });
}

/// By number in TensorProto.DataType; float32 where none is given. The typed face lets no others through.
FloatType to_float_type(const Napi::Value& number) {
  switch (number.IsNumber() ? number.As<Napi::Number>().Int32Value() : 0) {
    case ort::kElementHalf: return FloatType::kHalf;
    case ort::kElementBfloat: return FloatType::kBfloat;
    case ort::kElementDouble: return FloatType::kDouble;
    default: return FloatType::kFloat;
  }
}

}  // namespace

Napi::Value compare_tensors(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const Span reference = span_of(info[0]);
    const Span candidate = span_of(info[1]);
    const FloatType reference_type = to_float_type(info[2]), candidate_type = to_float_type(info[3]);
    const std::size_t count = std::min(reference.size / bytes_of(reference_type), candidate.size / bytes_of(candidate_type));
    return PromiseWorker<ErrorStats>::start(
        info.Env(),
        [=] { return halfscope::compare_tensors({reference_type, reference.data}, {candidate_type, candidate.data}, count, default_threads()); },
        [](Napi::Env env, ErrorStats stats) { return to_block(env, &stats, 1); }, keep_all(info, 2));
  });
}

Napi::Value convert_to_half(const Napi::CallbackInfo& info) { return narrow(info, NarrowType::kHalf, "half"); }
Napi::Value convert_to_bfloat(const Napi::CallbackInfo& info) { return narrow(info, NarrowType::kBfloat, "bfloat16"); }

Napi::Value convert_from_half(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const Span source = span_of(info[0]);
    const auto work = [=] {
      const std::size_t count = source.size / 2;
      Buffer floats(count * 4);
      parallel_for((count + kPart - 1) / kPart, default_threads(), [&](std::size_t part) {
        const std::size_t from = part * kPart;
        half_to_float(source.data + from * 2, floats.data() + from * 4, std::min(kPart, count - from));
      });
      return floats;
    };
    return PromiseWorker<Buffer>::start(
        info.Env(), work, [](Napi::Env env, Buffer floats) { return to_uint8_array(env, std::move(floats)); }, keep_all(info, 1));
  });
}

}  // namespace halfscope::addon
