// halfscope-opener.so: opens a library by its bare name, which the loader then looks for beside this file (RUNPATH $ORIGIN). See core/bare_names.h.

#include <dlfcn.h>

extern "C" __attribute__((visibility("default"))) void* halfscope_open(const char* name) {
  // dlopen looks up its caller by the return address: a tail call would make it this function's caller, with another search path.
  void* volatile library = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  return library;
}
