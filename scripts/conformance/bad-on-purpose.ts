/** Models of the shared collection that must be refused, at which step, with which error. Everything else that we refuse is a failure. */
import type { StepName } from "./record.js";

export interface ExpectedRefusal {
  step: StepName;
  code: string;
  words: RegExp;
}

const absentWeights: ExpectedRefusal = { step: "load", code: "ERR_MODEL_EXTERNAL_DATA", words: /does not exist/ };

const refusals: Readonly<Record<string, ExpectedRefusal>> = {
  "corrupt-text": { step: "read", code: "ERR_MODEL_PARSE", words: /is not an ONNX model/ },
  "lfs-pointer": { step: "read", code: "ERR_MODEL_PARSE", words: /Git LFS pointer/ },
  "ext-data-path-traversal": { step: "read", code: "ERR_MODEL_EXTERNAL_DATA", words: /external data at "[^"]*", which/ },
  "silero-op18-missing-extdata": absentWeights,
  "bert-large-eager-torchscript-op17": absentWeights,
  "bert-large-eager-dynamo-op18": absentWeights,
  "bert-large-sdpa-torchscript-op17": absentWeights,
  "bert-large-sdpa-dynamo-op18": absentWeights,
  "bert-large-sdpa-dynamo-op23": absentWeights,
  "stripped-initializers-resnet18": { step: "load", code: "ERR_MODEL_PARSE", words: /"conv1.weight" holds 0 bytes/ },
  "opset-314159": { step: "load", code: "ERR_ENGINE_BUILD", words: /Opset 314159/ },
  "bert-squad-op10-scalar-concat": { step: "load", code: "ERR_ENGINE_BUILD", words: /All inputs to Concat must have same rank/ },
  // It adds an infinity to its input: there is nothing to compare with.
  "polygraphy-add-infinity": { step: "isolated", code: "ERR_REFERENCE_NOT_FINITE", words: /output "B" has 0 NaN and 1 Inf/ },
};

export const expectedRefusal = (collection: string, id: string): ExpectedRefusal | undefined =>
  collection === "shared" && Object.hasOwn(refusals, id) ? refusals[id] : undefined;
