export * from "./agreement.js";
export { spearman } from "./correlation.js";
export * from "./engine-trials.js";
export * from "./fused-attention.js";
export * from "./latency-front.js";
export * from "./message-hazards.js";
export * from "./tensor-agreement.js";
