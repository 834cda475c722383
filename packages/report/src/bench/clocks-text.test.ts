import { expect, test } from "vitest";
import { clocksText } from "./clocks-text.js";

const clock = (
  smMHz: number,
  o: Partial<Parameters<typeof clocksText>[0] & { throttle: string[]; powerWatts: number; temperatureC: number }> = {},
) => ({
  ...{ smMHz, memoryMHz: 2619, throttle: [] as string[] },
  ...o,
});

test.each([
  [{ before: clock(1980), after: clock(1965) }, "SM 1980 MHz before, 1965 MHz after, memory 2619 MHz, no throttling"],
  [
    {
      before: clock(345, { throttle: ["idle"] }),
      after: clock(1410, { throttle: ["power limit", "heat"], powerWatts: 698.6, temperatureC: 71 }),
    },
    "SM 345 MHz before (idle), 1410 MHz after, memory 2619 MHz, 699 W and 71 °C after, held back by power limit, heat",
  ],
  [{ reason: "no NVML" }, "not read: no NVML"],
  [
    { before: clock(1980), reason: "the driver is gone" },
    "SM 1980 MHz before, memory 2619 MHz, no throttling, after not read: the driver is gone",
  ],
  [undefined, "not read"],
  [{}, "not read"],
])("of %j", (clocks, text) => {
  expect(clocksText(clocks)).toBe(text);
});
