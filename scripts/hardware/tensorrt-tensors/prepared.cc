#include "prepared.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace halfscope {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

std::string read_description(const std::string& folder) { return read_file(folder + "/prepared.json"); }

Prepared read_prepared(const std::string& folder) {
  Prepared prepared;
  std::istringstream lines(read_file(folder + "/run.txt"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what == "tensor") {
      prepared.tensors.push_back(line.substr(what.size() + 1));
    } else if (what == "input") {
      Input input;
      std::string file;
      std::size_t rank = 0;
      if (!(words >> file >> rank)) throw std::runtime_error("cannot read this line of run.txt: " + line);
      input.dims.resize(rank);
      for (std::int64_t& size : input.dims) words >> size;
      words.get();
      std::getline(words, input.name);
      const std::string bytes = read_file(folder + "/" + file);
      input.bytes.assign(bytes.begin(), bytes.end());
      prepared.inputs.push_back(std::move(input));
    } else if (!what.empty()) {
      throw std::runtime_error("cannot read this line of run.txt: " + line);
    }
  }
  return prepared;
}

}  // namespace halfscope
