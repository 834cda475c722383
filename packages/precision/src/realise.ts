import { elementCount, type HalfType, halfWords, InputError, numberFromDtype, type PrecisionPlan, type TensorTypes } from "@halfscope/core";
import {
  type Body,
  type Conversion,
  castTarget,
  delimitedField,
  type Expansion,
  editNode,
  encodeAttribute,
  encodeExternalTensor,
  encodeNode,
  encodeTensor,
  encodeTensorHead,
  encodeValueInfo,
  type GraphEdit,
  type Initializer,
  type Model,
  mapGraphsIn,
  type Node,
  type Piece,
  type Rope,
  retypedValue,
  rewriteGraph,
  rewriteModel,
  statedValues,
  type ValueInfo,
} from "@halfscope/onnx";
import { type Assignment, assignPrecisions, type Precision } from "./assign.js";
import { isFixedOutput } from "./operators.js";
import { constantValues, dataLength, halfBytesOf, inMemory } from "./realise-values.js";
import type { Roundings } from "./sites.js";

/** Names of the other precision's version of a tensor. `restore` reads them back. */
export const halfSuffixes: Readonly<Record<HalfType, string>> = { float16: "/fp16", bfloat16: "/bf16" };
export const fullSuffix = "/fp32";

export interface RealiseOptions {
  model: Model;
  types: TensorTypes;
  roundings: Roundings;
  plan: PrecisionPlan;
  /** FP32 little-endian bytes to ones of the plan's type; with `finite`, finite values beyond its range become its largest number. */
  toHalf: (bytes: Uint8Array, finite: boolean) => Promise<Uint8Array>;
  /** keep: graph inputs and outputs keep their FP32 types, with Casts inside. convert: they become FP16 (or bfloat16) where the plan is. Defaults to keep. */
  io?: "keep" | "convert";
  /** Weights beyond this many bytes in all go to an external file. Defaults to 1.8e9 (protobuf stops at 2 GiB). */
  embedLimitBytes?: number;
  /** Name of that file, relative to the model's folder. */
  externalName: string;
}

export interface RealisedModel {
  /** The .onnx file. */
  rope: Rope;
  /** Contents of the external-data file, when one is needed. */
  external: Rope | undefined;
  casts: number;
  halfWeights: number;
  fullWeights: number;
}

/**
 * Writes a plan into the graph as types and Casts: a mixed-precision model that every runtime honours. Requires FP32 tensors where the plan
 * speaks of FP16; all other fields stay byte for byte. Casts stand at the borders of pinned regions only, one per tensor and direction.
 */
export function realisePlan(options: RealiseOptions): RealisedModel {
  return new Realiser(options).run();
}

class Realiser {
  private readonly assignment: Assignment;
  private readonly names: Set<string>;
  private readonly nodeNames: Set<string>;
  /** Tensors that keep their name in FP32, because others know them by it: outputs of the graph and of bodies. */
  private readonly kept: ReadonlySet<string>;
  /** Versions of tensors that somebody reads, by tensor. */
  private readonly wanted = new Map<string, Set<Precision>>();
  private readonly external: Piece[] = [];
  /** What the main graph's value_info states, inputs and outputs with it. */
  private readonly stated: ReadonlyMap<string, ValueInfo>;
  /** Types of what Casts give: where the file states those of what goes in, and before opset 6, where nobody infers them. */
  private readonly castTypes: Uint8Array[] = [];
  private externalBytes = 0;
  private readonly useExternal: boolean;
  private readonly io: "keep" | "convert";
  /** The type that the plan speaks of, and its number. */
  private readonly half: HalfType;
  private readonly halfNumber: number;
  private casts = 0;
  private halfWeights = 0;
  private fullWeights = 0;

  constructor(private readonly o: RealiseOptions) {
    this.half = o.roundings.floats.type;
    this.halfNumber = numberFromDtype(this.half);
    this.assignment = assignPrecisions(o.plan, o.roundings);
    this.stated = statedValues(o.model);
    this.findWhole();
    this.io = o.io ?? "keep";
    const { view } = o.roundings.floats;
    this.names = new Set([...o.types.keys(), ...view.producer.keys()]);
    this.nodeNames = new Set(view.nodes.map((n) => n.name));
    const bodyOutputs = [...view.bodies.values()].flat().flatMap((b) => b.graph.outputs.map((v) => v.name));
    this.kept = new Set([...bodyOutputs, ...(this.io === "keep" ? view.graphOutputs : [])]);
    for (const { node, precision } of new Set(this.whole.values())) for (const tensor of node.inputs) this.want(tensor, precision);
    for (const node of view.order) {
      if (this.whole.has(node.outputs[0] ?? "")) continue;
      node.inputs.forEach((tensor, i) => {
        this.want(tensor, this.assignment.inputPrecision(node, i));
      });
      // Nodes of opened bodies want for themselves.
      if (!view.bodies.has(node)) for (const tensor of view.outer.get(node) ?? []) this.want(tensor, "full");
    }
    for (const tensor of bodyOutputs) this.want(tensor, "full");
    for (const v of view.graph.outputs) this.want(v.name, this.io === "keep" ? "full" : this.ownPrecision(v.name));
    const bytes = view.graph.initializers.reduce((n, i) => n + dataLength(i), 0);
    this.useExternal = bytes > (o.embedLimitBytes ?? 1.8e9);
  }

