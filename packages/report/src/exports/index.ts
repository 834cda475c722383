export { exportAutocast } from "./autocast.js";
export { exportModelExplorer } from "./model-explorer.js";
export { exportNetron } from "./netron.js";
export { exportOrt } from "./ort.js";
export { type NamedArrays, type PolygraphyIteration, polygraphyInputs, polygraphyResults } from "./polygraphy.js";
export { type ReproducerAbout, type ReproducerFile, reproduceNotes, reproduceScript } from "./reproducer.js";
export { pythonPattern, shellQuote } from "./shell.js";
export type { ExportedFormat, ExportFile, ExportNode, ExportSubject, LostPin } from "./subject.js";
export { exportTrtexec, type TrtexecInput, type TrtexecProfile, type TrtexecVersion } from "./trtexec.js";
