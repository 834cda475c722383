/** Types inside a kernel that its name states: what is multiplied, and what the products are summed in. */
export interface KernelTypes {
  operands: "float32" | "tf32" | "float16" | "bfloat16" | "float8" | "integer";
  /** Undefined where the name does not say. */
  sums?: "float32" | "float16" | "bfloat16" | "integer";
}

/**
 * What the name of a kernel says of its arithmetic; undefined for names that say nothing (kernels that TensorRT generates, `__myl_...`, and fused
 * attentions). Three families of names, all seen in TensorRT's inspector output:
 *
 * - XMMA: `sm80_xmma_gemm_f16f16_f16f32_f32_...` are types of input and output, of the multiplication and its accumulator, of the epilogue;
 *   `..._f32f32_f32_f32_...` leaves the multiplication out, which then is in the input's type. Of these two, sums in FP16 and in FP32 show as different
 *   rounding on an H200 with TensorRT 10.6: `f16f16_f16f16_f16` errs as FP16 accumulators do, `f16f16_f16f32_f32` as FP32 ones.
 * - CUTLASS and cuDNN: `h1688`, `h884`, `h16816` multiply halves and sum halves, `s1688` ... sum in single precision; `f16f16f32` ends with the sums; `hmma`,
 *   `sgemm`, `hgemm`, `scudnn`, `hcudnn`, `i8816`, `imma`.
 * - The rest spell types out: `depthwiseHMMA_FP16NHWCx8`, `pooling_fw_4d_FP16FP32NCHW` (data, then sums), `..._Accfloat`.
 */
export function kernelTypes(name: string): KernelTypes | undefined {
  if (name.startsWith("__myl_")) return undefined;
  // Hashes may spell types by chance.
  const text = name.toLowerCase().replaceAll(/_?0x[0-9a-f]+/g, "");
  return xmmaTypes(text) ?? cutlassTypes(text) ?? spelledTypes(text);
}

const type = "bf16|tf32|f16|f32|f64|e4m3|e5m2|i8|u8|i32|i4";
const xmma = new RegExp(`_(${type})(${type})_(?:(${type})(${type})|(${type}))_(${type})(?=_|$)`);

function xmmaTypes(text: string): KernelTypes | undefined {
  const found = xmma.exec(text);
  if (found === null) return undefined;
  const [, input = "", , multiplied = input, accumulator, lone] = found;
  return typesOf(multiplied, accumulator ?? lone);
}

const threeTypes = new RegExp(`_(${type})(${type})(${type})(?=_|$)`);

function cutlassTypes(text: string): KernelTypes | undefined {
  const spelled = threeTypes.exec(text);
  if (spelled !== null) return typesOf(spelled[1] ?? "", spelled[3]);
  if (/(^|_)(i8816|i16816|i16832|i8832)|imma|int8/.test(text)) return { operands: "integer" };
  const mma = /(?:^|_)([hs])(?:884|1688|16816)/.exec(text);
  if (mma !== null) {
    const sums = mma[1] === "h" ? "float16" : "float32";
    if (/tf32/.test(text)) return { operands: "tf32", sums };
    return { operands: /bf16/.test(text) ? "bfloat16" : "float16", sums };
  }
  if (/(^|_)(sgemm|scudnn)/.test(text)) return { operands: "float32", sums: "float32" };
  if (/(^|_)(hgemm|hcudnn)/.test(text)) return { operands: "float16" };
  return undefined;
}

/** Type words that stand for themselves, in the order of the name: the first is the data's, a wider one behind it what is summed in. */
function spelledTypes(text: string): KernelTypes | undefined {
  const words = [
    ...text.matchAll(
      /(?<![a-z0-9])(?:[a-z]*hmma|[a-z]*imma)(?![a-z])|bf16|tf32|e4m3|fp8|int8|fp16|fp32|(?<![a-z0-9])f16|(?<![a-z0-9])f32|accfloat|acchalf/g,
    ),
  ];
  const kinds = words.map(([word]) =>
    word
      .replace(/^.*hmma$/, "f16")
      .replace(/^.*imma$/, "i8")
      .replace("fp", "f")
      .replace("int8", "i8"),
  );
  const data = kinds.find((k) => !k.startsWith("acc"));
  if (data === undefined) return undefined;
  const last = kinds.findLast((k) => k !== data);
  const sums = last === "accfloat" || (last === "f32" && data !== "f32") ? "f32" : last === "acchalf" ? "f16" : undefined;
  return typesOf(data === "f8" ? "e4m3" : data, sums ?? (data === "f32" ? "f32" : undefined));
}

function typesOf(operand: string, sum: string | undefined): KernelTypes {
  const operands = operandWords[operand] ?? "integer";
  const sums = sum === undefined ? undefined : sumWords[sum];
  return { operands, ...(sums !== undefined && { sums }) };
}

const operandWords: Readonly<Record<string, KernelTypes["operands"]>> = {
  f16: "float16",
  bf16: "bfloat16",
  f32: "float32",
  f64: "float32",
  tf32: "tf32",
  e4m3: "float8",
  e5m2: "float8",
};
const sumWords: Readonly<Record<string, NonNullable<KernelTypes["sums"]>>> = {
  f16: "float16",
  bf16: "bfloat16",
  f32: "float32",
  f64: "float32",
  tf32: "float32",
  i32: "integer",
  i8: "integer",
};

/** For evidence: "FP16, sums in FP32". */
export function kernelTypesText({ operands, sums }: KernelTypes): string {
  const words = { float32: "FP32", tf32: "TF32", float16: "FP16", bfloat16: "BF16", float8: "FP8", integer: "integers" };
  return sums === undefined || operands === "integer" || (sums === "float32" && operands === "float32")
    ? words[operands]
    : `${words[operands]}, sums in ${words[sums]}`;
}
