import { bytesPerElement, type DType, dtypeFromNumber, InputError, isFloat, isTensorValue, type TensorValue } from "@halfscope/core";
import { elementsOf, isInteger, tensorOf } from "../../feeds/elements.js";
import type { Feed } from "../../feeds/feed.js";
import type { NativeEngineIo, NativeFeedTensor } from "./native.js";

/**
 * A value for every input of an engine, in the engine's types. Floats are rounded where the engine's input is narrower; integers are narrowed where all values
 * fit, because TensorRT 8 has no 64-bit ones. Values for inputs that the engine lacks are left out. Throws InputError ERR_FEED.
 */
export function engineFeed(feed: Pick<Feed, "tensors">, io: readonly NativeEngineIo[]): NativeFeedTensor[] {
  return io
    .filter((i) => i.input)
    .map(({ name, type }) => {
      const value = feed.tensors.get(name);
      if (value === undefined)
        throw new InputError("ERR_FEED", `The engine's input "${name}" has no value.`, {
          hint: `The sample holds ${[...feed.tensors.keys()].join(", ") || "nothing"}.`,
        });
      if (!isTensorValue(value)) throw new InputError("ERR_FEED", `The engine's input "${name}" takes a tensor, found ${value.kind}.`);
      const { dims, data } = inType(value, dtypeFromNumber(type), name);
      return { name, type, dims, data };
    });
}

function inType(value: TensorValue, wanted: DType, name: string): TensorValue {
  if (value.dtype === wanted) return value;
  const alike = (isFloat(value.dtype) && isFloat(wanted)) || (isInteger(value.dtype) && isInteger(wanted));
  const elements = alike && bytesPerElement(wanted) !== undefined ? elementsOf(value) : undefined;
  if (elements === undefined)
    throw new InputError("ERR_FEED", `The engine's input "${name}" takes ${wanted}, found ${value.dtype}.`, {
      hint: "Feed values of the type that the engine's input has.",
    });
  if (wanted !== "int32" || isFloat(wanted)) return tensorOf(wanted, value.dims, elements);
  for (const element of elements) {
    if (element >= -(2 ** 31) && element < 2 ** 31) continue;
    throw new InputError("ERR_FEED", `The engine's input "${name}" takes int32, and ${element} is beyond it.`, {
      hint: "TensorRT 8 has no 64-bit integers; feed smaller values, or use TensorRT 10.",
    });
  }
  return tensorOf(wanted, value.dims, elements);
}
