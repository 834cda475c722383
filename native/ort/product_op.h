#pragma once

#include "ort/api.h"
#include "ort/session_state.h"

namespace halfscope::ort {

/// `halfscope.Product`, version 1, CPU: (A, B) or (A, B, C) in, one tensor out, all float. Stands where a MatMul, Gemm or Conv stood and lets a switch say how
/// it sums. Attributes, integers unless said:
///  - `switch` (-1): index into the session's switches; -1 is one that is always off. At run time: 0 runs ONNX Runtime's own kernel, which gives the bits that the replaced node gives in a
///    session without prepacking; 5 sums in FP16 (fast model), 6 in FP16 bit for bit as `chip` does, 7 in FP32 as `chip` does.
///  - `kind`: 0 MatMul, 1 Gemm, 2 Conv; `opset`: version of ONNX's operators that the model asks for; and that operator's attributes under their own names.
///  - `chunk` (16), `pieces` (1), `chip` (2): see products::SumOptions.
///  - `b_switch` (-1): index of a switch that, on (1 or 2), has B rounded to FP16 as it is read; B comes as it is for -1.
///    With sums off, a MatMul of a matrix B then runs a kernel of ours if that is found to give the bits of ONNX Runtime's (library_sums.h).
/// It has no shape function: the graph's value_info tells the output's shape.
struct ProductOp : CustomOp {
  ProductOp(SessionState& state, std::size_t threads);
  SessionState& state;
  std::size_t threads;  ///< of the session
};

}  // namespace halfscope::ort
