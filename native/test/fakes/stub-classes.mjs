// Writes C++ that implements every pure virtual function of TensorRT's implementation classes by ending the program: `node stub-classes.mjs INCLUDE_FOLDER OUT.h`.
// The fake TensorRT of the tests overrides those few that halfscope calls.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Preprocessor lines, and what lies between #if and #endif (features of unreleased versions), go away with the comments. */
const plain = (text) =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\/\/[^\n]*/g, "")
    .replace(/^#if [^\n]*\n[\s\S]*?^#endif[^\n]*\n/gm, "")
    .replace(/^#[^\n]*\n/gm, "");

/** One class per match of `pattern`, whose groups are the name and the body. */
function stubsOf(text, pattern) {
  return [...text.matchAll(pattern)].map(([, name, body]) => {
    const functions = [...body.matchAll(/virtual\s+([^;{}]+?)\s*=\s*0\s*;/g)].map(([, declaration]) => {
      const said = declaration.replace(/\s+/g, " ").replace(/\bTRT_\w+ /g, "");
      return `  ${said} override { unexpected("${name}::${/(\w+)\s*\(/.exec(said)?.[1]}"); }`;
    });
    return `class Stub${name} : public ${name}\n{\npublic:\n${functions.join("\n")}\n};`;
  });
}

const [folder, out] = process.argv.slice(2);
const text = (name) => plain(readFileSync(join(folder, name), "utf8"));
const unexpected =
  '[[noreturn]] inline void unexpected(char const* what)\n{\n  std::fprintf(stderr, "The fake TensorRT has no %s\\n", what);\n  std::abort();\n}';
const classes = stubsOf(text("NvInferImpl.h"), /class (V\w+)\s*:\s*public VRoot\s*\{([\s\S]*?)\n\};/g);
const parsers = stubsOf(text("NvOnnxParser.h"), /class (IParser|IParserError)\s*\{([\s\S]*?)\n\};/g);
writeFileSync(
  out,
  `#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <cstdio>
#include <cstdlib>

namespace nvinfer1
{
namespace apiv
{
${unexpected}

${classes.join("\n\n")}
} // namespace apiv
} // namespace nvinfer1

namespace nvonnxparser
{
using nvinfer1::apiv::unexpected;

${parsers.join("\n\n")}
} // namespace nvonnxparser
`,
);
