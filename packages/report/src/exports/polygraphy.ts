/** A tensor by name, as the bytes of an `.npy` file. */
export type NamedArrays = ReadonlyMap<string, Uint8Array>;

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
/** A multiple of three, so that base64 pieces can be put side by side. */
const pieceBytes = 3 << 20;

function* ndarray(npy: Uint8Array): Generator<Uint8Array> {
  yield text('{"array": "');
  const bytes = Buffer.from(npy.buffer, npy.byteOffset, npy.byteLength);
  for (let at = 0; at < bytes.length; at += pieceBytes) yield text(bytes.toString("base64", at, Math.min(bytes.length, at + pieceBytes)));
  yield text('", "polygraphy_class": "ndarray"}');
}

function* separated<T>(items: Iterable<T>, write: (item: T) => Iterable<Uint8Array>): Generator<Uint8Array> {
  let first = true;
  for (const item of items) {
    yield text(first ? "\n" : ",\n");
    first = false;
    yield* write(item);
  }
}

/** A file for Polygraphy's `--load-inputs`: a list of samples, each a dict of arrays. In pieces, for it may be large. */
export function polygraphyInputs(samples: readonly NamedArrays[]): Uint8Array[] {
  return [
    text("["),
    ...separated(samples, function* (sample) {
      yield text("{");
      yield* separated(sample, function* ([name, npy]) {
        yield text(`${JSON.stringify(name)}: `);
        yield* ndarray(npy);
      });
      yield text("}");
    }),
    text("]\n"),
  ];
}

export interface PolygraphyIteration {
  readonly outputs: NamedArrays;
  /** Seconds. */
  readonly runtime: number;
}

/** A file for Polygraphy's `--load-outputs`: RunResults of one runner, an iteration per sample. */
export function polygraphyResults(runner: string, iterations: readonly PolygraphyIteration[]): Uint8Array[] {
  const name = JSON.stringify(runner);
  return [
    text(`{"lst": [[${name}, [`),
    ...separated(iterations, function* ({ outputs, runtime }) {
      yield text('{"outputs": {');
      yield* separated(outputs, function* ([output, npy]) {
        yield text(`${JSON.stringify(output)}: {"values": `);
        yield* ndarray(npy);
        yield text(', "polygraphy_class": "LazyArray"}');
      });
      yield text(`}, "runtime": ${Number.isFinite(runtime) ? runtime : 0}, "runner_name": ${name}, "polygraphy_class": "IterationResult"}`);
    }),
    text(']]], "polygraphy_class": "RunResults"}\n'),
  ];
}
