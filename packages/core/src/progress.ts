/** Where long work tells how far it is. The CLI draws it on stderr; the default says nothing. */
export interface Progress {
  /**
   * Starts a step. `total` is in units of the caller's choice (candidates, tensors, bytes); undefined when unknown. Units that take very different times are not `steady`
   * (default: true): no time left is told from them.
   */
  step(label: string, total?: number, o?: { steady?: boolean }): ProgressStep;
  /** A line for people: something they should know that is no error. */
  note(message: string): void;
}
export interface ProgressStep {
  /** Says that `done` units are done in all (not: since the last call). */
  update(done: number): void;
  end(summary?: string): void;
}
export const silentProgress: Progress = {
  step: () => ({ update() {}, end() {} }),
  note() {},
};
