import { expect, test } from "vitest";
import { commandLine } from "./report-file.js";

test("a command is told as a reader runs it, without the folders of the machine that ran it", () => {
  const words = [
    "/opt/packed/scripts/dist/hardware/engines.js",
    "/opt/models/bert-large/model.onnx",
    "--shape",
    "encoder/ids=1x128",
    "--library=/opt/trt10",
    "--overrides",
    "/opt/models/pins",
    "--timing-cache",
    "./cache/timing.cache",
    "-o",
    "/tmp/out/large-tensorrt.json",
  ];
  expect(commandLine(words)).toBe(
    "node scripts/dist/hardware/engines.js bert-large/model.onnx --shape encoder/ids=1x128 --library=trt10 --overrides pins --timing-cache timing.cache -o reports/hardware/large-tensorrt.json",
  );
  expect(commandLine(["hazards.js", "--out=x/y.json"])).toBe("node scripts/dist/hardware/hazards.js --out=reports/hardware/y.json");
  expect(commandLine(["spread.js", "reports/hardware/a.json"])).toBe("node scripts/dist/hardware/spread.js reports/hardware/a.json");
});
