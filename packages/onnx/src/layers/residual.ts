import type { Node } from "../types.js";
import type { Recogniser } from "./claims.js";
import type { Scan } from "./scan.js";
import { isMover } from "./single.js";

/** Recognises additions of a branch to the tensor that the branch started from. */
export const recogniseResiduals: Recogniser = (scan, claims) => {
  for (const node of scan.view.order) {
    if (claims.has(node) || node.domain !== "" || (node.opType !== "Add" && node.opType !== "Sum") || node.inputs.length !== 2) continue;
    const [a = "", b = ""] = node.inputs;
    if (a === b || scan.isConstant(a) || scan.isConstant(b) || !scan.mayBeFloat(node.outputs[0] ?? "")) continue;
    if (isSkip(scan, a, b) || isSkip(scan, b, a)) claims.single(node, "residual-add", "Residual add");
  }
};

/** Whether `skip` bypasses what makes `branch`: the branch was computed from it, or both from one tensor with a single convolution in the bypass. */
function isSkip(scan: Scan, skip: string, branch: string): boolean {
  const origin = beforeMovers(scan, skip);
  if (scan.made(branch, "Neg") !== undefined) return false; // a difference, as in normalizations
  if (isAncestor(scan, origin, branch)) return true;
  const projection = projectionOf(scan, origin);
  if (projection === undefined) return false;
  const start = beforeMovers(scan, projection.inputs[0] ?? "");
  return isAncestor(scan, start, branch);
}

function beforeMovers(scan: Scan, tensor: string): string {
  let at = tensor;
  for (let node = scan.producer(at); node !== undefined; node = scan.producer(at)) {
    const from = node.inputs[0] ?? "";
    // A Gather from a table reads values of its own.
    if (!isMover(node) || node.opType === "Concat" || node.opType === "Split" || scan.isConstant(from)) break;
    at = from;
  }
  return at;
}

/** The convolution that makes a tensor, seen through a batch normalization. */
function projectionOf(scan: Scan, tensor: string): Node | undefined {
  const normalization = scan.made(tensor, "BatchNormalization");
  return scan.made(normalization === undefined ? tensor : normalization.inputs[0], "Conv");
}

/** Whether float values of `ancestor` flow into `tensor` through at least one node that is not a mover. */
function isAncestor(scan: Scan, ancestor: string, tensor: string): boolean {
  if (scan.isConstant(ancestor)) return false;
  const made = scan.producer(ancestor);
  // SkipLayerNormalization gives both the sum, for the bypass, and its normalization.
  const same = new Set(made?.opType.startsWith("Skip") ? made.outputs : [ancestor]);
  const earliest = made === undefined ? -1 : scan.position(made);
  const seen = new Set<string>();
  const pending = [tensor];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (same.has(at)) return !same.has(beforeMovers(scan, tensor));
    if (at === "" || seen.has(at) || scan.isConstant(at) || !scan.mayBeFloat(at)) continue;
    seen.add(at);
    const node = scan.producer(at);
    // Whatever was made before the ancestor cannot descend from it.
    if (node !== undefined && scan.position(node) > earliest) pending.push(...node.inputs);
  }
  return false;
}
