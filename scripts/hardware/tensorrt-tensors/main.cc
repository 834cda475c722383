// What TensorRT's FP16 does to every float tensor that an ONNX graph names, beside the same network in FP32 (TF32 off). README.md beside this file tells
// how to build and run it.
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "engine.h"
#include "prepared.h"

namespace halfscope {
namespace {

/// Sums over pairs where both sides are finite, in FP64.
struct Difference {
  std::size_t count = 0, bad_reference = 0, bad_candidate = 0;
  double max = 0, sum = 0, squares = 0, reference_squares = 0;
  std::size_t finite = 0;
};

Difference difference_of(const std::vector<float>& reference, const std::vector<float>& candidate) {
  Difference d;
  d.count = reference.size();
  for (std::size_t i = 0; i < d.count; i++) {
    const double r = reference[i], c = candidate[i];
    if (!std::isfinite(r)) d.bad_reference++;
    if (!std::isfinite(c)) d.bad_candidate++;
    if (!std::isfinite(r) || !std::isfinite(c)) continue;
    const double error = std::fabs(r - c);
    d.finite++;
    d.max = std::fmax(d.max, error);
    d.sum += error;
    d.squares += error * error;
    d.reference_squares += r * r;
  }
  return d;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// ["name", count, maximum error, mean error, root mean square of the error, of the reference, non-finite values of the reference, of the candidate]
std::string row(const std::string& name, const Difference& d) {
  const double n = d.finite == 0 ? 1 : static_cast<double>(d.finite);
  char numbers[256];
  std::snprintf(numbers, sizeof numbers, ", %zu, %.6g, %.6g, %.6g, %.6g, %zu, %zu]", d.count, d.max, d.sum / n, std::sqrt(d.squares / n),
                std::sqrt(d.reference_squares / n), d.bad_reference, d.bad_candidate);
  return "[" + quoted(name) + numbers;
}

void write(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fclose(file) != 0) {
    std::perror(path.c_str());
    std::exit(1);
  }
}

std::string rows(const std::vector<std::string>& names, const EngineRun& reference, const EngineRun& candidate) {
  std::string out;
  for (const std::string& name : names) {
    const auto r = reference.values.find(name), c = candidate.values.find(name);
    if (r == reference.values.end() || c == candidate.values.end()) continue;
    out += (out.empty() ? "    " : ",\n    ") + row(name, difference_of(r->second, c->second));
  }
  return out;
}

std::string engine_entry(const char* name, const EngineRun& run) {
  char line[160];
  std::snprintf(line, sizeof line, "    {\"name\": \"%s\", \"buildSeconds\": %.1f, \"milliseconds\": %.3f}", name, run.build_seconds, run.milliseconds);
  return line;
}

int main_of(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: tensorrt-tensors MODEL.onnx PREPARED_FOLDER OUT_FOLDER [--values] [--prefer-half] [--marked-only]\n");
    return 2;
  }
  const std::string model = argv[1], folder = argv[2], out = argv[3];
  bool values = false, prefer_half = false, marked_only = false;
  for (int i = 4; i < argc; i++) {
    values = values || std::string(argv[i]) == "--values";
    marked_only = marked_only || std::string(argv[i]) == "--marked-only";
    prefer_half = prefer_half || std::string(argv[i]) == "--prefer-half";
  }
  const Prepared prepared = read_prepared(folder);
  const std::string description = read_description(folder);
  // createInferBuilder ends the process where it finds no GPU.
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "no GPU that CUDA can use: %s\n", cudaGetErrorString(status));
    return 1;
  }

  const EngineRun reference = run_engine(model, prepared, {false, true, false});
  std::fprintf(stderr, "FP32, %zu tensors marked: %.1f s\n", reference.values.size(), reference.build_seconds);
  const EngineRun candidate = run_engine(model, prepared, {true, true, prefer_half});
  std::fprintf(stderr, "FP16, %zu tensors marked: %.1f s\n", candidate.values.size(), candidate.build_seconds);
  const EngineRun plain = marked_only ? EngineRun{} : run_engine(model, prepared, {true, false, false});
  std::fprintf(stderr, "FP16, unmarked: %.1f s\n", plain.build_seconds);

  cudaDeviceProp device{};
  cudaGetDeviceProperties(&device, 0);
  int driver = 0;
  cudaDriverGetVersion(&driver);
  const int version = getInferLibVersion();
  char head[512];
  std::snprintf(head, sizeof head,
                "{\n  \"schema\": \"halfscope/tensorrt-tensors/1\",\n  \"tensorrt\": \"%d.%d.%d\",\n  \"gpu\": \"%s\",\n  \"cudaDriver\": \"%d.%d\",\n",
                version / 10000, version / 100 % 100, version % 100, device.name, driver / 1000, driver % 1000 / 10);
  write(out + "/tensors.json", std::string(head) + "  \"subject\": " + description + ",\n  \"engines\": [\n" + engine_entry("FP32, marked", reference) +
                                   ",\n" + engine_entry(prefer_half ? "FP16, marked as FP16" : "FP16, marked", candidate) + ",\n" + engine_entry("FP16", plain) +
                                   "\n  ],\n  \"columns\": [\"tensor\", \"count\", \"maxAbs\", \"meanAbs\", \"rmsError\", \"rmsReference\", \"nonFiniteReference\", "
                                   "\"nonFiniteCandidate\"],\n  \"outputsUnmarked\": [\n" +
                                   rows(reference.outputs, reference, plain) + "\n  ],\n  \"tensors\": [\n" + rows(prepared.tensors, reference, candidate) +
                                   "\n  ]\n}\n");
  write(out + "/layers-fp16-marked.json", candidate.layers);
  if (!marked_only) write(out + "/layers-fp16.json", plain.layers);
  if (values)
    for (std::size_t i = 0; i < prepared.tensors.size(); i++) {
      const auto found = candidate.values.find(prepared.tensors[i]);
      if (found == candidate.values.end()) continue;
      write(out + "/value-" + std::to_string(i) + ".f32", std::string(reinterpret_cast<const char*>(found->second.data()), found->second.size() * sizeof(float)));
    }
  return 0;
}

}  // namespace
}  // namespace halfscope

int main(int argc, char** argv) {
  try {
    return halfscope::main_of(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
