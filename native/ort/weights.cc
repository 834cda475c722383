#include "ort/weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "core/error.h"
#include "core/rounding.h"
#include "metrics/parallel.h"

namespace halfscope::ort {
namespace {

[[noreturn]] void unusable(const std::string& what) { throw Error(ErrorCode::kEngineBuild, what); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) unusable("weights of " + path + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) unusable("weights of " + path + ": not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) unusable("weights of " + path + " could not be mapped: " + std::strerror(errno));
  data_ = static_cast<unsigned char*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Pages::Pages(std::size_t bytes) : size_(bytes == 0 ? 1 : bytes) {
  data_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data_ == MAP_FAILED) throw std::bad_alloc();
}

Pages::~Pages() { ::munmap(data_, size_); }

Weight::Weight(WeightInput input, std::shared_ptr<const MappedFile> file) : input_(std::move(input)), file_(std::move(file)) {
  if (input_.offset > file_->size() || input_.bytes > file_->size() - input_.offset) {
    unusable("weight " + input_.name + " needs bytes " + std::to_string(input_.offset) + " to " + std::to_string(input_.offset + input_.bytes) +
             " of " + input_.path + ", which has " + std::to_string(file_->size()));
  }
  std::uint64_t count = 1;
  for (const auto d : input_.dims) {
    if (d < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(d), &count)) unusable("weight " + input_.name + " has an impossible shape");
  }
  if (input_.bytes % 4 != 0 || count != input_.bytes / 4) {
    unusable("weight " + input_.name + ": its shape has " + std::to_string(count) + " elements, its " + std::to_string(input_.bytes) +
             " bytes hold " + std::to_string(input_.bytes / 4));
  }
}

bool Weight::set(std::uint8_t position, std::size_t threads) {
  if (position == position_) return false;
  if (position == 0) {
    rounded_.reset();
  } else {
    if (!rounded_) rounded_ = std::make_unique<Pages>(input_.bytes);
    round_tensor(raw(), static_cast<float*>(rounded_->data()), count(), rounding_at(position), threads);
  }
  position_ = position;
  return true;
}

std::vector<Weight> open_weights(std::vector<WeightInput> inputs) {
  std::map<std::string, std::shared_ptr<const MappedFile>> files;
  std::vector<Weight> weights;
  weights.reserve(inputs.size());
  for (auto& input : inputs) {
    auto& file = files[input.path];
    if (!file) file = std::make_shared<const MappedFile>(input.path);
    weights.emplace_back(std::move(input), file);
  }
  return weights;
}

}  // namespace halfscope::ort
