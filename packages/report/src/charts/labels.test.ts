import { expect, test } from "vitest";
import { type Box, placeLabel } from "./labels.js";

const inside = { left: 0, right: 300, top: 0, bottom: 200 };

test("words beside marks neither overlap nor leave the chart, and are left out where there is no room", () => {
  const taken: Box[] = [];
  const placed = Array.from({ length: 30 }, (_, i) => placeLabel(`label ${i}`, 150, 100, taken, inside));
  const found = placed.filter((p) => p !== undefined);
  expect(found.length).toBe(taken.length);
  expect(found.length).toBeGreaterThan(9);
  expect(placed.at(-1)).toBeUndefined();
  for (const [i, a] of taken.entries()) {
    expect(a.x >= 0 && a.x + a.width <= 300 && a.y >= 0 && a.y + a.height <= 200).toBe(true);
    for (const b of taken.slice(i + 1))
      expect(a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height).toBe(false);
  }
});

test("words at the right edge stand on the left of their mark", () => {
  expect(placeLabel("a long label", 290, 100, [], inside)?.anchor).toBe("end");
});
