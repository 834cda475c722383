#pragma once

namespace halfscope {

/// Which kernels run. kAvx2 means AVX2, F16C and FMA together.
enum class InstructionSet { kScalar, kAvx2 };

/// Chosen once per process: the best the processor has, or what HALFSCOPE_ISA (scalar, avx2) forces.
/// Throws Error (kBackendUnavailable) when the forced one is unknown or missing here.
InstructionSet instruction_set();

/// What the processor can do, whatever the environment says.
bool has_avx2();

const char* name_of(InstructionSet set);

}  // namespace halfscope
