import { bytesPerElement, type FeedValue, InputError, isFloat, isTensorValue, numberFromDtype, type TensorValue } from "@halfscope/core";
import type { IoInfo } from "../../addon-session.js";
import { elementsOf, tensorOf } from "../../feeds/elements.js";
import type { Feed } from "../../feeds/feed.js";
import { isPlainTensor, valueModel } from "../../value-model.js";
import type { NativeFeed } from "./native-session.js";

/**
 * What a request hands in: a value for every input of the session. Inputs of an FP16 file that are themselves FP16 take the sample's FP32 values rounded, as a
 * person who serves that file must; everything else has to fit. Values for inputs that the session lacks are left out. Throws InputError ERR_FEED.
 */
export function nativeFeeds(feed: Pick<Feed, "tensors">, inputs: readonly IoInfo[]): NativeFeed[] {
  return inputs.flatMap((input): NativeFeed[] => {
    const value = feed.tensors.get(input.name);
    if (value === undefined) {
      if (input.dtype === "unknown") return []; // an optional may be absent
      throw new InputError("ERR_FEED", `The engine's input "${input.name}" (${input.dtype}) has no value.`, {
        hint: `The sample holds ${[...feed.tensors.keys()].join(", ") || "nothing"}.`,
      });
    }
    const { name } = input;
    const fitting = inTypeOf(value, input);
    if (isPlainTensor(fitting)) return [{ name, type: numberFromDtype(fitting.dtype), dims: fitting.dims, data: fitting.data }];
    const model = valueModel(fitting);
    return model === undefined ? [] : [{ name, model }];
  });
}

function inTypeOf(value: FeedValue, { dtype }: IoInfo): FeedValue {
  if (!isTensorValue(value) || value.dtype === dtype || !isFloat(value.dtype) || !isFloat(dtype)) return value;
  const elements = elementsOf(value);
  return elements === undefined || bytesPerElement(dtype) === undefined
    ? value
    : (tensorOf(dtype, value.dims, elements) satisfies TensorValue);
}
