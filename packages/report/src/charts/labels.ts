/** Where words stand beside marks of a chart without covering other marks or words. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface LabelPlace {
  x: number;
  y: number;
  anchor: "start" | "middle" | "end";
}

/** Width of a character of 12 px text, on average and rather too wide. */
const character = 6.3;
const lineHeight = 14;

/**
 * The first free place around (x, y): right, left, above, below, then further up and down. The box that is chosen joins `taken`. Undefined where none is free: the words
 * stand in the table beside the chart too.
 */
export function placeLabel(
  words: string,
  x: number,
  y: number,
  taken: Box[],
  inside: { left: number; right: number; top: number; bottom: number },
): LabelPlace | undefined {
  const width = character * [...words].length;
  const places: LabelPlace[] = [0, -1, 1, -2, 2, -3, 3, -4, 4].flatMap((lines): LabelPlace[] => {
    const shifted = y + lines * lineHeight;
    const gap = lines === 0 ? 11 : 9;
    return [
      { x: x + gap, y: shifted, anchor: "start" },
      { x: x - gap, y: shifted, anchor: "end" },
      ...(lines === 0 ? [] : [{ x, y: shifted + Math.sign(lines) * 3, anchor: "middle" } as const]),
    ];
  });
  for (const place of places) {
    const left = place.anchor === "start" ? place.x : place.anchor === "end" ? place.x - width : place.x - width / 2;
    const box = { x: left, y: place.y - lineHeight / 2, width, height: lineHeight };
    const fits = left >= inside.left && left + width <= inside.right && box.y >= inside.top && box.y + lineHeight <= inside.bottom;
    if (!fits || taken.some((t) => overlaps(t, box))) continue;
    taken.push(box);
    return place;
  }
  return undefined;
}

const overlaps = (a: Box, b: Box): boolean => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
