import type { DeviceTensor, ErrorStats } from "@halfscope/core";
import { stats } from "./example-stats.js";
import { randomFrom } from "./random.js";

/** What is taken from `test/hardware/tensorrt-h200/bert-large.json`. Rows: tensor, count, largest, mean, RMS error, RMS of the reference, NaN or infinite in reference and candidate. */
export interface RecordedErrors {
  readonly tensors: readonly (readonly [string, number, number, number, number, number, number, number])[];
  readonly outputsUnmarked: RecordedErrors["tensors"];
}

const madeUp = (random: () => number): RecordedErrors["tensors"] =>
  Array.from({ length: 40 }, (_, i) => {
    const error = 1e-5 * 1.17 ** i * (0.8 + 0.4 * random());
    return [`/encoder/layer.${Math.floor(i / 10)}/dense_${i % 10}/MatMul_output_0`, 131_072, 9 * error, error, 1.3 * error, 0.9, 0, 0];
  });

/** Recorded errors beside predictions with a median of 0.986 of them, 95 of 100 below 1.12. */
export function deviceTensors(
  recorded: RecordedErrors | undefined,
  rename: (n: string) => string,
  random: () => number,
  refuted: boolean,
): DeviceTensor[] {
  const rows = recorded?.tensors ?? madeUp(random);
  return rows.map(([name, count, maxAbs, mean, rms, rmsReference, , candidateBroken], i): DeviceTensor => {
    const spread = random() + random() + random() - 1.5;
    const ratio = 0.986 * Math.exp(0.07 * spread + (random() < 0.06 ? 0.12 : 0));
    const broken = refuted && i === Math.floor(rows.length / 3) ? 128 : candidateBroken;
    return {
      tensor: rename(name),
      layer: rename(`bert${name.replace(/\/[^/]*$/, "")}`),
      measured: rowStats(count, maxAbs, mean, rms, rmsReference, broken),
      predicted: {
        meanAbs: ratio * mean,
        relativeL2: rmsReference === 0 ? 0 : (ratio * rms) / rmsReference,
        ...(mean > 0 && { band: [0.74 * mean, 1.3 * mean] as const }),
      },
    };
  });
}

function rowStats(count: number, maxAbs: number, mean: number, rms: number, rmsReference: number, broken: number): ErrorStats {
  return {
    ...stats(rmsReference === 0 ? 0 : rms / rmsReference, 4, broken, randomFrom(1)),
    count,
    maxAbs,
    sumAbs: mean * (count - broken),
    sumSquaredError: rms * rms * count,
    sumSquaredReference: rmsReference * rmsReference * count,
    nonFiniteMismatch: broken,
  };
}
