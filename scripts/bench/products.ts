/**
 * What products that sum in FP16 cost beside ONNX Runtime's FP32 product. One session with one node, whose switch is at 0 (ONNX Runtime's own kernel) and
 * at the others in turn, so that both see the same machine and the same caches. Run after `npm run build`:
 *
 *     node scripts/dist/bench/products.js [TEXT: only shapes whose name holds it] [REPEATS, default 15]
 *
 * Prints, for 1 and 2 threads, the median time of ONNX Runtime's product and the others' ratio to it (smallest over smallest, and median of the ratios of
 * neighbours: pairs that ran one after the other), the fast model's cost with a weight that is rounded while it is packed, and the mean error of the fast model over that of the exact one.
 */
import { switchHalfSums, switchHalfSumsExact, switchOff, switchRound, switchTensorCoreSums, type TensorValue } from "@halfscope/core";
import { OrtSession, Random } from "@halfscope/engine";
import proto from "onnx-proto";
import { median } from "./timing.js";

const { onnx } = proto;
const { INT, INTS } = onnx.AttributeProto.AttributeType;

interface Shape {
  name: string;
  kind: 0 | 2;
  a: readonly number[];
  b: readonly number[];
  attributes?: Readonly<Record<string, readonly number[]>>;
}
const matmul = (name: string, a: readonly number[], b: readonly number[]): Shape => ({ name, kind: 0, a, b });
const conv = (name: string, a: readonly number[], b: readonly number[], pad: number, stride = 1): Shape => ({
  name,
  kind: 2,
  a,
  b,
  attributes: { pads: [pad, pad, pad, pad], strides: [stride, stride] },
});
const bert = (rows: number, batch: number, length: number): Shape[] => [
  matmul(`bert ${rows}x1024x1024`, [rows, 1024], [1024, 1024]),
  matmul(`bert ${rows}x1024x4096`, [rows, 1024], [1024, 4096]),
  matmul(`bert ${rows}x4096x1024`, [rows, 4096], [4096, 1024]),
  matmul(`bert ${batch}x${length}x64x${length}`, [batch, length, 64], [batch, 64, length]),
  matmul(`bert ${batch}x${length}x${length}x64`, [batch, length, length], [batch, length, 64]),
];
const shapes: Shape[] = [
  ...bert(128, 16, 128),
  ...bert(1536, 64, 384),
  conv("conv 3x3 64->64 at 56x56", [1, 64, 56, 56], [64, 64, 3, 3], 1),
  conv("conv 3x3 128->128 at 28x28", [1, 128, 28, 28], [128, 128, 3, 3], 1),
  conv("conv 3x3 256->256 at 14x14", [1, 256, 14, 14], [256, 256, 3, 3], 1),
  conv("conv 3x3 128->128 at 56x56, stride 2", [1, 128, 56, 56], [128, 128, 3, 3], 1, 2),
  conv("conv 1x1 256->64 at 56x56", [1, 256, 56, 56], [64, 256, 1, 1], 0),
];

const positions = { off: switchOff, fast: switchHalfSums, exact: switchHalfSumsExact, "tensor core": switchTensorCoreSums };
type Position = keyof typeof positions;

/** One Product, of which a single element is fetched: handing out the whole output would be timed too. */
function modelOf(shape: Shape): Uint8Array {
  const int = (name: string, i: number) => ({ name, type: INT, i });
  const info = (name: string, dims: readonly number[] | undefined) => ({
    name,
    type: { tensorType: { elemType: 1, ...(dims && { shape: { dim: dims.map((dimValue) => ({ dimValue })) } }) } },
  });
  return onnx.ModelProto.encode({
    irVersion: 7,
    opsetImport: [
      { domain: "", version: 13 },
      { domain: "halfscope", version: 1 },
    ],
    graph: {
      name: "product",
      input: [info("a", shape.a), info("b", shape.b)],
      output: [info("part", [1]), info("y", undefined)],
      initializer: [
        { name: "index", dims: [1], dataType: 7, int64Data: [0] },
        { name: "flat", dims: [1], dataType: 7, int64Data: [-1] },
      ],
      node: [
        {
          opType: "Product",
          domain: "halfscope",
          input: ["a", "b"],
          output: ["y"],
          attribute: [
            int("switch", 0),
            int("b_switch", 1),
            int("kind", shape.kind),
            int("opset", 13),
            ...Object.entries(shape.attributes ?? {}).map(([name, ints]) => ({ name, type: INTS, ints: [...ints] })),
          ],
        },
        { opType: "Reshape", input: ["y", "flat"], output: ["line"] },
        { opType: "Gather", input: ["line", "index"], output: ["part"] },
      ],
    },
  }).finish();
}

