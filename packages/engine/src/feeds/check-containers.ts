import { type FeedValue, InputError, isTensorValue, type SequenceValue, type TensorValue } from "@halfscope/core";
import { type FeedInput, typeText } from "./feed.js";

/** The value for an input that is a sequence or an optional; a bare value is taken for the optional that holds it. Errors: ERR_FEED. */
export function checkContainer(given: FeedValue, input: FeedInput, where: string): FeedValue {
  const { container, name } = input;
  const fail = (found: string): InputError =>
    new InputError("ERR_FEED", `${where}: "${name}" is given ${found}; the model expects ${typeText(input)}.`, {
      hint: "Feed it as ONNX test data does, as a serialised SequenceProto or OptionalProto (input_0.pb).",
      context: { tensor: name, expected: typeText(input), found },
    });
  if (container === undefined || container.kind === "other") throw fail(describe(given));
  const sequence = (value: SequenceValue): SequenceValue => {
    if (value.elements.length > 0 && value.dtype !== container.dtype) throw fail(describe(value));
    // An empty sequence has no type of its own.
    return { ...value, dtype: container.dtype };
  };
  if (container.kind === "sequence") {
    if (isTensorValue(given) || given.kind !== "sequence") throw fail(describe(given));
    return sequence(given);
  }
  const inside = !isTensorValue(given) && given.kind === "optional" ? given.value : given;
  const optional = (value: TensorValue | SequenceValue | undefined): FeedValue => ({
    kind: "optional",
    of: container.of,
    dtype: container.dtype,
    value,
  });
  if (inside === undefined) return optional(undefined);
  if (isTensorValue(inside)) {
    if (container.of !== "tensor" || inside.dtype !== container.dtype) throw fail(describe(inside));
    return optional(inside);
  }
  if (container.of !== "sequence") throw fail(describe(inside));
  return optional(sequence(inside));
}

function describe(value: FeedValue): string {
  if (isTensorValue(value)) return `a tensor of ${value.dtype}`;
  return value.kind === "sequence" ? `a sequence of ${value.dtype}` : "an optional";
}
