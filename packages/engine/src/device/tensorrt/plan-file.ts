import { createHash } from "node:crypto";
import { type DeviceEnvironment, decodeJson, EngineError, encodeJson, UsageError } from "@halfscope/core";
import type { EnginePrecision, OptimizationProfile } from "../backend.js";
import { readLimited, writeAtomically } from "../whole-files.js";
import { damageOf } from "./plan-sidecar-shape.js";

/** What a plan file was built for; `PLAN.json` beside it. */
export interface PlanSidecar {
  schema: "halfscope/plan/1";
  /** Of TensorRT: "10.6.0". Plans load in the version that wrote them only. */
  version: string;
  gpu: string;
  /** "9.0". */
  computeCapability: string;
  /** For people: "all FP16, strongly typed". */
  title: string;
  precision: EnginePrecision;
  /** Layers of the model that it keeps in FP32, where the plan was made from such a list. */
  pins?: readonly string[];
  /** Of the ONNX file that was built; `Model.digest`. */
  modelDigest: string;
  profiles: readonly OptimizationProfile[];
  /** Of the plan's bytes. */
  sha256: string;
  planBytes: number;
}

/** What a person knows when a plan is saved. */
export type PlanFacts = Pick<PlanSidecar, "title" | "precision" | "pins" | "modelDigest" | "profiles">;

export interface LoadedPlan {
  bytes: Uint8Array;
  sidecar: PlanSidecar;
}

/** Of a sidecar: the profiles of a network with many inputs need kilobytes. */
const largestSidecar = 4 * 2 ** 20;

export const sidecarPath = (path: string): string => `${path}.json`;

/**
 * Writes a serialised engine and its sidecar, each in one step. A crash between the two leaves a plan whose sidecar is another's: `loadPlan` refuses it.
 * Throws UsageError ERR_OUTPUT_NOT_WRITABLE.
 */
export async function savePlan(path: string, bytes: Uint8Array, facts: PlanFacts, environment: DeviceEnvironment): Promise<PlanSidecar> {
  const sidecar: PlanSidecar = {
    schema: "halfscope/plan/1",
    version: environment.version,
    gpu: environment.gpu ?? "unknown",
    computeCapability: environment.computeCapability ?? "unknown",
    title: facts.title,
    precision: facts.precision,
    ...(facts.pins && { pins: facts.pins }),
    modelDigest: facts.modelDigest,
    profiles: facts.profiles,
    sha256: sha256(bytes),
    planBytes: bytes.length,
  };
  await writeAtomically(path, bytes);
  await writeAtomically(sidecarPath(path), new TextEncoder().encode(`${encodeJson(sidecar, 2)}\n`));
  return sidecar;
}

/**
 * Reads a plan that fits this machine and, where a digest is given, this model. Version, GPU, digest, size and hash are checked before the bytes reach
 * TensorRT, which trusts what it is given. Throws UsageError ERR_FILE_NOT_FOUND where there is no plan; EngineError ERR_PLAN_FILE where it has no sidecar, or
 * where sidecar or plan are damaged or were made for something else: the message lists everything that differs.
 */
export async function loadPlan(path: string, environment: DeviceEnvironment, modelDigest?: string): Promise<LoadedPlan> {
  const sidecar = await readSidecar(path);
  const differences = [
    ...differs("TensorRT", sidecar.version, environment.version),
    ...differs("the GPU", sidecar.gpu, environment.gpu ?? "unknown"),
    ...differs("compute capability", sidecar.computeCapability, environment.computeCapability ?? "unknown"),
    ...(modelDigest === undefined ? [] : differs("the model's digest", sidecar.modelDigest, modelDigest)),
  ];
  if (differences.length > 0) throw refused(path, `was built for something else: ${differences.join("; ")}`, { differences });
  const bytes = await readLimited(path, sidecar.planBytes);
  if (bytes === undefined) throw notFound(path);
  if (bytes === "too large" || bytes.length !== sidecar.planBytes)
    throw refused(path, `has ${bytes === "too large" ? "more" : bytes.length} bytes where its sidecar says ${sidecar.planBytes}`);
  const hash = sha256(bytes);
  if (hash !== sidecar.sha256) throw refused(path, `has the SHA-256 ${hash} where its sidecar says ${sidecar.sha256}`);
  return { bytes, sidecar };
}

/** The sidecar alone, checked for its form. Errors as those of `loadPlan`. */
export async function readSidecar(path: string): Promise<PlanSidecar> {
  const bytes = await readLimited(sidecarPath(path), largestSidecar);
  if (bytes === undefined) {
    if ((await readLimited(path, 0)) === undefined) throw notFound(path);
    throw refused(path, `has no ${sidecarPath(path)} beside it, so nothing tells what it was built for`);
  }
  if (bytes === "too large") throw refused(path, `has a sidecar of more than ${largestSidecar} bytes`);
  let document: unknown;
  try {
    document = decodeJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refused(path, `has a sidecar that is not JSON (${(cause as Error).message})`, {}, cause);
  }
  const damage = damageOf(document);
  if (damage !== undefined) throw refused(path, `has a damaged sidecar: ${damage}`);
  return document as PlanSidecar;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const differs = (what: string, before: string, now: string): string[] =>
  before === now ? [] : [`${what} was ${before}, here it is ${now}`];

const refused = (path: string, what: string, context: Record<string, unknown> = {}, cause?: unknown): EngineError =>
  new EngineError("ERR_PLAN_FILE", `The plan ${path} ${what}.`, {
    hint: "Build the engine again on this machine, from the model and with the profiles that it should serve, and save it.",
    context: { path, ...context },
    ...(cause !== undefined && { cause }),
  });

const notFound = (path: string): UsageError =>
  new UsageError("ERR_FILE_NOT_FOUND", `There is no plan ${path}.`, { hint: "Give the path of a plan that halfscope saved." });
