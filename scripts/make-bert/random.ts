/**
 * Seeded normal numbers, fast enough for hundreds of millions: xoshiro128** gives 32 bits, each half picks one of 65,536 quantiles of
 * the normal distribution (so nothing lies beyond 4.3 standard deviations).
 */
export class Normals {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** Generators of different keys are independent: a tensor's values do not depend on which others are made. */
  constructor(seed: number, key: string) {
    const state = hash(`${seed}/${key}`);
    [this.a, this.b, this.c, this.d] = state;
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 32 random bits, unsigned. */
  next(): number {
    const s = Math.imul(this.b, 5);
    const result = Math.imul((s << 7) | (s >>> 25), 9);
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result >>> 0;
  }

  /** One standard normal number. */
  normal(): number {
    return quantiles[this.next() & 0xffff] ?? 0;
  }

  /** Fills `out` with standard normal numbers, each times `scale` and its element of `scales`. */
  fill(out: Float32Array, scale: number, scales: Float32Array): void {
    // The state lives in locals: this loop makes every weight of a model.
    let { a, b, c, d } = this;
    const n = out.length;
    for (let i = 0; i < n; i += 2) {
      const s = Math.imul(b, 5);
      const bits = Math.imul((s << 7) | (s >>> 25), 9);
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = (d << 11) | (d >>> 21);
      out[i] = quantiles[bits & 0xffff]! * scale * scales[i]!;
      // Beyond an odd end a typed array ignores the write.
      out[i + 1] = quantiles[bits >>> 16]! * scale * scales[i + 1]!;
    }
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }
}

const quantiles = Float32Array.from({ length: 65536 }, (_, i) => normalQuantile((i + 0.5) / 65536));

/** Inverse of the normal distribution function, Acklam's rational approximation: relative error below 1.2e-9. */
function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return (
      (((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q + 4.374664141464968) * q +
        2.938163982698783) /
      ((((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1)
    );
  }
  const q = p - 0.5;
  const r = q * q;
  return (
    ((((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r - 30.66479806614716) * r +
      2.506628277459239) *
      q) /
    (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r - 13.28068155288572) * r + 1)
  );
}

function hash(text: string): [number, number, number, number] {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  const word = () => {
    h = (h + 0x9e3779b9) | 0;
    let z = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) | 0;
  };
  return [word(), word(), word(), word() | 1];
}
