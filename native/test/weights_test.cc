#include "ort/weights.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "core/bfloat.h"
#include "core/error.h"
#include "core/half.h"
#include "metrics/error_stats.h"
#include "test/harness.h"

using namespace halfscope;
using namespace halfscope::ort;

namespace {

/// A file of floats that starts at an odd offset.
class WeightFile {
 public:
  WeightFile() : path_("/tmp/halfscope-weights-" + std::to_string(::getpid())) {
    std::ofstream file(path_, std::ios::binary);
    file << "x";
    for (int i = 0; i < 1000; i++) values_.push_back(std::sin(static_cast<float>(i)) * 1e5f);
    file.write(reinterpret_cast<const char*>(values_.data()), 4000);
  }
  ~WeightFile() { std::remove(path_.c_str()); }
  WeightInput input(std::uint64_t offset = 1, std::uint64_t bytes = 4000, std::vector<std::int64_t> dims = {10, 100}) const {
    return {"w", path_, offset, bytes, std::move(dims), 0};
  }
  const std::vector<float>& values() const { return values_; }

 private:
  std::string path_;
  std::vector<float> values_;
};

bool refused(WeightInput input) {
  try {
    open_weights({std::move(input)});
    return false;
  } catch (const Error& error) {
    return error.code() == ErrorCode::kEngineBuild;
  }
}

}  // namespace

TEST(a_weight_is_the_files_bytes_until_its_switch_is_on) {
  const WeightFile file;
  auto weights = open_weights({file.input(), file.input()});
  auto& w = weights[0];
  CHECK(std::memcmp(w.data(), file.values().data(), 4000) == 0);
  for (const int position : {1, 2, 3, 4}) {
    const auto set = [&] { return w.set(static_cast<std::uint8_t>(position), 2); };
    CHECK(set() && !set());
    std::vector<float> expected(1000);
    const Overflow overflow = position % 2 == 0 ? Overflow::kToLargestFinite : Overflow::kToInfinity;
    if (position <= 2) round_to_half(file.values().data(), expected.data(), 1000, overflow);
    else round_to_bfloat(file.values().data(), expected.data(), 1000, overflow);
    CHECK(std::memcmp(w.data(), expected.data(), 4000) == 0);
  }
  CHECK(w.set(0, 2) && std::memcmp(w.data(), file.values().data(), 4000) == 0);
}

TEST(what_the_file_does_not_hold_is_refused) {
  const WeightFile file;
  CHECK(refused(file.input(2)));
  CHECK(refused(file.input(1, 4004, {1001})));
  CHECK(refused(file.input(~std::uint64_t{0} - 3)));
  CHECK(refused(file.input(1, 4000, {999})));
  CHECK(refused(file.input(1, 4000, {-1000})));
  CHECK(refused(file.input(1, 4000, {std::int64_t{1} << 40, std::int64_t{1} << 40})));
  CHECK(refused(file.input(1, 3999, {1000})));
  WeightInput missing = file.input();
  missing.path += ".missing";
  CHECK(refused(missing));
  missing.path = "/tmp";
  CHECK(refused(missing));
}

TEST_MAIN
