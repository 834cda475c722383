// A libnvinfer_plugin: counts how often it was told to register its plugins (plugins_registered), and with whose logger.

#include <cstring>

namespace {
int registered = 0;
}

extern "C" __attribute__((visibility("default"))) bool initLibNvInferPlugins(void* logger, const char* space) {
  if (logger == nullptr || space == nullptr || std::strcmp(space, "") != 0) return false;
  registered++;
  return true;
}
extern "C" __attribute__((visibility("default"))) int plugins_registered() { return registered; }
