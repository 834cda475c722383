#pragma once

namespace halfscope {

/// Which kernels run, each set with all before it. kAvx2 means AVX2, F16C and FMA together, kAvx512 the foundation of AVX-512; where that has no kernel of its
/// own, AVX2's runs.
enum class InstructionSet { kScalar, kAvx2, kAvx512 };

/// Chosen once per process: the best the processor has, or what HALFSCOPE_ISA (scalar, avx2, avx512) forces.
/// Throws Error (kBackendUnavailable) when the forced one is unknown or missing here.
InstructionSet instruction_set();

/// What the processor can do, whatever the environment says.
bool has_avx2();
bool has_avx512();

const char* name_of(InstructionSet set);

}  // namespace halfscope
