/** A Python with packages that tests compare against (`test/requirements.txt`), and how tests skip where there is none. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const found = new Map<string, string | undefined>();

/** Interpreter that can import all `modules`: HALFSCOPE_PYTHON, `.venv/bin/python` of the checkout, or `python3`. */
export function pythonWith(modules: readonly string[]): string | undefined {
  const wanted = modules.join(", ");
  if (!found.has(wanted)) {
    const candidates = [process.env.HALFSCOPE_PYTHON, `${root}.venv/bin/python`, "python3"];
    found.set(
      wanted,
      candidates.find((python) => python !== undefined && python !== "" && canImport(python, wanted)),
    );
  }
  return found.get(wanted);
}

/** As `pythonWith`, but skips the test, with the reason, where no interpreter has the modules. */
export function python(context: TestContext, ...modules: readonly string[]): string {
  return (
    pythonWith(modules) ??
    context.skip(`no Python with ${modules.join(", ")} (python3 -m venv .venv; .venv/bin/pip install -r test/requirements.txt)`)
  );
}

function canImport(interpreter: string, modules: string): boolean {
  if (interpreter.includes("/") && !existsSync(interpreter)) return false;
  try {
    execFileSync(interpreter, ["-c", `import ${modules}`], { stdio: "ignore", timeout: 60_000 });
    return true;
  } catch {
    return false;
  }
}
