import type { CommandModule } from "yargs";
import type { Context } from "./context.js";

/** A command of the CLI, given what surrounds it. Handlers import their work when they run, so that --help stays fast. */
// biome-ignore lint/complexity/noBannedTypes: yargs names a command's own options as what is added to {}
export type Command<A> = (context: Context) => CommandModule<{}, A>;
