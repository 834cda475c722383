/** ONNX Runtime itself does not run the model; the message is its own. */
export class Refused extends Error {}
/** The step has nothing to do with this model; the message says why. */
export class Void extends Error {}
/** Something that must hold does not. */
export class Wrong extends Error {
  override name = "Wrong";
}
