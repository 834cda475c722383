import { UsageError } from "@halfscope/core";
import type { Dimension, GraphView } from "@halfscope/onnx";
import { dimsText, type FeedInput } from "./feed.js";
import { closest } from "./feed-errors.js";
import { type InputRole, namesBatch, wordsOf } from "./input-roles.js";
import { constantDims } from "./trace-ids.js";

export interface ShapeOptions {
  /** Sizes by symbol, or by `input:axis`. */
  dims?: Readonly<Record<string, number>> | undefined;
  /** Whole shapes by input. */
  shapes?: Readonly<Record<string, readonly number[]>> | undefined;
  /** Default 1. */
  batch?: number | undefined;
  /** Default 128, or what the position table allows. */
  sequence?: number | undefined;
}

const defaultSequence = 128;
const imageSide = 224;
/** One second at 16 kHz; streaming networks, which take their state back, get one frame of 32 ms. */
const waveformSamples = 16_000;
const streamingSamples = 512;
const unknownSize = 16;
/** Tables this small hold segments, also where no input indexes them. */
const smallestPositionTable = 4;

/**
 * A concrete shape for every input. A symbol has the same size everywhere. Sizes come from `shapes`, then `dims`, then the model, then
 * from what the dimension seems to be. Errors: ERR_OPTION for names that are none, and for sizes that contradict the model or each other.
 */
export function resolveShapes(
  view: GraphView,
  inputs: readonly FeedInput[],
  roles: ReadonlyMap<string, InputRole>,
  options: ShapeOptions = {},
): Map<string, number[]> {
  const symbols = new Map<string, number>();
  const byAxis = new Map<string, number>();
  readOptions(inputs, options, symbols, byAxis);
  const sequence = Math.min(
    options.sequence ?? defaultSequence,
    options.sequence === undefined ? longestSequence(view, roles) : Number.POSITIVE_INFINITY,
  );
  const guess = { batch: options.batch ?? 1, sequence, streaming: [...roles.values()].some((role) => role.kind === "state") };

  const symbolSize = (symbol: string, input: FeedInput, axis: number): number => {
    const known = symbols.get(symbol);
    if (known !== undefined) return known;
    const terms = symbol.split("+").map((term) => term.trim());
    // "past_sequence_length + 1", as exporters write the length of a mask.
    const size =
      terms.length > 1
        ? terms.reduce((sum, term) => sum + (/^\d+$/.test(term) ? Number(term) : symbolSize(term, input, axis)), 0)
        : guessSize(symbol, input, roles.get(input.name)!, axis, guess);
    symbols.set(symbol, size);
    return size;
  };
  const shapes = new Map<string, number[]>();
  for (const input of inputs) {
    const given = options.shapes?.[input.name];
    if (input.dims === undefined && given === undefined)
      throw new UsageError("ERR_OPTION", `The model gives no shape for its input "${input.name}".`, {
        hint: `Give one, for instance --shape ${input.name}=1x128.`,
      });
    shapes.set(
      input.name,
      given !== undefined
        ? [...given]
        : input.dims!.map(
            (d, axis) =>
              d.size ??
              byAxis.get(`${input.name}:${axis}`) ??
              (d.symbol === undefined ? guessSize("", input, roles.get(input.name)!, axis, guess) : symbolSize(d.symbol, input, axis)),
          ),
    );
  }
  return shapes;
}

