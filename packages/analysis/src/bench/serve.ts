import { type DType, type FeedValue, InputError, isFloat, isTensorValue, type TensorValue } from "@halfscope/core";
import { type DeviceEngine, elementsOf, tensorOf as tensorFrom } from "@halfscope/engine";
import type { Outputs } from "./outputs.js";
import type { Request } from "./requests.js";

/** An engine as the requests of the reference see it: a file that takes and gives FP16 is fed and read as FP32. */
export interface Served {
  readonly engine: DeviceEngine;
  /** Values as this engine's inputs want them. Throws ERR_MODEL_UNSUPPORTED where it has other inputs. */
  fit(request: Request): { tensors: Map<string, FeedValue> };
  run(request: Request, signal?: AbortSignal): Promise<Outputs>;
}

/** `outputs` are the model's; what an engine observes besides is left out. */
export function serve(engine: DeviceEngine, outputs: readonly string[]): Served {
  const types = new Map(engine.inputs.map((i) => [i.name, i.dtype]));
  const fit = (request: Request) => {
    const missing = [...types.keys()].filter((name) => !request.has(name));
    const unknown = [...request.keys()].filter((name) => !types.has(name));
    if (missing.length + unknown.length > 0)
      throw new InputError(
        "ERR_MODEL_UNSUPPORTED",
        `${engine.label} has other inputs than the model: ${[...missing, ...unknown].map((n) => `"${n}"`).join(", ")}.`,
        {
          hint: "Give the FP16 or mixed file that was made from this model.",
        },
      );
    return {
      tensors: new Map(
        [...request].map(([name, value]) => [name, isTensorValue(value) ? asType(value, types.get(name) ?? "unknown") : value]),
      ),
    };
  };
  return {
    engine,
    fit,
    run: async (request, signal) => {
      const given = await engine.run(fit(request), { fetch: outputs, signal });
      return new Map([...given].map(([name, value]) => [name, isFloat(value.dtype) ? asType(value, "float32") : value]));
    },
  };
}

/** Floats as another type of floats, to nearest even; everything else as it is. */
function asType(value: TensorValue, dtype: DType): TensorValue {
  if (value.dtype === dtype || !isFloat(value.dtype) || !isFloat(dtype)) return value;
  const elements = elementsOf(value);
  return elements === undefined ? value : tensorFrom(dtype, value.dims, elements);
}