const random = new Random(7);
const tensor = (dims: readonly number[], scale: number): TensorValue => {
  const values = Float32Array.from({ length: dims.reduce((x, y) => x * y, 1) }, () => random.normal() * scale);
  // FP16 values: the upper 11 bits of the significand.
  const bits = new Uint32Array(values.buffer);
  bits.forEach((word, i) => {
    bits[i] = word & 0xffffe000;
  });
  return { dtype: "float32", dims, data: new Uint8Array(values.buffer) };
};
const valuesOf = (value: TensorValue | undefined): Float32Array => new Float32Array((value?.data ?? new Uint8Array()).slice().buffer);

async function measure(shape: Shape, threads: number, repeats: number): Promise<string> {
  await using session = await OrtSession.create({
    model: modelOf(shape),
    folder: "",
    threads,
    optimization: "disabled",
    prepacking: false,
    switchCount: 2,
    slotCount: 0,
  });
  const depth = shape.b.slice(shape.kind === 2 ? 1 : -2, shape.kind === 2 ? undefined : -1).reduce((x, y) => x * y, 1);
  session.setFeed("a", tensor(shape.a, 1));
  session.setFeed("b", tensor(shape.b, depth ** -0.5));
  const seconds = async (position: Position, rounded = switchOff) =>
    (await session.run({ switches: Uint8Array.of(positions[position], rounded), fetch: ["part"] })).seconds;
  const times: Record<Position | "rounded", number[]> = { off: [], fast: [], exact: [], "tensor core": [], rounded: [] };
  for (let i = -2; i < repeats; i++) {
    const [off, fast, rounded] = [await seconds("off"), await seconds("fast"), await seconds("fast", switchRound)];
    if (i < 0) continue;
    times.off.push(off);
    times.fast.push(fast);
    times.rounded.push(rounded);
  }
  for (let i = 0; i < 3; i++) for (const p of ["exact", "tensor core"] as const) times[p].push(await seconds(p));
  const output = async (position: Position) =>
    valuesOf((await session.run({ switches: Uint8Array.of(positions[position], 0), fetch: ["y"] })).outputs.get("y"));
  const [reference, fast, exact] = [await output("off"), await output("fast"), await output("exact")];
  const meanError = (values: Float32Array) => values.reduce((sum, v, i) => sum + Math.abs(v - (reference[i] ?? 0)), 0) / values.length;
  const least = (list: readonly number[]) => Math.min(...list);
  const ratio = (list: readonly number[]) => {
    const neighbours = median(list.map((t, i) => t / (times.off[i] ?? Number.NaN)));
    return `${(least(list) / least(times.off)).toFixed(2)} (${neighbours.toFixed(2)})`;
  };
  return [
    shape.name.padEnd(38),
    threads,
    `${(median(times.off) * 1e3).toFixed(3)} ms`.padStart(11),
    ratio(times.fast),
    ratio(times.rounded),
    (least(times.exact) / least(times.fast)).toFixed(1).padStart(6),
    (least(times["tensor core"]) / least(times.fast)).toFixed(1).padStart(6),
    (meanError(fast) / meanError(exact)).toFixed(3),
  ].join("  ");
}

const only = process.argv[2] ?? "";
const repeats = Number(process.argv[3] ?? 15);
console.log(
  "shape, threads, FP32 product, fast / FP32 (goal 1.2), with B rounded, exact / fast (goal 50), tensor core / fast, error fast / exact (goal 0.98 to 1.02)",
);
for (const shape of shapes.filter(({ name }) => name.includes(only))) {
  for (const threads of [1, 2]) console.log(await measure(shape, threads, repeats));
}
