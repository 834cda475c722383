import { exitCodes } from "@halfscope/core";
import type { Command } from "../command.js";
import { jsonOption } from "../options.js";

interface Arguments {
  json: boolean;
}

export const doctorCommand: Command<Arguments> = (context) => ({
  command: "doctor",
  describe: "what this machine can do, and how to get what is missing",
  builder: (y) => jsonOption(y).example("$0 doctor", "cores, ONNX Runtime, providers, CUDA, TensorRT"),
  handler: async (args) => {
    const { examineMachine } = await import("../../pipeline/doctor.js");
    const findings = await examineMachine();
    const word = (f: (typeof findings)[number]) => (f.ok ? "ok     " : f.needed ? "MISSING" : "absent ");
    context.answer(
      args.json,
      () => ({ schema: "halfscope/doctor/1", findings }),
      () => findings.map((f) => `${word(f)} ${f.name}: ${f.found}${f.remedy ? `\n        ${f.remedy}` : ""}`).join("\n"),
    );
    if (findings.some((f) => f.needed && !f.ok)) context.exitCode = exitCodes.run;
  },
});
