import { expect, it } from "vitest";
import { topBlock } from "./layer.js";

it.each([
  ["encoder/layer.3/attention/self", "encoder/layer.3"],
  ["encoder", "encoder"],
  ["model/head/dense", "model"],
  ["", ""],
  ["h.0/attn", "h.0"],
])("the block path %j belongs to the block %j", (path, block) => expect(topBlock(path)).toBe(block));
