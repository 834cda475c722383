import { describe, expect, it } from "vitest";
import { inputTypes, operatorNames, operatorTypes, outputTypes, schemaVersions } from "./operators.js";
import { operatorTable } from "./operators-table.js";

describe("the table of operators", () => {
  it("gives the schema in force: the largest version up to the opset", () => {
    const since = (opset: number) => operatorTypes("", "Relu", opset)?.since;
    expect([0, 1, 5, 6, 13, 14, 99].map(since)).toEqual([undefined, 1, 1, 6, 13, 14, 14]);
  });

  it("knows nothing of operators and domains that it does not have", () => {
    for (const [domain, name] of [
      ["", "Unheard"],
      ["", "toString"],
      ["", "__proto__"],
      ["__proto__", "Add"],
      ["com.example", "Add"],
      ["com.microsoft", "Add"],
    ] as const)
      expect(operatorTypes(domain, name, 17), `${domain}:${name}`).toBeUndefined();
  });

  it("gives each position of a variadic parameter its letter", () => {
    const concat = operatorTypes("", "Concat", 13)!;
    expect([inputTypes(concat, 0)?.letter, inputTypes(concat, 7)?.letter]).toEqual(["T", "T"]);
    const loop = operatorTypes("", "Loop", 13)!;
    expect([0, 1, 2, 5].map((i) => inputTypes(loop, i)?.letter)).toEqual(["", "", "V#2", "V#5"]);
    expect([0, 3].map((i) => outputTypes(loop, i)?.letter)).toEqual(["V#0", "V#3"]);
    expect(inputTypes(operatorTypes("", "Relu", 14)!, 1)).toBeUndefined();
  });

  it("tells function bodies, deprecated operators, attributes that name types, and sequences", () => {
    expect(operatorTypes("", "Gelu", 20)?.hasBody).toBe(true);
    expect(operatorTypes("", "MatMul", 20)?.hasBody).toBe(false);
    expect([9, 10].map((v) => operatorTypes("", "Upsample", v)?.deprecated)).toEqual([false, true]);
    expect(operatorTypes("", "HannWindow", 17)?.typeAttribute).toEqual({ name: "output_datatype", default: 1 });
    expect(operatorTypes("", "EyeLike", 17)?.typeAttribute).toEqual({ name: "dtype", default: undefined });
    expect(operatorTypes("", "SequenceAt", 17)?.inputs[0]?.nested).toBe(true);
  });

  it("is read completely: every line has versions that rise, and every letter of it has types", () => {
    for (const domain of Object.keys(operatorTable))
      for (const name of operatorNames(domain)) {
        const versions = schemaVersions(domain, name);
        expect(versions.length, name).toBeGreaterThan(0);
        expect(
          versions.every((v, i) => Number.isInteger(v.since) && v.since > (versions[i - 1]?.since ?? 0)),
          name,
        ).toBe(true);
        for (const p of versions.flatMap((v) => [...v.inputs, ...v.outputs]))
          expect(p.letter === "" ? p.floats.size === 0 : p.nested || p.floats.size > 0, `${name}: ${p.letter}`).toBe(true);
      }
    expect(operatorNames("").length).toBeGreaterThan(200);
    expect(operatorNames("com.microsoft").length).toBeGreaterThan(120);
  });
});
