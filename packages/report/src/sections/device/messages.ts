import type { EngineMessage, EngineRecord, MessageKind } from "@halfscope/core";
import type { DeviceView } from "../../device/device-view.js";
import { isLoud, messageKinds, messageWords, roleWords } from "../../device/device-words.js";
import { count, countCell, nameOf, plural } from "../../format.js";
import { html, type Markup } from "../../markup.js";
import { shortName } from "../../names.js";
import type { View } from "../../view.js";
import { numeric, quoted, table, text } from "../section.js";

/** One message, however often and by however many engines it was said. */
interface Said {
  message: EngineMessage;
  count: number;
  engines: readonly EngineRecord[];
}

const mostShown = 3;

/** What the library said, by kind: kinds that may change numbers first, chatter folded. */
export function messages(v: View, d: DeviceView): Markup | false {
  const said = gather(d.device.engines);
  if (said.length === 0) return false;
  const groups = new Map<MessageKind, Said[]>();
  for (const s of said) groups.set(s.message.kind, [...(groups.get(s.message.kind) ?? []), s]);
  const loud = (list: readonly Said[]) => list.some((s) => isLoud(s.message));
  const place = (kind: MessageKind) => {
    const at = messageKinds.indexOf(kind);
    return at < 0 ? messageKinds.length : at;
  };
  const sorted = [...groups].toSorted((a, b) => Number(loud(b[1])) - Number(loud(a[1])) || place(a[0]) - place(b[0]));
  const rows = sorted.map(
    ([kind, list]) =>
      html`<tr><td>${loud(list) ? html`<strong class="alarm">${messageWords(kind)}</strong>` : messageWords(kind)}</td>${countCell(list.length)}${countCell(list.reduce((n, s) => n + s.count, 0))}<td class="prose">${quoted(list[0]?.message.text ?? "")}${list.length > 1 && html`<br><span class="small">and ${plural(list.length - 1, "other message")}</span>`}</td><td class="prose">${names(list)}</td></tr>`,
  );
  const all = said.slice(0, 500);
  return html`<h3>What the engine's library said</h3>${table([text("about"), numeric("messages"), numeric("times"), text("for instance"), text("names")], rows)}<details><summary>All ${plural(said.length, "message")}</summary>${table(
    [text("severity"), text("about"), text("message"), numeric("times"), text("engines")],
    all.map((s) => row(v, s)),
  )}${said.length > all.length && html`<p class="small">The first ${count(all.length)} of ${count(said.length)}.</p>`}</details>`;
}

function gather(engines: readonly EngineRecord[]): Said[] {
  const found = new Map<string, { message: EngineMessage; count: number; engines: EngineRecord[] }>();
  for (const engine of engines)
    for (const message of engine.messages) {
      const key = JSON.stringify([message.severity, message.kind, message.text]);
      const known = found.get(key);
      if (known === undefined) found.set(key, { message, count: message.count, engines: [engine] });
      else {
        known.count += message.count;
        if (!known.engines.includes(engine)) known.engines.push(engine);
      }
    }
  return [...found.values()];
}

function names(list: readonly Said[]): Markup {
  const all = [...new Set(list.flatMap((s) => s.message.names ?? []))];
  return html`<span>${all.slice(0, mostShown).map((n, i) => html`${i > 0 && ", "}${nameOf(n, 56)}`)}</span>${all.length > mostShown && ` and ${count(all.length - mostShown)} more`}`;
}

function row(v: View, s: Said): Markup {
  const serious = s.message.severity === "error" || s.message.severity === "internal-error";
  const who = [...new Set(s.engines.map((e) => roleWords(e.role, v.word)))];
  return html`<tr><td><span class="tag${(serious || isLoud(s.message)) && " tag-loud"}">${shortName(s.message.severity, 30)}</span></td><td>${messageWords(s.message.kind)}</td><td class="prose">${quoted(s.message.text)}</td>${countCell(s.count)}<td class="prose">${who.slice(0, 6).join(", ")}</td></tr>`;
}