  run(): RealisedModel {
    const { view } = this.o.roundings.floats;
    const rope = rewriteModel(this.o.model, {
      ...this.edits,
      moreValueInfos: this.castTypes,
      firstNodes: [...view.graph.inputs.filter((v) => !view.initializers.has(v.name)), ...view.graph.sparseInitializers].flatMap((v) =>
        this.castsOf(v.name),
      ),
      input: (value) => this.graphInput(value),
      output: (value) => this.typed(value, this.io === "convert" ? this.ownPrecision(value.name) : "full"),
    });
    const { casts, halfWeights, fullWeights } = this;
    return { rope, external: this.external.length > 0 ? this.external : undefined, casts, halfWeights, fullWeights };
  }

  /** What changes in the main graph and in bodies alike. */
  private readonly edits: GraphEdit = {
    node: (node: Node) => this.node(node),
    initializer: (init: Initializer) => this.initializer(init),
    valueInfo: (value: ValueInfo) => this.typed(value, this.nameOf(value.name, "full") === value.name ? "full" : "half"),
  };

  /** Expansions whose parts all run alike, by the outputs of the parts. */
  private readonly whole = new Map<string, Expansion & { precision: Precision }>();

  private findWhole(): void {
    const { view } = this.o.roundings.floats;
    for (const expansion of this.o.model.expansions ?? []) {
      const parts = expansion.outputs.flatMap((t) => view.producer.get(t) ?? []).filter((n) => !/^Constant/.test(n.opType));
      const found = new Set(parts.filter((n) => !this.o.roundings.floats.movers.has(n.index)).map((n) => this.assignment.nodePrecision(n)));
      const [precision] = found;
      if (found.size === 1 && precision !== undefined) for (const t of expansion.outputs) this.whole.set(t, { ...expansion, precision });
    }
  }

  /** The node that was written out, in one precision. */
  private putBack({ node, precision }: Expansion & { precision: Precision }): readonly Uint8Array[] {
    const input = (tensor: string) => this.nameOf(tensor, precision);
    const output = (tensor: string) => this.nameOf(tensor, this.ownPrecision(tensor));
    return [editNode(node, { input, output }), ...node.outputs.flatMap((t) => this.castsOf(t))];
  }

  /** A holder with the plan written into its bodies; their borders stay FP32. */
  private holder(node: Node, bodies: readonly Body[]): readonly Uint8Array[] | undefined {
    const graphs = bodies.map(({ graph }) => {
      const formal = [...graph.inputs.filter((v) => !graph.initializers.some((i) => i.name === v.name)), ...graph.sparseInitializers];
      return inMemory(
        rewriteGraph(graph, { ...this.edits, firstNodes: formal.flatMap((v) => this.castsOf(v.name)) }),
        this.o.plan.constants,
        this.half,
      );
    });
    // Only the bodies themselves are replaced: the attributes around them keep what else they hold.
    const edited = mapGraphsIn(
      editNode(node, { input: (t) => this.nameOf(t, "full"), outer: (t) => t }),
      (graph) => graphs.shift() ?? graph,
    );
    return [edited, ...node.outputs.flatMap((t) => this.castsOf(t))];
  }

  private get opset(): number {
    return this.o.model.opsets.get("") ?? 1;
  }

  private isFull(tensor: string): boolean {
    return this.o.types.get(tensor)?.dtype === "float32";
  }

  private want(tensor: string, precision: Precision): void {
    if (!this.isFull(tensor)) return;
    this.wanted.set(tensor, (this.wanted.get(tensor) ?? new Set()).add(precision));
  }

  /** The precision in which a tensor comes into being. Weights exist in each version that is wanted. */
  private ownPrecision(tensor: string): Precision {
    const root = this.o.roundings.floats.roots.get(tensor);
    // A weight that nobody reads stays as it is.
    if (root?.kind === "weight") return (this.wanted.get(tensor)?.has("full") ?? true) ? "full" : "half";
    if (root?.kind === "input")
      return this.io === "convert" && !this.o.roundings.floats.view.sparse.has(tensor) && !this.wanted.get(tensor)?.has("full")
        ? "half"
        : "full";
    return this.assignment.tensorPrecision(tensor);
  }

