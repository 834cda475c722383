import { byteLength, elementCount, isTensorValue } from "@halfscope/core";
import type { Feed } from "../../feeds/feed.js";
import type { DeviceEngine } from "../backend.js";
import type { Markable } from "../marking-groups.js";

/** What outputs will take on this sample: open sizes that an input names too are the sample's, others stay unknown. */
export function outputBytes(
  engine: Pick<DeviceEngine, "inputs" | "outputs">,
  feed: Pick<Feed, "tensors">,
  names: readonly string[],
): Markable[] {
  const sizes = new Map<string, number>();
  for (const input of engine.inputs) {
    const value = feed.tensors.get(input.name);
    if (value === undefined || !isTensorValue(value)) continue;
    input.dims.forEach((dim, axis) => {
      const size = value.dims[axis];
      if (typeof dim === "string" && size !== undefined) sizes.set(dim, size);
    });
  }
  const outputs = new Map(engine.outputs.map((o) => [o.name, o]));
  return names.map((tensor) => {
    const output = outputs.get(tensor);
    // Rank 0 stands for a scalar and for a shape that could not be inferred alike.
    const dims = output?.dims.map((dim) => (typeof dim === "string" ? sizes.get(dim) : dim)) ?? [];
    const known = dims.length > 0 && dims.every((d) => d !== undefined);
    return { tensor, bytes: known && output !== undefined ? byteLength(output.dtype, elementCount(dims)) : undefined };
  });
}
