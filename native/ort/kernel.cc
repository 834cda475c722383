#include "ort/kernel.h"

namespace halfscope::ort {
namespace {

/// False, and nothing left behind, where the node lacks the attribute.
bool found(Status* status) {
  if (status == nullptr) return true;
  api().ReleaseStatus(status);
  return false;
}

}  // namespace

std::int64_t attribute(const KernelInfo* info, const char* name, std::int64_t otherwise) {
  std::int64_t value = 0;
  return found(api().KernelInfoGetAttribute_int64(info, name, &value)) ? value : otherwise;
}

float attribute(const KernelInfo* info, const char* name, float otherwise) {
  float value = 0;
  return found(api().KernelInfoGetAttribute_float(info, name, &value)) ? value : otherwise;
}

std::string attribute(const KernelInfo* info, const char* name, const char* otherwise) {
  std::size_t bytes = 0;  // with the final zero
  if (!found(api().KernelInfoGetAttribute_string(info, name, nullptr, &bytes)) || bytes == 0) return otherwise;
  std::string value(bytes, '\0');
  check(api().KernelInfoGetAttribute_string(info, name, value.data(), &bytes), ErrorCode::kEngineBuild);
  value.resize(bytes - 1);
  return value;
}

std::vector<std::int64_t> attribute_list(const KernelInfo* info, const char* name) {
  std::size_t count = 0;
  if (!found(api().KernelInfoGetAttributeArray_int64(info, name, nullptr, &count))) return {};
  std::vector<std::int64_t> values(count);
  if (count > 0) check(api().KernelInfoGetAttributeArray_int64(info, name, values.data(), &count), ErrorCode::kEngineBuild);
  return values;
}

}  // namespace halfscope::ort