  /** Name under which a version of a tensor is found. The own version keeps the tensor's name, except that graph outputs keep theirs for the kept type. */
  private nameOf(tensor: string, precision: Precision): string {
    if (!this.isFull(tensor)) return tensor;
    const named: Precision = this.kept.has(tensor) ? "full" : this.ownPrecision(tensor);
    if (precision === named) return tensor;
    let name = tensor + (precision === "half" ? halfSuffixes[this.half] : fullSuffix);
    while (this.names.has(name)) name += "_";
    return name;
  }

  private typed(value: ValueInfo, precision: Precision): readonly Uint8Array[] | undefined {
    if (precision === "full" || !this.isFull(value.name)) return undefined;
    return [retypedValue(value, this.halfNumber)];
  }

  private graphInput(value: ValueInfo): readonly Uint8Array[] | undefined {
    const changed = this.typed(value, this.ownPrecision(value.name));
    // Up to IR version 3 every initializer has to be an input too, so the second version of a weight is one as well.
    const versions = this.wanted.get(value.name)?.size ?? 0;
    if (this.o.model.irVersion >= 4 || versions < 2 || this.o.roundings.floats.roots.get(value.name)?.kind !== "weight") return changed;
    const dims = value.dims?.map((d) => d.size ?? d.symbol);
    return [...(changed ?? [value.field.payload as Uint8Array]), encodeValueInfo(this.nameOf(value.name, "half"), this.halfNumber, dims)];
  }

  /** Casts behind a tensor's own version into the other one, if somebody wants that. */
  private castsOf(tensor: string): Uint8Array[] {
    if (!this.isFull(tensor)) return [];
    const own = this.ownPrecision(tensor);
    const other: Precision = own === "half" ? "full" : "half";
    if (!this.wanted.get(tensor)?.has(other)) return [];
    this.casts++;
    const output = this.nameOf(tensor, other);
    const to = other === "half" ? this.half : "float32";
    const stated = this.stated.get(tensor);
    if (stated !== undefined || this.opset < 6)
      this.castTypes.push(
        encodeValueInfo(
          output,
          numberFromDtype(to),
          stated?.dims?.map((d) => d.size ?? d.symbol),
        ),
      );
    return [
      encodeNode({
        name: this.freshNodeName(`${output}/Cast`),
        opType: "Cast",
        inputs: [this.nameOf(tensor, own)],
        outputs: [output],
        attributes: { to: castTarget(to, this.opset) },
      }),
    ];
  }

  /** ONNX Runtime refuses two nodes of one name; a model that was realised before has such names already. */
  private freshNodeName(wanted: string): string {
    let name = wanted;
    while (this.nodeNames.has(name)) name += "_";
    this.nodeNames.add(name);
    return name;
  }

  private node(node: Node): readonly Uint8Array[] | undefined {
    const { floats } = this.o.roundings;
    const bodies = floats.view.bodies.get(node);
    if (bodies !== undefined) return this.holder(node, bodies);
    const whole = this.whole.get(node.outputs[0] ?? "");
    if (whole !== undefined) return node.outputs[0] === whole.node.outputs[0] ? this.putBack(whole) : [];
    if (node.outputs.some((t) => floats.roots.get(t)?.kind === "weight")) return this.constantNode(node);
    const precision = this.assignment.nodePrecision(node);
    const input = (tensor: string, i: number) => this.nameOf(tensor, this.assignment.inputPrecision(node, i));
    const output = (tensor: string) => this.nameOf(tensor, this.ownPrecision(tensor));
    const attributes = precision === "half" ? this.halfAttributes(node) : undefined;
    const outer = (tensor: string) => this.nameOf(tensor, "full");
    const same =
      attributes === undefined &&
      node.inputs.every((t, i) => input(t, i) === t) &&
      node.outputs.every((t) => output(t) === t) &&
      (floats.view.outer.get(node) ?? []).every((t) => outer(t) === t);
    const casts = node.outputs.flatMap((t) => this.castsOf(t));
    // A Cast from FP32 to FP32 that carries FP16 now: ONNX Runtime 1.30 does not load a Cast from FP16 to FP16 in front of some operators.
    if (node.opType === "Cast" && floats.movers.has(node.index) && precision === "half")
      return [
        encodeNode({ name: node.name, opType: "Identity", inputs: node.inputs.map(input), outputs: node.outputs.map(output) }),
        ...casts,
      ];
    if (same && casts.length === 0) return undefined;
    return [same ? node.bytes : editNode(node, { input, output, outer, ...(attributes && { attributes }) }), ...casts];
  }

  /** Attributes that name the type of a float result. */
  private halfAttributes(node: Node): ReadonlyMap<string, Uint8Array> | undefined {
    const floatResult = node.outputs.some((t) => this.isFull(t));
    if (!floatResult || node.domain !== "") return undefined;
    if (node.opType === "Cast") return new Map([["to", encodeAttribute("to", castTarget(this.half, this.opset))]]);
    return node.opType === "EyeLike" ? new Map([["dtype", encodeAttribute("dtype", this.halfNumber)]]) : undefined;
  }

