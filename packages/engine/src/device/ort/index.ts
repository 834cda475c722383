export { openOrt } from "./open-ort.js";
export { absentEntry, copiesEntry } from "./placement.js";
export { type OrtBackendName, optimizationKey } from "./provider-options.js";