/** Takes over what the person fixed, and checks it against the model. */
function readOptions(inputs: readonly FeedInput[], options: ShapeOptions, symbols: Map<string, number>, byAxis: Map<string, number>): void {
  const fix = (symbol: string, size: number, from: string): void => {
    const before = symbols.get(symbol);
    if (before !== undefined && before !== size)
      throw new UsageError("ERR_OPTION", `${from} makes "${symbol}" ${size}; elsewhere it is ${before}.`, {
        hint: "Give a symbol the same size everywhere.",
      });
    symbols.set(symbol, size);
  };
  const requireSize = (size: number, from: string): void => {
    if (!Number.isSafeInteger(size) || size < 0) throw new UsageError("ERR_OPTION", `${from}: expected a whole number, found ${size}.`);
  };
  const place = (input: FeedInput, axis: number, declared: Dimension, size: number, from: string): void => {
    requireSize(size, from);
    if (declared.size !== undefined && declared.size !== size)
      throw new UsageError("ERR_OPTION", `${from}: axis ${axis} of "${input.name}" is ${declared.size} in the model, not ${size}.`, {
        hint: `Its shape is ${dimsText(input.dims)}; only sizes with a name, and ?, can be chosen.`,
      });
    if (declared.symbol !== undefined && declared.size === undefined) fix(declared.symbol, size, from);
  };
  for (const [name, shape] of Object.entries(options.shapes ?? {})) {
    const input = inputs.find((i) => i.name === name);
    if (input === undefined)
      throw unknownName(
        name,
        "input",
        inputs.map((i) => i.name),
      );
    if (input.dims !== undefined && input.dims.length !== shape.length)
      throw new UsageError(
        "ERR_OPTION",
        `The shape ${dimsText(shape)} for "${name}" has ${shape.length} sizes; expected ${input.dims.length}.`,
        {
          hint: `Its shape is ${dimsText(input.dims)}.`,
        },
      );
    shape.forEach((size, axis) => {
      place(input, axis, input.dims?.[axis] ?? { size: undefined, symbol: undefined }, size, `The shape of "${name}"`);
    });
  }
  const known = new Set(
    inputs.flatMap((i) => (i.dims ?? []).flatMap((d) => (d.symbol === undefined ? [] : d.symbol.split("+").map((term) => term.trim())))),
  );
  for (const input of inputs) for (const d of input.dims ?? []) if (d.symbol !== undefined) known.add(d.symbol);
  for (const [name, size] of Object.entries(options.dims ?? {})) {
    requireSize(size, `The dimension ${name}`);
    const axisOf = /^(.*):(\d+)$/.exec(name);
    const input = inputs.find((i) => i.name === axisOf?.[1]);
    const declared = input?.dims?.[Number(axisOf?.[2])];
    if (known.has(name)) fix(name, size, `The dimension ${name}`);
    else if (input !== undefined && declared !== undefined) {
      place(input, Number(axisOf![2]), declared, size, `The dimension ${name}`);
      byAxis.set(name, size);
    } else throw unknownName(name, "dimension", [...known, ...inputs.flatMap((i) => (i.dims ?? []).map((_, axis) => `${i.name}:${axis}`))]);
  }
}

function unknownName(name: string, what: string, names: readonly string[]): UsageError {
  const near = closest(name, names);
  return new UsageError("ERR_OPTION", `The model has no ${what} "${name}".`, {
    hint: near === undefined ? `It has ${names.slice(0, 20).join(", ")}.` : `Did you mean "${near}"?`,
  });
}

/** Size of a dimension from its symbol (may be ""), else from what the input is and where the axis stands. */
function guessSize(
  symbol: string,
  input: FeedInput,
  role: InputRole,
  axis: number,
  guess: { batch: number; sequence: number; streaming: boolean },
): number {
  const words = wordsOf(symbol);
  const has = (...candidates: readonly string[]) => words.some((word) => candidates.includes(word));
  const samples = guess.streaming ? streamingSamples : waveformSamples;
  // An empty past: the network reads its first tokens, as it does in use.
  if (has("past")) return 0;
  if (role.kind === "waveform" && axis > 0) return samples;
  if (namesBatch(symbol)) return guess.batch;
  if (has("samples", "audio")) return samples;
  if (words.some((word) => /^(seq|sequence|tokens?|lengths?|len|seqlen|total|s|t)$/.test(word))) return guess.sequence;
  if (has("height", "width", "h", "w")) return imageSide;
  if (has("channel", "channels", "c")) return 3;
  // Recurrent states are [layers, batch, hidden].
  const batchAxis = role.kind === "state" && input.dims?.length === 3 && input.dims[0]?.size !== undefined ? 1 : 0;
  if (axis === batchAxis) return guess.batch;
  if (role.kind === "image") return imageSide;
  const perToken = ["ids", "segments", "positions", "mask"].includes(role.kind);
  return perToken && axis === (input.dims?.length ?? 0) - 1 ? guess.sequence : unknownSize;
}

/**
 * The longest sequence that position tables allow: constants named after positions, and tables as wide as the one of the ids. RoBERTa and
 * OPT leave two rows unused, which is seen from sizes such as 514.
 */
function longestSequence(view: GraphView, roles: ReadonlyMap<string, InputRole>): number {
  const indexed = [...roles.values()].flatMap((role) => (role.kind === "ids" || role.kind === "segments" ? role.tables : []));
  // Positions come from inside the graph: what an input indexes is a vocabulary or a segment table.
  const others = new Set(indexed.map((table) => table.tensor));
  const widths = new Set(indexed.flatMap((table) => table.columns ?? []));
  const rows: number[] = [];
  for (const [name, { dims }] of view.initializers) {
    if (!/position/i.test(name)) continue;
    if (dims.length === 2 && widths.has(dims[1]!)) rows.push(dims[0]!);
    else if (dims.length === 2 && dims[0] === 1 && /position_?ids/i.test(name)) rows.push(dims[1]!);
  }
  for (const node of view.graph.nodes) {
    if (node.opType !== "Gather" || (node.attributes.get("axis")?.int ?? 0) !== 0) continue;
    const table = node.inputs[0] ?? "";
    const dims = constantDims([view], table);
    if (dims?.length === 2 && widths.has(dims[1]!) && dims[0]! > smallestPositionTable && !others.has(table)) rows.push(dims[0]!);
  }
  return Math.min(...rows.map((n) => (n > 8 && (n - 2) % 8 === 0 ? n - 2 : n)));
}
