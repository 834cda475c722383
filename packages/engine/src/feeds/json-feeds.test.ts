import { stringsOf } from "@halfscope/core";
import { expect, test } from "vitest";
import type { FeedInput } from "./feed.js";
import { readJsonFeeds } from "./json-feeds.js";

const text: FeedInput = { name: "text", dtype: "string", dims: undefined };
const read = (document: unknown) => readJsonFeeds(new TextEncoder().encode(JSON.stringify(document)), "feed.json", [text])[0]?.get("text");

test("texts are read for inputs that are texts, in any shape", () => {
  const value = read({
    text: [
      ["größer", ""],
      ["a", "b"],
    ],
  });
  expect(value).toMatchObject({ dtype: "string", dims: [2, 2] });
  expect(stringsOf(value!)).toEqual(["größer", "", "a", "b"]);
  expect(stringsOf(read({ text: { dims: [2], data: ["x", "y"] } })!)).toEqual(["x", "y"]);
});

test("numbers among texts are refused", () => {
  expect(() => read({ text: ["a", 1] })).toThrowError(/expected texts, found 1/);
});
