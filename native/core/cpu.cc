#include "core/cpu.h"

#include <cstdlib>
#include <string>

#include "core/error.h"

namespace halfscope {
namespace {

InstructionSet choose() {
  const char* forced = std::getenv("HALFSCOPE_ISA");
  if (forced == nullptr || *forced == '\0') return has_avx2() ? InstructionSet::kAvx2 : InstructionSet::kScalar;
  const std::string wanted = forced;
  if (wanted == "scalar") return InstructionSet::kScalar;
  if (wanted == "avx2" && has_avx2()) return InstructionSet::kAvx2;
  throw Error(ErrorCode::kBackendUnavailable, "HALFSCOPE_ISA is '" + wanted + "'; available here: scalar" + (has_avx2() ? ", avx2" : ""));
}

}  // namespace

bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

InstructionSet instruction_set() {
  static const InstructionSet chosen = choose();
  return chosen;
}

const char* name_of(InstructionSet set) { return set == InstructionSet::kAvx2 ? "avx2" : "scalar"; }

}  // namespace halfscope
