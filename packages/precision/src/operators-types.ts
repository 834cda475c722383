import type { HalfType } from "@halfscope/core";
import { operatorTable } from "./operators-table.js";

export type FloatType = "float32" | "float16" | "bfloat16" | "float64";
export type { HalfType };

/** What a schema allows for one input or output. */
export interface ParameterTypes {
  /** Parameters of one letter share one type. The type's own name where it is fixed; "" where no floats ever are. */
  readonly letter: string;
  /** Float types of plain tensors. */
  readonly floats: ReadonlySet<FloatType>;
  /** It may be a sequence, optional, map or sparse tensor of floats. */
  readonly nested: boolean;
}

/** One version of an operator's schema, as far as float types go. */
export interface OperatorTypes {
  readonly domain: string;
  readonly opType: string;
  /** Version of the domain that brought this schema. */
  readonly since: number;
  /** As declared; positions beyond the last belong to a variadic one: ask `inputTypes` and `outputTypes`. */
  readonly inputs: readonly ParameterTypes[];
  readonly outputs: readonly ParameterTypes[];
  readonly variadicInputs: "same" | "each" | undefined;
  readonly variadicOutputs: "same" | "each" | undefined;
  /** ONNX gives a function that computes the same from other operators. Always false for com.microsoft, whose schemas do not tell. */
  readonly hasBody: boolean;
  /** It draws random numbers, at least with some attributes or inputs. */
  readonly random: boolean;
  /** Some parameter holds quantised or packed numbers only. */
  readonly quantised: boolean;
  readonly deprecated: boolean;
  /** Attribute that holds the type of output 0 as a number of TensorProto.DataType; without a default, an input's type is taken. */
  readonly typeAttribute: { readonly name: string; readonly default: number | undefined } | undefined;
}

/** Version of the standard domain, or of each domain that a model imports. Domains that are not named count as the newest. */
export type Opsets = number | ReadonlyMap<string, number>;
/** Every operator in its newest version. */
export const newestOpset: Opsets = Number.POSITIVE_INFINITY;

export function opsetOf(opsets: Opsets, domain: string): number {
  if (typeof opsets === "number") return domain === "" ? opsets : Number.POSITIVE_INFINITY;
  return opsets.get(domain) ?? Number.POSITIVE_INFINITY;
}

/** Whether schemas of a domain are known at all. */
export const isKnownDomain = (domain: string): boolean => Object.hasOwn(operatorTable, domain);

/** The schema in force: that of the largest version up to `opset`. Undefined for unknown operators, and for those that came later. */
export const operatorTypes = (domain: string, opType: string, opset: number): OperatorTypes | undefined =>
  schemaVersions(domain, opType).findLast((v) => v.since <= opset);

const parsed = new Map<string, readonly OperatorTypes[]>();
const linesOf = new Map<string, ReadonlyMap<string, string>>();

/** All versions of an operator, oldest first; empty for unknown operators. */
export function schemaVersions(domain: string, opType: string): readonly OperatorTypes[] {
  const key = `${domain}:${opType}`;
  let versions = parsed.get(key);
  if (versions === undefined) {
    const line = lines(domain).get(opType);
    versions = line === undefined ? [] : line.split("; ").flatMap((text) => parseVersions(domain, opType, text));
    if (line !== undefined) parsed.set(key, versions);
  }
  return versions;
}

/** Names of all operators of a domain that the table knows. */
export const operatorNames = (domain: string): readonly string[] => [...lines(domain).keys()];

function lines(domain: string): ReadonlyMap<string, string> {
  let found = linesOf.get(domain);
  if (found === undefined) {
    const text = Object.hasOwn(operatorTable, domain) ? (operatorTable[domain] ?? "") : "";
    found = new Map(
      text
        .split("\n")
        .filter((l) => l !== "")
        .map((l) => [l.slice(0, l.indexOf(" ")), l.slice(l.indexOf(" ") + 1)]),
    );
    linesOf.set(domain, found);
  }
  return found;
}

const floatTypes: Readonly<Record<string, FloatType>> = { f: "float32", h: "float16", b: "bfloat16", d: "float64" };

/** `SINCE[,SINCE] INPUTS>OUTPUTS [LETTER=TYPES,...] [FLAGS]`; see the head of the table. */
function parseVersions(domain: string, opType: string, text: string): OperatorTypes[] {
  const [since = "", face = ">", ...rest] = text.split(" ");
  const letters = new Map<string, string>();
  for (const [, letter = "", types = ""] of (rest.find((p) => /^\w+=/.test(p)) ?? "").matchAll(/(\w+)=(\w+)/g)) letters.set(letter, types);
  const parameter = (name: string): ParameterTypes => {
    const letter = name.replace(/[*~]$/, "");
    const types = [...(letters.get(letter) ?? "")];
    const floats = new Set(types.flatMap((t) => floatTypes[t] ?? []));
    return { letter: letter === "." ? "" : letter, floats, nested: types.includes("s") };
  };
  const [inputs = [], outputs = []] = face.split(">").map((side) => side.split(",").filter((p) => p !== ""));
  const variadic = (side: readonly string[]): OperatorTypes["variadicInputs"] =>
    side.at(-1)?.endsWith("*") ? "same" : side.at(-1)?.endsWith("~") ? "each" : undefined;
  const [attribute, number] =
    rest
      .find((p) => p.startsWith("@"))
      ?.slice(1)
      .split("=") ?? [];
  const types = {
    domain,
    opType,
    inputs: inputs.map(parameter),
    outputs: outputs.map(parameter),
    variadicInputs: variadic(inputs),
    variadicOutputs: variadic(outputs),
    hasBody: rest.includes("body"),
    random: rest.includes("random"),
    quantised: rest.includes("quantised"),
    deprecated: rest.includes("deprecated"),
    typeAttribute: attribute === undefined ? undefined : { name: attribute, default: number === undefined ? undefined : Number(number) },
  };
  return since.split(",").map((v) => ({ ...types, since: Number(v) }));
}

/** Types of an input by position; undefined where the operator has no such input. */
export const inputTypes = (types: OperatorTypes, input: number): ParameterTypes | undefined =>
  parameterAt(types.inputs, types.variadicInputs, input);
/** Types of an output by position; undefined where the operator has no such output. */
export const outputTypes = (types: OperatorTypes, output: number): ParameterTypes | undefined =>
  parameterAt(types.outputs, types.variadicOutputs, output);

function parameterAt(declared: readonly ParameterTypes[], variadic: "same" | "each" | undefined, at: number): ParameterTypes | undefined {
  const last = declared.length - 1;
  if (at < last || variadic === undefined) return declared[at];
  const repeated = declared[last];
  // Each repetition of `~` has a type of its own, so each is a letter of its own.
  return variadic === "each" && repeated !== undefined ? { ...repeated, letter: `${repeated.letter}#${at}` } : repeated;
}
