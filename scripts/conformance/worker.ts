/** A process of the pool: takes models one after the other, and tells each step before it begins, so that a crash says where it happened. */
import { checkModel } from "./check-model.js";
import type { ConformanceModel } from "./models.js";
import type { ModelRecord, StepName } from "./record.js";

export interface Job {
  model: ConformanceModel;
  folder: string;
}
export type Answer = { kind: "step"; step: StepName } | { kind: "done"; record: ModelRecord; files: string[] };

const tell = (answer: Answer) => process.send?.(answer);

process.on("message", (job: Job) => {
  checkModel(job.model, { folder: job.folder, begin: (step) => tell({ kind: "step", step }) }).then(
    ({ record, files }) => tell({ kind: "done", record, files }),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
// The pool has gone: nobody waits for an answer.
process.on("disconnect", () => process.exit(0));
