#pragma once

// Products as loops over their definition: what products_test.cc compares the kernels with. One element at a time, nothing packed.

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "core/half.h"
#include "products/exact.h"
#include "products/operators.h"

namespace halfscope::test {

using products::Dims;
using products::SumOptions;
using products::Sums;
using Pairs = std::vector<std::pair<float, float>>;

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline float to_half(float value) { return float_of(float_bits_from_half(half_from_float_bits(bits_of(value)))); }

/// One element of a product: the factors along K in order.
inline float plain_sum(Pairs pairs, const SumOptions& o) {
  const bool exact = o.sums != Sums::kHalf;
  for (auto& [a, b] : pairs) {
    if (o.round_right) b = o.keep_right_finite && std::isfinite(b) ? std::fmin(65504.0f, std::fmax(-65504.0f, b)) : b;
    if (o.round_right || exact) b = to_half(b);
    if (exact) a = to_half(a);
  }
  const auto& chip = products::chip_model(o.chip);
  const std::size_t chunk = exact ? chip.group : o.chunk, count = pairs.size();
  const std::size_t chunks = (count + chunk - 1) / chunk, pieces = std::max<std::size_t>(1, std::min(o.pieces, chunks));
  float total = 0;
  for (std::size_t piece = 0; piece < pieces; piece++) {
    float sum = 0;
    for (std::size_t c = chunks * piece / pieces; c < chunks * (piece + 1) / pieces; c++) {
      const std::size_t from = c * chunk, end = std::min(count, from + chunk);
      if (exact) {
        std::vector<float> a, b;
        for (std::size_t k = from; k < end; k++) {
          a.push_back(pairs[k].first);
          b.push_back(pairs[k].second);
        }
        sum = products::add_group(chip, o.sums == Sums::kHalfExact, sum, a.data(), 1, b.data(), 1, a.size());
        continue;
      }
      for (std::size_t k = from; k < end; k++) sum = std::fma(pairs[k].first, pairs[k].second, sum);
      sum = to_half(sum);
    }
    sum += 0.0f;
    total = piece == 0 ? sum : o.sums == Sums::kTensorCore ? total + sum : to_half(total + sum);
  }
  return total;
}

/// A tensor at any alignment.
class Tensor {
 public:
  Tensor(Dims dims, const std::vector<float>& values, std::size_t shift) : dims_(std::move(dims)), bytes_(values.size() * sizeof(float) + shift), shift_(shift) {
    if (!values.empty()) std::memcpy(bytes_.data() + shift, values.data(), values.size() * sizeof(float));
  }
  products::Factor factor() const { return {bytes_.data() + shift_, dims_}; }
  const Dims& dims() const { return dims_; }
  std::int64_t dim(std::size_t i) const { return dims_[i]; }
  float at(std::int64_t index) const {
    float value;
    std::memcpy(&value, bytes_.data() + shift_ + static_cast<std::size_t>(index) * sizeof(float), sizeof(float));
    return value;
  }

