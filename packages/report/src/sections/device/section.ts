import { deviceAnswerOf, placeOf } from "../../device/device-answer.js";
import type { DeviceView } from "../../device/device-view.js";
import { breakable, bytes } from "../../format.js";
import { html, type Markup, type Renderable } from "../../markup.js";
import { sentence, shortName, visible } from "../../names.js";
import type { View } from "../../view.js";
import { hazardTable } from "../hazards.js";
import type { Section } from "../section.js";
import { engines } from "./engines.js";
import { engineLayers } from "./layers.js";
import { messages } from "./messages.js";
import { pinsOnEngine } from "./pins.js";
import { placement } from "./placement.js";
import { tensorsOnEngine } from "./tensors.js";

/** What a real engine showed; undefined where none was asked, so that such pages stay what they were. */
export function deviceSection(v: View): Section | undefined {
  const { engine: d } = v;
  if (d === undefined) return undefined;
  const answer = deviceAnswerOf(d, v.word);
  const kind = answer.kind === "yes" && answer.alarms.length > 0 ? "unknown" : answer.kind;
  return {
    id: "engine",
    title: "On the engine",
    intro: html`What ${breakable(placeOf(d))} did with this model. Errors are against the same library's FP32 engine, on the same inputs; everything else on this page is predicted on the CPU unless it says otherwise.`,
    body: html`<div class="answer answer-${kind}"><p class="headline">${answer.headline}</p>${answer.alarms.map((a) => html`<p class="note alarm"><strong>${a}</strong></p>`)}${answer.detail.map((t) => html`<p>${t}</p>`)}${answer.agreement.length > 0 && html`<p class="note">${answer.agreement.join(" ")}</p>`}</div>${engines(v, d)}${tensorsOnEngine(v, d)}${pinsOnEngine(v, d)}${placement(d, v.word)}${messages(v, d)}${hazardsOf(d)}${engineLayers(v, d)}${facts(d)}`,
  };
}

function hazardsOf({ device }: DeviceView): Markup | false {
  const hazards = device.hazards ?? [];
  return hazards.length > 0 && html`<h3>Hazards that the engine named itself</h3>${hazardTable(hazards)}`;
}

function facts({ device }: DeviceView): Markup {
  const { environment: e, options } = device;
  const c = e.capabilities;
  const said = (text: string | undefined) => (text === undefined ? "not stated" : html`<bdi>${shortName(text, 200)}</bdi>`);
  const able: readonly (readonly [string, boolean])[] = [
    ["optimisation profiles", c.profiles],
    ["debug tensors", c.debugTensors],
    ["unfused tensors", c.unfusedTensors],
    ["strict NaN", c.strictNans],
    ["times of single layers", c.layerTimes],
    ["real half precision", c.realHalf],
  ];
  const list = (has: boolean) =>
    able
      .filter(([, is]) => is === has)
      .map(([name]) => name)
      .join(", ");
  const environment: readonly (readonly [string, Renderable])[] = [
    ["library", html`<bdi>${shortName(`${e.library} ${e.version}`, 120)}</bdi>`],
    ...(e.libraryPath === undefined ? [] : [["file", html`<bdi class="name">${visible(shortName(e.libraryPath, 160))}</bdi>`] as const]),
    ["GPU", e.gpu === undefined ? "none" : said(e.gpu)],
    ...(e.computeCapability === undefined ? [] : [["compute capability", said(e.computeCapability)] as const]),
    ...(e.memoryBytes === undefined ? [] : [["memory", bytes(e.memoryBytes)] as const]),
    ["driver", e.driver === undefined ? "none" : said(e.driver)],
    ...(e.cuda === undefined ? [] : [["CUDA that it serves", said(e.cuda)] as const]),
    ["offers", list(true) || "none of what is asked about"],
    ...(list(false) === "" ? [] : [["lacks", list(false)] as const]),
  ];
  const asked = Object.entries(options).slice(0, 40);
  return html`<h3>Where it ran</h3><div class="columns"><dl>${environment.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}</dl>${asked.length > 0 && html`<dl>${asked.map(([name, value]) => html`<dt>${shortName(name, 60)}</dt><dd>${typeof value === "boolean" ? (value ? "yes" : "no") : html`<bdi>${sentence(String(value))}</bdi>`}</dd>`)}</dl>`}</div>`;
}
