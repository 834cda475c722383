import type { Torture } from "../torture.js";
import { borders } from "./borders.js";
import { branches } from "./branches.js";
import { functions } from "./functions.js";
import { future } from "./future.js";
import { loops } from "./loops.js";
import { awaiting, values } from "./values.js";

/** Every hand-made model that can be read; most of them run. */
export const tortures: readonly (readonly [what: string, torture: Torture])[] = Object.entries({
  ...branches,
  ...borders,
  ...loops,
  ...functions,
  ...values,
  ...future,
  ...awaiting,
});
