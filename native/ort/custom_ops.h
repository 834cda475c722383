#pragma once

#include "ort/api.h"
#include "ort/session_state.h"

namespace halfscope::ort {

/// `halfscope.Round`, version 1, CPU: one float tensor in, one out. Attributes: `switch` (index into the session's switches), `scalar` (1 when
/// the input has rank 0). The switch at run time: 0 passes the tensor on, 1 rounds it to FP16 (overflow to Infinity), 2 the same with finite
/// values kept finite; 3 and 4 the same for bfloat16.
struct RoundOp : CustomOp {
  explicit RoundOp(SessionState& state);
  SessionState& state;
};

/// `halfscope.Compare`, version 1, CPU: (reference, candidate), tensors of one type: FP32, FP64, FP16 or bfloat16; folds their ErrorStats into the
/// session's collector at attribute `slot`, after those of earlier executions. Different element counts cannot pass: all elements of the larger count as
/// not comparable. Its output, one float with the largest error, only makes it a leaf of the graph.
struct CompareOp : CustomOp {
  explicit CompareOp(SessionState& state);
  SessionState& state;
};

/// `halfscope.RoundCompare`, version 1, CPU: (reference, candidate), both FP32. Round and Compare in one, so that what is rounded is compared while it is in
/// the cache: the first output is the candidate rounded as Round does (attributes `switch` and `scalar`), the second what Compare gives (`slot`).
struct RoundCompareOp : CustomOp {
  explicit RoundCompareOp(SessionState& state);
  SessionState& state;
};

/// `halfscope.Differs`, version 1, CPU: (reference, candidate), integers or booleans of one type; folds a Decision into the session's collector at
/// attribute `slot`, which counts decisions apart from comparisons.
struct DiffersOp : CustomOp {
  explicit DiffersOp(SessionState& state);
  SessionState& state;
};

}  // namespace halfscope::ort
