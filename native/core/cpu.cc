#include "core/cpu.h"

#include <cstdlib>
#include <string>

#include "core/error.h"

namespace halfscope {
namespace {

InstructionSet choose() {
  const char* forced = std::getenv("HALFSCOPE_ISA");
  InstructionSet best = InstructionSet::kScalar;
  std::string available;
  for (const auto set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if ((set == InstructionSet::kAvx2 && !has_avx2()) || (set == InstructionSet::kAvx512 && !has_avx512())) continue;
    if (forced != nullptr && name_of(set) == std::string(forced)) return set;
    best = set;
    available += (available.empty() ? "" : ", ") + std::string(name_of(set));
  }
  if (forced == nullptr || *forced == '\0') return best;
  throw Error(ErrorCode::kBackendUnavailable, "HALFSCOPE_ISA is '" + std::string(forced) + "'; available here: " + available);
}

}  // namespace

bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

bool has_avx512() {
#if defined(__x86_64__)
  return has_avx2() && __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

InstructionSet instruction_set() {
  static const InstructionSet chosen = choose();
  return chosen;
}

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::kScalar: break;
    case InstructionSet::kAvx2: return "avx2";
    case InstructionSet::kAvx512: return "avx512";
  }
  return "scalar";
}

}  // namespace halfscope
