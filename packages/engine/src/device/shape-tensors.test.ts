import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { int64s, modelBytes, node, temporaryFolder } from "../../../../test/support/model-file.js";
import { shapeTensorsOf } from "./shape-tensors.js";

const folder = temporaryFolder();

describe("shapeTensorsOf", () => {
  it("finds inputs whose values end as a shape or a place, through arithmetic, and no others", async () => {
    const int64 = 7;
    const path = join(folder, "shapes.onnx");
    writeFileSync(
      path,
      modelBytes({
        inputs: [
          { name: "x", dims: ["n", 4] },
          { name: "shape", elementType: int64, dims: [2] },
          { name: "count", elementType: int64, dims: [] },
          { name: "ids", elementType: int64, dims: ["k"] },
          { name: "table", elementType: int64, dims: [2, 2] },
        ],
        outputs: [
          { name: "reshaped", dims: ["a", "b"] },
          { name: "tiled", dims: ["c"] },
          { name: "taken", dims: ["k", 4] },
          { name: "moved", elementType: int64, dims: [2, 2] },
        ],
        initializers: [int64s("axis", [1], [0]), int64s("two", [], [2])],
        nodes: [
          node("Reshape", ["x", "shape"], ["reshaped"]),
          node("Mul", ["count", "two"], ["twice"]),
          node("Unsqueeze", ["twice", "axis"], ["vector"]),
          node("Gather", ["x", "axis"], ["row"]),
          node("Squeeze", ["row", "axis"], ["flat"]),
          node("Tile", ["flat", "vector"], ["tiled"]),
          node("Gather", ["x", "ids"], ["taken"]),
          node("Identity", ["table"], ["moved"]),
        ],
      }),
    );
    expect([...shapeTensorsOf(viewGraph((await readModel(path)).graph))]).toEqual(["shape", "count"]);
  });
});
