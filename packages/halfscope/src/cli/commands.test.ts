import { silentProgress } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import type { Argv, CommandModule } from "yargs";
import { commands } from "./commands.js";
import { newContext } from "./context.js";

describe("the list of commands", () => {
  it.each(commands.map((c) => [c.name, c] as const))("says of %s what its module says", async (_, listed) => {
    const found: CommandModule[] = [];
    const parser = { command: (module: CommandModule) => void found.push(module) } as unknown as Argv;
    await listed.register(parser, newContext(silentProgress, new AbortController().signal));
    expect(found[0]).toMatchObject({ command: listed.command, describe: listed.describe });
  });
});
