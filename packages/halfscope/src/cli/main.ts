/**
 * The first file that the command line loads. It imports nothing of weight by itself: `--help` should be there at once, and parsing a command line needs a fraction of
 * what running a model does.
 */
import * as nodeModule from "node:module";
import { version } from "../version.js";

// Node keeps compiled code from 22.1 on; earlier ones compile anew.
(nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();

const [only, ...others] = process.argv.slice(2);
if (only === "--version" && others.length === 0) process.stdout.write(`${version}\n`);
else await import("./run.js");
