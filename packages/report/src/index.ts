export { renderBenchHtml } from "./bench-page.js";
export * from "./exports/index.js";
export { renderMarkdown } from "./markdown.js";
export { renderHtml } from "./page.js";
export { renderTerminalSummary } from "./terminal.js";
export { type ExampleBenchOptions, exampleBench } from "./testing/example-bench.js";
export { type ExampleDeviceOptions, exampleDevice, minimalDevice, type RecordedErrors } from "./testing/example-device.js";
export { type ExampleOptions, exampleResult } from "./testing/example-result.js";
export { wordOf } from "./view.js";
