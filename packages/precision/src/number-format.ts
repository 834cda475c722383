import type { HalfType } from "@halfscope/core";
import { bfloatBits, numberFromBfloat, roundToBfloat } from "./bfloat.js";
import { halfBits, numberFromHalf, roundToHalf } from "./half.js";

/** What the code that serves both types asks of a number format of 16 bits. */
export interface NumberFormat {
  /** To the nearest number, ties to even; with `finite`, finite values beyond the range become the largest number. */
  round(x: number, finite?: boolean): number;
  bits(x: number, finite?: boolean): number;
  fromBits(bits: number): number;
}

export const formats: Readonly<Record<HalfType, NumberFormat>> = {
  float16: { round: roundToHalf, bits: halfBits, fromBits: numberFromHalf },
  bfloat16: { round: roundToBfloat, bits: bfloatBits, fromBits: numberFromBfloat },
};

export const isHalfType = (dtype: string | undefined): dtype is HalfType => dtype === "float16" || dtype === "bfloat16";
