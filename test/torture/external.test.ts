/** Gigabytes of weights in many files are located, checked and mapped, never read whole. The files are holes: they need no disk. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { silentProgress } from "@halfscope/core";
import { checkExternalData, listLayers, readModel, rewriteModel, viewGraph } from "@halfscope/onnx";
import { applyPlan } from "halfscope";
import { describe, expect, it } from "vitest";
import { difference } from "../support/bench.js";
import { temporaryFolder } from "../support/model-file.js";
import { ropeBytes } from "../support/rope-bytes.js";
import { type Extra, elementType, external, float, int64, int64s, model, node, tensor } from "./build.js";
import { applied, candidateOutputs, feedOf, measured, open, planOf, referenceOutputs, untouched } from "./run.js";
import { bytesOf, floatValue, intValue, noise, type Torture } from "./torture.js";

const folder = temporaryFolder();
const width = 32;

/** A file of this size that is a hole except for what is put into it. */
class HollowFile {
  private readonly descriptor: number;
  constructor(
    readonly name: string,
    size: number,
  ) {
    this.descriptor = openSync(join(folder, name), "w");
    ftruncateSync(this.descriptor, size);
  }
  put(offset: number, values: readonly number[]): void {
    const bytes = bytesOf(Float32Array.from(values));
    writeSync(this.descriptor, bytes, 0, bytes.length, offset);
  }
  close(): void {
    closeSync(this.descriptor);
  }
}

/**
 * Tables in so many files, two of them in each beside a square matrix, all at odd offsets. Of each table one row is read, near its end; the rows are
 * multiplied by the matrices one after the other.
 */
function tables(prefix: string, files: number, rows: number): Torture & { path: string; bytesOfTables: number } {
  const length = rows * width * 4;
  const matrixBytes = width * width * 4;
  const initializers: Uint8Array[] = [];
  const nodes: Uint8Array[] = [];
  let last = "x";
  const at = (row: number, offset: number) => offset + row * width * 4;
  for (let k = 0; k < files; k++) {
    const [first, matrix, second] = [3 + k, 3 + k + length + 7, 3 + k + length + 7 + matrixBytes + 1];
    const file = new HollowFile(`${prefix}-${k}.bin`, second + length + 5);
    const row = rows - 1 - k;
    file.put(at(row, first), noise(width, 200 + k));
    file.put(at(rows - 1, second), noise(width, 300 + k));
    file.put(
      matrix,
      noise(width * width, 400 + k).map((v) => v / 4),
    );
    file.close();
    const add = (name: string, dims: readonly number[], where: Extra) => initializers.push(tensor(name, elementType.float, dims, where));
    add(`a${k}`, [rows, width], external(file.name, first, length));
    add(`m${k}`, [width, width], external(file.name, matrix, matrixBytes));
    add(`b${k}`, [rows, width], external(file.name, second, length));
    initializers.push(int64s(`row${k}`, [1], [row]));
    nodes.push(
      node("Gather", [`a${k}`, `row${k}`], [`ra${k}`], { axis: 0 }),
      node("Add", [`ra${k}`, last], [`s${k}`]),
      node("MatMul", [`s${k}`, `m${k}`], [`p${k}`]),
      node("Gather", [`b${k}`, "which"], [`rb${k}`], { axis: 0 }),
      node("Mul", [`rb${k}`, `p${k}`], [`q${k}`]),
      node("Tanh", [`q${k}`], [`t${k}`]),
    );
    last = `t${k}`;
  }
  const bytes = model({
    inputs: [float("x", [1, width]), int64("which", [1])],
    outputs: [float("out", [1, width])],
    nodes: [...nodes, node("Identity", [last], ["out"])],
    initializers,
  });
  const path = join(folder, `${prefix}.onnx`);
  writeFileSync(path, bytes);
  const feed = { x: floatValue([1, width], noise(width, 199)), which: intValue([1], [rows - 1]) };
  return { bytes, feed, path, bytesOfTables: 2 * files * length };
}

describe("3 GB in twelve files, at odd offsets, several tensors in each", () => {
  const large = tables("large", 12, 1_000_000);

  it("is read, written back and listed without reading the weights", async () => {
    expect(large.bytesOfTables).toBeGreaterThan(3e9);
    const start = performance.now();
    const read = await readModel(large.path);
    checkExternalData(read);
    expect(listLayers(read, viewGraph(read.graph)).flatMap((l) => l.nodes)).toHaveLength(read.graph.nodes.length);
    expect(await ropeBytes(rewriteModel(read))).toEqual(readFileSync(large.path));
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it("gives the bits of the untouched file as reference, and is measured in both modes within little memory", async () => {
    const own = await open(large.path, feedOf(large.feed));
    expect(difference(await referenceOutputs(own), await untouched(large.path, own.feed))).toBeUndefined();
    const before = process.memoryUsage().rss;
    for (const mode of ["accumulated", "isolated"] as const) {
      const { tensors, coverage } = await measured(own, planOf(own, 0, "overflow"), mode);
      expect(tensors).toHaveLength(coverage.compared);
      // Tables are rounded as the rows that are gathered from them.
      expect(tensors.find((t) => t.tensor === "ra3")?.stats.maxAbs).toBeGreaterThan(0);
      expect(tensors.find((t) => t.tensor === "p11")?.stats.maxAbs).toBeGreaterThan(0);
    }
    const [half, mixed] = await candidateOutputs(own, [planOf(own, 0, "finite"), planOf(own, 0.5, "finite", 9)]);
    expect(difference(half!, mixed!)).toBeDefined();
    expect(process.memoryUsage().rss - before).toBeLessThan(1e9);
  });

  it("is refused, naming the tensor, when one of the files is cut", async () => {
    const descriptor = openSync(join(folder, "large-7.bin"), "r+");
    const read = await readModel(large.path);
    const size = Number(
      read.graph.initializers
        .filter((i) => i.name === "b7")
        .map((i) => (i.data.kind === "file" ? i.data.span.offset + i.data.span.length : 0))[0],
    );
    ftruncateSync(descriptor, size - 1);
    expect(() => checkExternalData(read)).toThrowError(/"b7".*large-7\.bin/);
    ftruncateSync(descriptor, size);
    closeSync(descriptor);
    expect(() => checkExternalData(read)).not.toThrow();
  });
});

describe("a model like it, small enough to be written anew", () => {
  const small = tables("small", 3, 40);

  it("is applied: the file beside the model is left alone, the mixed one loads and has the candidate's bits", async () => {
    const own = await open(small.path, feedOf(small.feed));
    const before = readFileSync(join(folder, "small-1.bin"));
    const plans = [planOf(own, 0, "finite"), planOf(own, 0.4, "overflow", 3), planOf(own, 1, "finite")];
    const expected = await candidateOutputs(own, plans);
    for (const [i, plan] of plans.entries())
      expect(difference((await applied(own, plan, join(folder, `small-mixed-${i}.onnx`))).emulated, expected[i]!)).toBeUndefined();
    expect(readFileSync(join(folder, "small-1.bin"))).toEqual(before);
    await expect(applyPlan(own.subject, plans[0]!, join(folder, "small-1.bin"), { progress: silentProgress })).rejects.toMatchObject({
      code: "ERR_OPTION",
    });
  });
});