  /** Constant and ConstantOfShape: the versions that are wanted, each a node of its own; the half one from converted values. */
  private constantNode(node: Node): readonly Uint8Array[] | undefined {
    const tensor = node.outputs[0] ?? "";
    const wanted = this.wanted.get(tensor) ?? new Set();
    if (!wanted.has("half")) return undefined;
    const values = constantValues(node);
    if (values === undefined)
      throw new InputError(
        "ERR_MODEL_UNSUPPORTED",
        `The constant ${tensor} (${node.opType}) has values that halfscope cannot convert to ${halfWords[this.half]}.`,
        {
          hint: "Pin the layers that read it, or export the model with constants as initializers.",
        },
      );
    if (isFixedOutput(node, 0, this.o.model.opsets, this.half)) {
      const versions = this.filled(node, values.numbers);
      return wanted.has("full") ? [node.bytes, ...versions] : versions;
    }
    const attribute = encodeAttribute("value", {
      tensor: encodeTensor("", this.halfNumber, values.dims, halfBytesOf(values.numbers, this.o.plan.constants, this.half)),
    });
    const dropped = ["value_float", "value_floats"].filter((n) => node.attributes.has(n));
    const output = this.nameOf(tensor, "half");
    const half =
      dropped.length > 0
        ? encodeNode({ name: node.name, opType: node.opType, inputs: node.inputs, outputs: [output], attributes: {} })
        : editNode(node, { output: () => output, attributes: new Map([["value", attribute]]) });
    const withValue = dropped.length > 0 ? Buffer.concat([half, ...delimitedField(5, [attribute]).map((p) => p as Uint8Array)]) : half;
    return wanted.has("full") ? [node.bytes, withValue] : [withValue];
  }

  /** A ConstantOfShape that has no form in the type: a number of that type, spread out. */
  private filled(node: Node, numbers: readonly number[]): readonly Uint8Array[] {
    const tensor = node.outputs[0] ?? "";
    const output = this.nameOf(tensor, "half");
    let number = `${tensor}${halfSuffixes[this.half]}`;
    while (number === output || this.names.has(number)) number += "_";
    const value = { tensor: encodeTensor("", this.halfNumber, [], halfBytesOf(numbers, this.o.plan.constants, this.half)) };
    return [
      encodeNode({
        name: this.freshNodeName(`${number}/Constant`),
        opType: "Constant",
        inputs: [],
        outputs: [number],
        attributes: { value },
      }),
      encodeNode({
        name: this.freshNodeName(`${output}/Expand`),
        opType: "Expand",
        inputs: [number, node.inputs[0] ?? ""],
        outputs: [output],
      }),
    ];
  }

  private initializer(init: Initializer): readonly Rope[] | undefined {
    if (init.dtype !== "float32") return this.relocated(init);
    const wanted = this.wanted.get(init.name) ?? new Set<Precision>(["full"]);
    const versions: Rope[] = [];
    if (wanted.has("full")) {
      this.fullWeights++;
      const kept = this.relocated(init);
      if (!wanted.has("half")) return kept;
      versions.push(...(kept ?? [[init.field.payload]]));
    }
    if (wanted.has("half")) {
      this.halfWeights++;
      const name = this.nameOf(init.name, "half");
      const finite = this.o.plan.constants === "finite";
      const length = elementCount(init.dims) * 2;
      const source = init.data.kind === "file" ? init.data.span : init.data.kind === "bytes" ? init.data.bytes : new Uint8Array(0);
      const values: Conversion = { source, length, convert: (chunk) => this.o.toHalf(chunk, finite) };
      versions.push(this.tensor(name, this.halfNumber, init.dims, values));
    }
    return versions;
  }

  /** External data of the original must not be named from another folder: its values move into the new file. */
  private relocated(init: Initializer): readonly Rope[] | undefined {
    if (init.data.kind !== "file" || (!init.data.external && !this.useExternal)) return undefined;
    return [this.tensor(init.name, init.elementType, init.dims, init.data.span)];
  }

  private tensor(name: string, elementType: number, dims: readonly number[], values: Piece): Rope {
    if (!this.useExternal || values.length < 1024) return [encodeTensorHead(name, elementType, dims), ...delimitedField(9, [values])];
    const padding = (4096 - (this.externalBytes % 4096)) % 4096;
    if (padding > 0) this.external.push(new Uint8Array(padding));
    const offset = this.externalBytes + padding;
    this.external.push(values);
    this.externalBytes = offset + values.length;
    return [encodeExternalTensor(name, elementType, dims, this.o.externalName, offset, values.length)];
  }
}
