#include "addon/addon_data.h"

namespace halfscope::addon {
namespace {

template <class Work>
void keep_in(std::list<std::weak_ptr<Work>>& list, const std::shared_ptr<Work>& work) {
  list.remove_if([](const auto& weak) { return weak.expired(); });
  list.push_back(work);
}

template <class Work, class Stop>
void stop_all(const std::list<std::weak_ptr<Work>>& list, Stop stop) noexcept {
  for (const auto& weak : list) {
    if (const auto work = weak.lock()) stop(*work);
  }
}

}  // namespace

void AddonData::remember(const std::shared_ptr<ort::OrtSession>& session) { keep_in(sessions_, session); }
void AddonData::remember(const std::shared_ptr<ort::Cancellation>& request) { keep_in(requests_, request); }
void AddonData::remember(const std::shared_ptr<trt::Task>& task) { keep_in(tasks_, task); }

void AddonData::terminate_all() noexcept {
  stop_all(tasks_, [](trt::Task& task) { task.cancel(); });
  stop_all(requests_, [](ort::Cancellation& request) { request.cancel(); });
  stop_all(sessions_, [](ort::OrtSession& session) { session.terminate(); });
}

}  // namespace halfscope::addon
