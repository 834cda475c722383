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
    if (args.json) context.result({ schema: "halfscope/doctor/1", findings });
    else
      for (const f of findings)
        process.stdout.write(
          `${f.ok ? "ok     " : f.needed ? "MISSING" : "absent "} ${f.name}: ${f.found}${f.remedy ? `\n        ${f.remedy}` : ""}\n`,
        );
    if (findings.some((f) => f.needed && !f.ok)) context.exitCode = exitCodes.run;
  },
});