 private:
  Dims dims_;
  std::vector<unsigned char> bytes_;
  std::size_t shift_;
};

inline std::int64_t elements(const Dims& dims) {
  std::int64_t count = 1;
  for (const auto d : dims) count *= d;
  return count;
}

/// Index of an element of `dims` for the index of the result it is broadcast to; the last `inner` dimensions of both are left out.
inline std::int64_t broadcast(std::int64_t index, const Dims& out, const Dims& dims, std::size_t inner) {
  std::int64_t found = 0, step = 1;
  for (std::size_t i = 0; i + inner < out.size(); i++) {
    const std::int64_t size = out[out.size() - inner - 1 - i], at = index % size;
    index /= size;
    if (i + inner >= dims.size()) break;
    const std::int64_t own = dims[dims.size() - inner - 1 - i];
    if (own != 1) found += at * step;
    step *= own;
  }
  return found;
}

inline std::vector<float> plain_matmul(const Tensor& a, const Tensor& b, const Dims& out, const SumOptions& o) {
  Dims da = a.dims(), db = b.dims(), full = out;
  if (da.size() == 1) {
    da.insert(da.begin(), 1);
    full.insert(full.end() - (b.dims().size() == 1 ? 0 : 1), 1);
  }
  if (db.size() == 1) {
    db.push_back(1);
    full.push_back(1);
  }
  const std::int64_t rows = da[da.size() - 2], depth = da.back(), columns = db.back();
  std::vector<float> result;
  for (std::int64_t i = 0; i < elements(full); i++) {
    const std::int64_t batch = i / (rows * columns), row = i / columns % rows, column = i % columns;
    const std::int64_t left = broadcast(batch, full, da, 2) * rows * depth, right = broadcast(batch, full, db, 2) * depth * columns;
    Pairs pairs;
    for (std::int64_t k = 0; k < depth; k++) pairs.emplace_back(a.at(left + row * depth + k), b.at(right + k * columns + column));
    result.push_back(plain_sum(pairs, o));
  }
  return result;
}

inline std::vector<float> plain_gemm(const products::GemmAttributes& g, const Tensor& a, const Tensor& b, const Tensor* c, const Dims& out, const SumOptions& o) {
  const std::int64_t depth = a.dim(g.trans_a ? 0 : 1);
  std::vector<float> result;
  for (std::int64_t i = 0; i < elements(out); i++) {
    const std::int64_t row = i / out[1], column = i % out[1];
    Pairs pairs;
    for (std::int64_t k = 0; k < depth; k++)
      pairs.emplace_back(a.at(g.trans_a ? k * out[0] + row : row * depth + k), b.at(g.trans_b ? column * depth + k : k * out[1] + column));
    const float scaled = g.alpha * plain_sum(pairs, o);
    if (c == nullptr) {
      result.push_back(scaled);
      continue;
    }
    const volatile float bias = g.beta * c->at(broadcast(i, out, c->dims(), 0));  // volatile: never contracted into one operation
    result.push_back(scaled + bias);
  }
  return result;
}

inline std::vector<float> plain_conv(const products::ConvShape& s, const Tensor& x, const Tensor& w, const Tensor* bias, const SumOptions& o) {
  const auto groups = static_cast<std::int64_t>(s.groups), channels = static_cast<std::int64_t>(s.channels), filters = static_cast<std::int64_t>(s.filters);
  const auto pixels = static_cast<std::int64_t>(s.pixels()), in_pixels = static_cast<std::int64_t>(s.in_pixels()), positions = static_cast<std::int64_t>(s.positions());
  std::vector<float> result;
  for (std::int64_t i = 0; i < elements(s.out); i++) {
    const std::int64_t pixel = i % pixels, filter = i / pixels % (filters * groups), image = i / pixels / (filters * groups), group = filter / filters;
    const std::int64_t z = pixel / (s.space[1] * s.space[2]), y = pixel / s.space[2] % s.space[1], q = pixel % s.space[2];
    Pairs pairs;
    for (std::int64_t p = 0; p < positions; p++) {
      const std::int64_t iz = z * s.stride[0] - s.pad[0] + p / (s.kernel[1] * s.kernel[2]) * s.dilation[0];
      const std::int64_t iy = y * s.stride[1] - s.pad[1] + p / s.kernel[2] % s.kernel[1] * s.dilation[1];
      const std::int64_t ix = q * s.stride[2] - s.pad[2] + p % s.kernel[2] * s.dilation[2];
      const bool inside = iz >= 0 && iz < s.in[0] && iy >= 0 && iy < s.in[1] && ix >= 0 && ix < s.in[2];
      for (std::int64_t c = 0; c < channels; c++) {
        const float value = inside ? x.at(((image * groups + group) * channels + c) * in_pixels + (iz * s.in[1] + iy) * s.in[2] + ix) : 0.0f;
        pairs.emplace_back(value, w.at((filter * channels + c) * positions + p));
      }
    }
    const float sum = plain_sum(pairs, o);
    result.push_back(bias == nullptr ? sum : sum + bias->at(filter));
  }
  return result;
}

}  // namespace halfscope::test
