import type { Random } from "./random.js";

/** Where a sample is padded: per row of the batch, how many positions at the end of the sequence. */
export type Padding = (row: number, length: number) => number;

/** Splits a shape into rows (axis 0, if there is more than one axis), lines (the axes between) and positions (the last axis). */
function sequenceParts(dims: readonly number[]): { rows: number; lines: number; length: number } {
  const length = dims.at(-1) ?? 1;
  const rows = dims.length > 1 ? dims[0]! : 1;
  return { rows, lines: dims.slice(1, -1).reduce((n, d) => n * d, 1), length };
}

/** Calls `value` for every element with its row in the batch, its position and how many positions of the row are no padding. */
function perPosition(
  dims: readonly number[],
  padding: Padding,
  value: (position: number, used: number, row: number) => number,
): Float64Array {
  const { rows, lines, length } = sequenceParts(dims);
  const values = new Float64Array(rows * lines * length);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / (lines * length));
    values[i] = value(i % length, length - padding(row, length), row);
  }
  return values;
}

/** [CLS] and [SEP] of the vocabularies that BERT's English models have. */
const knownVocabularies = new Map([
  [30522, { first: 101, last: 102 }],
  [28996, { first: 101, last: 102 }],
]);

/**
 * Token ids in [0, rows): half of them frequent ones (log-uniform, as words of a text are), half of them any. Large vocabularies begin
 * with a thousand reserved entries that no text holds. Padding is id 0.
 */
export function tokenIds(random: Random, dims: readonly number[], rows: number, padding: Padding): Float64Array {
  const special = knownVocabularies.get(rows);
  const reserved = rows > 20_000 ? 1000 : rows > 8 ? 3 : 0;
  const words = rows - reserved;
  return perPosition(dims, padding, (position, used) => {
    const frequent = random.uniform() < 0.5;
    const draw = random.uniform();
    if (position >= used) return 0;
    if (special !== undefined && used > 2 && (position === 0 || position === used - 1))
      return position === 0 ? special.first : special.last;
    return Math.min(rows - 1, reserved + Math.floor(frequent ? words ** draw - 1 : words * draw));
  });
}

/** `kept` where there is a token and `masked` where there is padding. */
export const mask = (dims: readonly number[], kept: number, masked: number, padding: Padding): Float64Array =>
  perPosition(dims, padding, (position, used) => (position < used ? kept : masked));

/** Zeros; with `split`, ones for the second half of the tokens. */
export const segments = (dims: readonly number[], split: boolean, padding: Padding): Float64Array =>
  perPosition(dims, padding, (position, used) => (split && position >= used / 2 && position < used ? 1 : 0));

export const positions = (dims: readonly number[], rows: number, padding: Padding): Float64Array =>
  perPosition(dims, padding, (position) => (rows > 0 && Number.isFinite(rows) ? position % rows : position));

/** Smooth images with values in [0, 1]: a few plane waves per channel, and noise. Shapes: [..., C, H, W], or [..., H, W, C]. */
export function images(random: Random, dims: readonly number[], channelsLast: boolean): Float64Array {
  const [height, width] = (channelsLast ? dims.slice(-3, -1) : dims.slice(-2)) as [number, number];
  const channels = (channelsLast ? dims.at(-1) : dims.at(-3))!;
  const values = new Float64Array(dims.reduce((n, d) => n * d, 1));
  const planes = height * width === 0 ? 0 : values.length / (height * width);
  for (let plane = 0; plane < planes; plane++) {
    const waves = Array.from({ length: 4 }, () => ({
      x: random.normal() * 6,
      y: random.normal() * 6,
      phase: random.uniform() * 2 * Math.PI,
    }));
    const image = channelsLast ? Math.floor(plane / channels) : plane;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const smooth = waves.reduce((sum, w) => sum + Math.cos((w.x * x) / width + (w.y * y) / height + w.phase), 0) / 4;
        const value = Math.min(1, Math.max(0, 0.5 + 0.5 * smooth + 0.03 * random.normal()));
        values[channelsLast ? ((image * height + y) * width + x) * channels + (plane % channels) : (plane * height + y) * width + x] =
          value;
      }
  }
  return values;
}

/** Sound with amplitudes up to 0.5: harmonics of a voice-like pitch at 16 kHz, and noise. The longest axis is time. */
export function waveform(random: Random, dims: readonly number[]): Float64Array {
  const length = Math.max(0, ...dims);
  const values = new Float64Array(dims.reduce((n, d) => n * d, 1));
  // Time is the longest axis; axes behind it (of size 1 in practice) interleave channels.
  const behind = dims.slice(dims.indexOf(length) + 1).reduce((n, d) => n * d, 1);
  const pitch = 90 + 160 * random.uniform();
  const harmonics = Array.from({ length: 5 }, (_, i) => ({
    frequency: pitch * (i + 1),
    phase: random.uniform() * 2 * Math.PI,
    amplitude: 1 / (i + 1),
  }));
  for (let i = 0; i < values.length; i++) {
    const seconds = (Math.floor(i / behind) % length) / 16_000;
    const tone = harmonics.reduce((sum, h) => sum + h.amplitude * Math.sin(2 * Math.PI * h.frequency * seconds + h.phase), 0);
    values[i] = Math.min(0.5, Math.max(-0.5, 0.15 * tone + 0.01 * random.normal()));
  }
  return values;
}

export const fill = (dims: readonly number[], next: () => number): Float64Array =>
  Float64Array.from({ length: dims.reduce((n, d) => n * d, 1) }, next);
