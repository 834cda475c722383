// A libnvonnxparser that reads nothing: the network of the fake libnvinfer is always the same. A file that is not there, or holds the word BROKEN, cannot be parsed.

#include "stubs.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace {

class ParserError final : public nvonnxparser::StubIParserError {
 public:
  const char* desc() const noexcept override { return "No importer registered for op: Strange"; }
  const char* nodeName() const noexcept override { return "odd"; }
  const char* nodeOperator() const noexcept override { return "Strange"; }
};

class Parser final : public nvonnxparser::StubIParser {
 public:
  bool parse(const void* model, std::size_t size, const char*) noexcept override { return judge(std::string(static_cast<const char*>(model), size)); }
  bool parseFromFile(const char* path, int) noexcept override {
    std::ifstream file(path, std::ios::binary);
    return file && judge(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  int getNbErrors() const noexcept override { return broken_ ? 1 : 0; }
  const nvonnxparser::IParserError* getError(int) const noexcept override { return &error_; }

 private:
  bool judge(const std::string& text) noexcept {
    broken_ = text.find("BROKEN") != std::string::npos;
    return !broken_;
  }
  bool broken_ = false;
  ParserError error_;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) void* createNvOnnxParser_INTERNAL(void*, void*, int) noexcept { return static_cast<nvonnxparser::IParser*>(new Parser()); }
