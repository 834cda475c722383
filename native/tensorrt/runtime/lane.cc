#include "tensorrt/runtime/lane.h"

#include <algorithm>
#include <cstring>

namespace halfscope::trt {

/// Everything that belongs to one input or output.
struct Lane::Slot final : public OutputSink {
  const IoTensor* io = nullptr;
  cuda::DeviceBuffer device;
  /// Staging for copies; of tensors that hold sizes, the tensor itself.
  cuda::PinnedBuffer host;
  Dims dims{-1};
  std::size_t bytes = 0;
  void* bound = nullptr;
  /// Only the run tells its size.
  bool open = false;
  bool sunk = false;

  void* grow(const char*, std::size_t size) noexcept override {
    try {
      if (io->on_host) {
        host.reserve(size);
        return host.data();
      }
      device.reserve(size);
      return device.get();
    } catch (...) {
      return nullptr;
    }
  }
  void shape(const char*, const Dims& sizes) noexcept override {
    try {
      dims = sizes;
      bytes = is_open(sizes) ? 0 : element_count(sizes) * element_bytes(io->type);
    } catch (...) {
      bytes = 0;
    }
  }
};

namespace {

void require(bool done, const Failure& failure) {
  if (!done) raise(failure);
}

}  // namespace

Lane::Lane(Engine& engine, int profile) : engine_(engine) {
  Failure failure;
  context_ = engine.create_context(failure);
  if (!context_) raise(failure);
  require(context_->set_profile(profile, stream_.get(), failure), failure);
  stream_.wait();
  for (const auto& io : engine.io()) {
    auto slot = std::make_unique<Slot>();
    slot->io = &io;
    if (!io.input) outputs_.emplace(io.name, slots_.size());
    slots_.push_back(std::move(slot));
  }
}

Lane::~Lane() {
  try {
    cuda::use_device();
    stream_.wait();
  } catch (...) {
    // The device is gone; what is left is to give the memory back.
  }
}

void Lane::bind(Slot& slot, void* address) {
  if (slot.bound == address) return;
  Failure failure;
  require(context_->set_address(slot.io->name.c_str(), address, failure), failure);
  slot.bound = address;
}

void Lane::feed_input(Slot& slot, const FeedTensor& tensor) {
  const auto& io = *slot.io;
  const std::string name = "input \"" + io.name + "\"";
  if (tensor.type != io.type) {
    throw Error(ErrorCode::kFeed, name + " takes ONNX's type " + std::to_string(io.type) + ", found " + std::to_string(tensor.type));
  }
  const std::size_t bytes = element_count(tensor.dims) * element_bytes(io.type);
  if (bytes != tensor.bytes) {
    throw Error(ErrorCode::kFeed, name + " of shape " + shape_text(tensor.dims) + " needs " + std::to_string(bytes) + " bytes, found " + std::to_string(tensor.bytes));
  }
  slot.host.reserve(bytes);
  if (slot.dims != tensor.dims) {
    Failure failure;
    slot.dims = {-1};
    require(context_->set_input_shape(io.name.c_str(), tensor.dims, failure), failure);
    slot.dims = tensor.dims;
    slot.bytes = bytes;
    stale_ = true;
  }
  if (io.on_host) {
    if (slot.bound == nullptr || std::memcmp(slot.host.data(), tensor.data, bytes) != 0) stale_ = true;
    if (bytes > 0) std::memcpy(slot.host.data(), tensor.data, bytes);
    return bind(slot, slot.host.data());
  }
  slot.device.reserve(bytes);
  bind(slot, slot.device.get());
}

void Lane::fit_outputs() {
  Failure failure;
  require(context_->infer_shapes(failure), failure);
  for (auto& slot : slots_) {
    const auto& io = *slot->io;
    if (io.input) continue;
    const std::size_t width = element_bytes(io.type);
    if (width == 0) throw Error(ErrorCode::kEngineRun, "output \"" + io.name + "\" has a type that halfscope cannot read");
    slot->dims = context_->shape(io.name.c_str());
    slot->open = is_open(slot->dims);
    if (slot->open) {
      if (!slot->sunk) require(context_->set_output_sink(io.name.c_str(), slot.get(), failure), failure);
      slot->sunk = true;
      continue;
    }
    slot->bytes = element_count(slot->dims) * width;
    if (io.on_host) {
      slot->host.reserve(slot->bytes);
      bind(*slot, slot->host.data());
    } else if (!slot->sunk) {
      slot->device.reserve(slot->bytes);
      bind(*slot, slot->device.get());
    }
  }
  stale_ = false;
}

void Lane::prepare(const Feed& feed) {
  for (auto& slot : slots_) {
    if (!slot->io->input) continue;
    const auto found = std::find_if(feed.begin(), feed.end(), [&](const FeedTensor& t) { return t.name == slot->io->name; });
    if (found == feed.end()) throw Error(ErrorCode::kFeed, "input \"" + slot->io->name + "\" is not fed");
    feed_input(*slot, *found);
  }
  if (stale_) fit_outputs();
}

void Lane::launch(const Feed& feed, const cuda::Event* start, const cuda::Event* end) {
  for (auto& slot : slots_) {
    if (!slot->io->input || slot->io->on_host) continue;
    const auto found = std::find_if(feed.begin(), feed.end(), [&](const FeedTensor& t) { return t.name == slot->io->name; });
    if (slot->bytes > 0) std::memcpy(slot->host.data(), found->data, slot->bytes);
    cuda::copy_to_device(slot->device.address(), slot->host.data(), slot->bytes, stream_);
  }
  if (start != nullptr) start->record(stream_);
  Failure failure;
  require(context_->enqueue(stream_.get(), failure), failure);
  if (end != nullptr) end->record(stream_);
}

void Lane::finish(const std::vector<std::size_t>& outputs) {
  bool waited = false;
  for (const std::size_t index : outputs) {
    auto& slot = *slots_[index];
    if (slot.io->on_host) continue;
    if (slot.open && !waited) {
      stream_.wait();
      waited = true;
    }
    slot.host.reserve(slot.bytes);
    cuda::copy_to_host(slot.host.data(), slot.device.get(), slot.bytes, stream_);
  }
  stream_.wait();
}

HostTensor Lane::take(std::size_t index, const Target& target) const {
  const auto& slot = *slots_[index];
  if (is_open(slot.dims)) throw Error(ErrorCode::kEngineRun, "TensorRT did not tell the shape of output \"" + slot.io->name + "\"");
  const bool given = target.data != nullptr && target.bytes == slot.bytes;
  HostTensor tensor{slot.io->name, slot.io->type, slot.dims, Buffer(given ? 0 : slot.bytes), given};
  if (slot.bytes > 0) std::memcpy(given ? target.data : tensor.data.data(), slot.host.data(), slot.bytes);
  return tensor;
}

std::size_t Lane::find_output(const std::string& name) const {
  const auto found = outputs_.find(name);
  return found == outputs_.end() ? kNone : found->second;
}

Lane::Output Lane::output(std::size_t index) const {
  const auto& slot = *slots_[index];
  return {slot.io, slot.io->on_host ? slot.host.data() : slot.device.get(), slot.dims, slot.bytes, slot.io->on_host};
}

}  // namespace halfscope::trt
