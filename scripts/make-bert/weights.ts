import type { BertConfig } from "./config.js";
import { Normals } from "./random.js";
import type { RowWriter } from "./tensors.js";

/**
 * Weight statistics like those of trained BERTs: matrices near N(0, 0.04) at hidden 1024 with mild differences between channels, gains
 * from 0.7 to 1.0, small biases, and a few channels of the residual stream that stay large (5 to 16 at hidden 1024) over the whole depth because the
 * biases of LayerNormalization put them there and the matrices have learned to listen less to them.
 */
export interface OutlierChannel {
  readonly channel: number;
  /** Signed magnitude around which the channel of the residual stream stays. */
  readonly level: number;
}

/** The residual stream's outlier channels: one per 256 channels, from one to four; the first is the largest. */
export function outlierChannels(config: Pick<BertConfig, "hidden" | "seed">): readonly OutlierChannel[] {
  const random = new Normals(config.seed, "outliers");
  const count = Math.min(4, Math.max(1, Math.round(config.hidden / 256)));
  const found = new Map<number, number>();
  // In a narrow model one channel weighs more in the variance, hence smaller levels.
  const most = 16 * Math.min(1, Math.max(0.35, Math.sqrt(config.hidden / 1024)));
  while (found.size < count) {
    const level = most * (found.size === 0 ? 1 : 0.3 + 0.2 * (random.next() / 2 ** 32));
    const channel = random.next() % config.hidden;
    const signed = random.next() & 1 ? level : -level;
    if (!found.has(channel)) found.set(channel, signed);
  }
  return [...found].map(([channel, level]) => ({ channel, level }));
}

/** What a vector or matrix is for; decides its statistics. */
export type Role =
  | { readonly kind: "embedding"; readonly std: number }
  /** `gain` and `bias` of outlier channels: the share of the level that the normalised channel and the constant give. */
  | { readonly kind: "gain"; readonly residual: boolean; readonly outlierGain: number }
  | { readonly kind: "norm-bias"; readonly residual: boolean; readonly outlierShare: number }
  | { readonly kind: "bias"; readonly std: number }
  /** Stored [in, out]; `std` at fan-in 1024. */
  | { readonly kind: "matrix"; readonly std: number; readonly rows: MatrixRows };

/**
 * What the rows of a matrix are. `residual`: channels of the residual stream, outliers are listened to less. `hidden`: units behind a GELU;
 * every other row is the negative of the one before, because units that are positive on average would otherwise add the same vector to
 * every token, and over 24 layers all tokens would become alike. Training avoids that with the biases.
 */
export type MatrixRows = "residual" | "heads" | "hidden";

const ones = (n: number): Float32Array => new Float32Array(n).fill(1);

/** A generator for the parameter `key` of shape [rows, columns], or [columns] with rows = 1. */
export function rowWriter(
  seed: number,
  key: string,
  role: Role,
  columns: number,
  rows: number,
  outliers: readonly OutlierChannel[],
): () => RowWriter {
  return () => {
    const random = new Normals(seed, key);
    if (role.kind === "embedding" || role.kind === "bias") {
      const scales = ones(columns + 1);
      return (row) => random.fill(row, role.std, scales);
    }
    if (role.kind === "gain")
      return (row) => {
        for (let i = 0; i < row.length; i++) row[i] = Math.min(1.05, Math.max(0.6, 0.85 + 0.07 * random.normal()));
        if (role.residual) for (const { channel } of outliers) row[channel] = role.outlierGain;
      };
    if (role.kind === "norm-bias")
      return (row) => {
        for (let i = 0; i < row.length; i++) row[i] = 0.05 * random.normal();
        if (role.residual)
          for (const { channel, level } of outliers) row[channel] = role.outlierShare * level * (1 + 0.1 * random.normal());
      };
    const scales = Float32Array.from({ length: columns + 1 }, () => Math.exp(0.15 * random.normal()));
    const std = role.std * Math.sqrt(1024 / rows);
    const quiet = new Set(role.rows === "residual" ? outliers.map((o) => o.channel) : []);
    const previous = new Float32Array(role.rows === "hidden" ? columns : 0);
    return (row, index) => {
      if (role.rows === "hidden" && index % 2 === 1) for (let i = 0; i < columns; i++) row[i] = -previous[i]!;
      else {
        random.fill(row, std * Math.exp(0.1 * random.normal()) * (quiet.has(index) ? 0.2 : 1), scales);
        if (role.rows === "hidden") previous.set(row);
      }
    };
  };
}
